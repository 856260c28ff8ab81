#include "quant/algorithms/rounding/lattice.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "kernels/vectors/vectors.h"
#include "tensor/float_types.h"

namespace tersor::quant {
namespace {

const kernels::vectors::Table& vectors() {
  static const kernels::vectors::Table& table = kernels::vectors::table(base::detect_isa());
  return table;
}
float dot(const float* x, const float* y, size_t n) {
  return vectors().dot(x, y, static_cast<int64_t>(n));
}

float to_float16(float v) { return tensor::to_float(tensor::to_half(v)); }
float to_bfloat16(float v) { return tensor::to_float(tensor::to_bfloat16(v)); }

}  // namespace

float IntegerGrid::nearest(std::span<const float> q, size_t k, float wish) const {
  auto low = static_cast<float>(bounds_.low), high = static_cast<float>(bounds_.high);
  const std::span<const int64_t> ring = bounds_.ring;
  if (bounds_.sum != 0 && !ring.empty() && ring[k] != static_cast<int64_t>(k)) {
    float up = 0, down = 0;  // of the others
    for (auto i = static_cast<size_t>(ring[k]); i != k; i = static_cast<size_t>(ring[i]))
      (q[i] > 0 ? up : down) += q[i];
    const auto sum = static_cast<float>(bounds_.sum);
    low = std::max(low, -sum - down);
    high = std::min(high, sum - up);
  }
  return std::clamp(std::nearbyint(wish), low, high);
}

HalfGrid::HalfGrid(DType half)
    : round_(half == DType::kFloat16 ? to_float16 : to_bfloat16),
      largest_(half == DType::kFloat16 ? 0x1.ffcp15F : 0x1.fep127F) {}

float HalfGrid::nearest(std::span<const float>, size_t, float wish) const {
  return round_(std::clamp(wish, -largest_, largest_));
}

Lattice::Lattice(std::vector<float> h, size_t n, double damping, runtime::ThreadPool* pool,
                 std::span<const float> steps)
    : n_(n), h_(std::move(h)), order_(n) {
  double trace = 0;
  for (size_t k = 0; k < n; ++k) trace += static_cast<double>(h_[k * n + k]);
  const double mean = n > 0 ? trace / static_cast<double>(n) : 0;
  const auto more = static_cast<float>(mean > 0 ? mean * damping : 1);
  for (size_t k = 0; k < n; ++k) h_[k * n + k] += more;
  std::iota(order_.begin(), order_.end(), size_t{0});
  const auto cost = [&](size_t k) { return h_[k * n_ + k] * (steps.empty() ? 1 : steps[k]); };
  std::ranges::stable_sort(order_, [&](size_t a, size_t b) { return cost(a) < cost(b); });
  factorize(pool);
}

// Cholesky, some rows at a time: they are independent in front of their own triangle.
void Lattice::factorize(runtime::ThreadPool* pool) {
  constexpr size_t kRows = 64;
  const size_t n = n_;
  std::vector<float> l(n * n, 0.0F);
  const auto element = [&](size_t i, size_t j) {
    float* row = l.data() + i * n;
    const float rest = h_[order_[i] * n + order_[j]] - dot(row, l.data() + j * n, j);
    if (i == j)
      row[j] = std::sqrt(std::max(rest, std::numeric_limits<float>::min()));
    else
      row[j] = rest / l[j * n + j];
  };
  for (size_t from = 0; from < n; from += kRows) {
    const size_t to = std::min(from + kRows, n);
    const auto before = [&](int64_t begin, int64_t end, int) {
      for (size_t j = 0; j < from; ++j)
        for (int64_t i = begin; i < end; ++i) element(from + static_cast<size_t>(i), j);
    };
    const auto count = static_cast<int64_t>(to - from);
    if (pool)
      pool->parallel_for(count, (count + pool->size() - 1) / pool->size(), before);
    else
      before(0, count, 0);
    for (size_t i = from; i < to; ++i)
      for (size_t j = from; j <= i; ++j) element(i, j);
  }
  for (size_t i = 0; i < n; ++i)
    for (size_t j = i + 1; j < n; ++j) std::swap(l[i * n + j], l[j * n + i]);
  factor_ = std::move(l);
}

std::vector<std::vector<float>> Lattice::times(std::span<const std::vector<float>> vectors) const {
  std::vector<std::vector<float>> products(vectors.size(), std::vector<float>(n_));
  for (size_t k = 0; k < n_; ++k)
    for (size_t v = 0; v < vectors.size(); ++v)
      products[v][k] = dot(h_.data() + k * n_, vectors[v].data(), n_);
  return products;
}

void Lattice::round(std::span<Candidate> candidates, const Grid& grid) const {
  std::vector<std::vector<float>> errors;
  for (Candidate& c : candidates) {
    c.q.assign(n_, 0.0F);
    std::vector<float>& e = errors.emplace_back(n_);
    for (size_t k = 0; k < n_; ++k) {
      c.q[k] = grid.nearest(c.q, k, c.u[k]);
      e[k] = c.u[k] - c.q[k];
    }
  }
  const auto products = times(errors);
  for (size_t i = 0; i < candidates.size(); ++i)
    candidates[i].error = static_cast<double>(dot(errors[i].data(), products[i].data(), n_));
}

void Lattice::feed_back(std::span<Candidate> candidates, const Grid& grid) const {
  std::vector<std::vector<float>> errors(candidates.size(), std::vector<float>(n_, 0.0F));
  for (Candidate& c : candidates) c.q.assign(n_, 0.0F), c.error = 0;
  for (size_t k = n_; k-- > 0;) {
    const float* row = factor_.data() + k * n_;
    const size_t at = order_[k];
    for (size_t i = 0; i < candidates.size(); ++i) {
      Candidate& c = candidates[i];
      float* e = errors[i].data();  // in the order of the rows
      const float owed = dot(row + k + 1, e + k + 1, n_ - k - 1);
      c.q[at] = grid.nearest(c.q, at, c.u[at] + owed / row[k]);
      e[k] = c.u[at] - c.q[at];
      const auto left = static_cast<double>(owed + row[k] * e[k]);
      c.error += left * left;
    }
  }
}

void Lattice::descend(float scale, std::span<const float> hw, std::span<float> hq,
                      std::span<float> q, const Grid& grid, int passes) const {
  for (int pass = 0; pass < passes; ++pass) {
    bool moved = false;
    for (size_t k = 0; k < n_; ++k) {
      const float* row = h_.data() + k * n_;
      const float slope = hw[k] / scale - hq[k];
      const float to = grid.nearest(q, k, q[k] + slope / row[k]);
      const float step = to - q[k];
      // The error changes by step^2 * H[k][k] - 2 * step * slope.
      if (step == 0 || step * row[k] * step >= 2 * step * slope) continue;
      q[k] = to;
      vectors().subtract(-step, row, hq.data(), static_cast<int64_t>(n_));
      moved = true;
    }
    if (!moved) return;
  }
}

}  // namespace tersor::quant
