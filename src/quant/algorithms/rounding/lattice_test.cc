#include "quant/algorithms/rounding/lattice.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <random>

namespace tersor::quant {
namespace {

struct Problem {
  size_t n;
  std::vector<float> h, u;
};

// Correlated columns, as neighbouring pixels are.
Problem problem(size_t n, unsigned seed, size_t rows = 40) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Problem p{n, std::vector<float>(n * n, 0.0F), std::vector<float>(n)};
  for (size_t r = 0; r < rows; ++r) {
    std::vector<float> x(n);
    const float common = normal(random);
    for (float& v : x) v = 2 * common + normal(random);
    for (size_t i = 0; i < n; ++i)
      for (size_t j = 0; j < n; ++j) p.h[i * n + j] += x[i] * x[j] / static_cast<float>(rows);
  }
  for (float& v : p.u) v = 2 * normal(random);
  return p;
}

// Candidates of one.
using Method = void (Lattice::*)(std::span<Candidate>, const Grid&) const;
Candidate by(Method method, const Lattice& lattice, const std::vector<float>& u,
             const Bounds& bounds = {}) {
  Candidate c{.u = u};
  (lattice.*method)(std::span(&c, 1), IntegerGrid(bounds));
  return c;
}
std::vector<float> descended(const Lattice& lattice, const std::vector<float>& u,
                             std::vector<float> q, const Bounds& bounds = {}) {
  const std::vector<std::vector<float>> both{u, q};
  auto products = lattice.times(both);
  lattice.descend(1, products[0], products[1], q, IntegerGrid(bounds), 20);
  return q;
}
double error_of(const Lattice& lattice, const std::vector<float>& u, const std::vector<float>& q) {
  std::vector<std::vector<float>> e(1, u);
  for (size_t k = 0; k < u.size(); ++k) e[0][k] -= q[k];
  const auto product = lattice.times(e);
  double sum = 0;
  for (size_t k = 0; k < u.size(); ++k)
    sum += static_cast<double>(e[0][k]) * static_cast<double>(product[0][k]);
  return sum;
}

// The least error of any integers in [low, high], by trying all.
double best_of_all(const Lattice& lattice, const Problem& p, int low, int high) {
  std::vector<float> q(p.n, static_cast<float>(low));
  double best = std::numeric_limits<double>::infinity();
  for (;;) {
    best = std::min(best, error_of(lattice, p.u, q));
    size_t k = 0;
    while (k < p.n && q[k] == static_cast<float>(high)) q[k++] = static_cast<float>(low);
    if (k == p.n) return best;
    ++q[k];
  }
}

TEST(Lattice, ComesNearTheBestOfAll) {
  double nearest = 0, learned = 0, best = 0;
  for (unsigned seed = 0; seed < 20; ++seed) {
    const Problem p = problem(5, seed);
    const Lattice lattice(p.h, p.n, 1e-4);
    const Bounds bounds{.low = -4, .high = 3};
    const Candidate plain = by(&Lattice::round, lattice, p.u, bounds);
    const Candidate fed = by(&Lattice::feed_back, lattice, p.u, bounds);
    for (const Candidate& c : {plain, fed}) {
      const double error = error_of(lattice, p.u, c.q);
      EXPECT_NEAR(c.error, error, 1e-4 * error);
    }
    const std::vector<float> q = descended(lattice, p.u, fed.q, bounds);
    const double least = best_of_all(lattice, p, -4, 3), error = error_of(lattice, p.u, q);
    EXPECT_LE(error, fed.error * (1 + 1e-4));
    EXPECT_GE(error, least * (1 - 1e-4));
    nearest += plain.error;
    learned += error;
    best += least;
    for (float code : q) EXPECT_TRUE(code >= -4 && code <= 3);
  }
  EXPECT_LT(learned, 1.3 * best);
  EXPECT_GT(nearest, 2.5 * best);
}

TEST(Lattice, RoundsToNearestWhereNothingIsCorrelated) {
  Problem p = problem(9, 3);
  for (size_t i = 0; i < p.n; ++i)
    for (size_t j = 0; j < p.n; ++j) p.h[i * p.n + j] = i == j ? 1.0F + static_cast<float>(i) : 0;
  const Lattice lattice(p.h, p.n, 0.01);
  const std::vector<float> nearest = by(&Lattice::round, lattice, p.u).q;
  EXPECT_EQ(nearest, by(&Lattice::feed_back, lattice, p.u).q);
  EXPECT_EQ(nearest, descended(lattice, p.u, std::vector<float>(p.n, 0)));
}

TEST(Lattice, KeepsSumsOfNeighboursWithinTheirBound) {
  Problem p = problem(9, 5);
  for (float& v : p.u) v *= 60;
  const Lattice lattice(p.h, p.n, 0.01);
  const std::vector<std::vector<size_t>> pairs{{0, 1}, {2, 3}, {4, 5}, {6, 7}};
  const std::vector<std::vector<size_t>> fours{{0, 1, 4, 5}, {2, 3, 6, 7}};
  for (const auto& sums : {pairs, fours}) {
    std::vector<int64_t> ring(p.n);
    std::iota(ring.begin(), ring.end(), int64_t{0});
    for (const auto& places : sums)
      for (size_t i = 0; i < places.size(); ++i)
        ring[places[i]] = static_cast<int64_t>(places[(i + 1) % places.size()]);
    const Bounds bounds{.low = -127, .high = 127, .sum = 128, .ring = ring};
    const std::vector<float> q =
        descended(lattice, p.u, by(&Lattice::feed_back, lattice, p.u, bounds).q, bounds);
    for (const auto& places : sums) {
      float up = 0, down = 0;
      for (const size_t k : places) (q[k] > 0 ? up : down) += q[k];
      EXPECT_LE(up, 128);
      EXPECT_GE(down, -128);
    }
    EXPECT_GT(std::abs(q[8]), 0);
  }
}

TEST(Lattice, NumbersOfA16BitFloatMakeUpForEachOther) {
  for (DType half : {DType::kFloat16, DType::kBfloat16}) {
    const HalfGrid grid(half);
    double by_nearest = 0, by_learning = 0;
    for (unsigned seed = 0; seed < 20; ++seed) {
      Problem p = problem(12, seed);
      std::vector<float> steps;
      for (size_t k = 0; k < p.n; ++k) {
        p.u[k] = std::ldexp(p.u[k], -static_cast<int>(k % 5));
        steps.push_back(p.u[k] * p.u[k]);
      }
      const Lattice lattice(p.h, p.n, 1e-4, nullptr, steps);
      Candidate nearest{.u = p.u}, learned = nearest;
      lattice.round(std::span(&nearest, 1), grid);
      lattice.feed_back(std::span(&learned, 1), grid);
      std::vector<std::vector<float>> e(1, p.u);
      for (size_t k = 0; k < p.n; ++k) e[0][k] -= learned.q[k];
      std::vector<float> moved(p.n, 0.0F), q = learned.q;
      lattice.descend(1, lattice.times(e)[0], moved, q, grid, 20);
      by_nearest += nearest.error;
      by_learning += error_of(lattice, p.u, q);
      EXPECT_LE(error_of(lattice, p.u, q), learned.error * (1 + 1e-4));
      for (size_t k = 0; k < p.n; ++k) EXPECT_EQ(grid.nearest(q, k, q[k]), q[k]);
    }
    EXPECT_LT(by_learning, 0.4 * by_nearest);
    EXPECT_EQ(grid.nearest({}, 0, HUGE_VALF), half == DType::kFloat16 ? 65504 : 0x1.fep127F);
  }
}

TEST(Lattice, TheSameWithAnyNumberOfThreads) {
  const Problem p = problem(150, 7, 400);
  const Lattice alone(p.h, p.n, 0.01);
  runtime::ThreadPool pool(3);
  const Lattice together(p.h, p.n, 0.01, &pool);
  EXPECT_EQ(by(&Lattice::feed_back, alone, p.u).q, by(&Lattice::feed_back, together, p.u).q);
}

TEST(Lattice, NothingSeenRoundsToNearest) {
  const std::vector<float> u{0.4F, -1.6F, 2.2F};
  const Lattice lattice(std::vector<float>(9, 0.0F), 3, 0.01);
  EXPECT_EQ(descended(lattice, u, by(&Lattice::feed_back, lattice, u).q),
            (std::vector<float>{0, -2, 2}));
}

}  // namespace
}  // namespace tersor::quant
