#include "kernels/elementwise/elementwise.h"

#include <gtest/gtest.h>

#include <functional>

#include "kernels/loops/testing.h"

namespace tersor::kernels::elementwise {
namespace {

using namespace kernels::testing;

float expected(Binary f, float a, float b) {
  switch (f) {
    case Binary::add:
      return a + b;
    case Binary::sub:
      return a - b;
    case Binary::mul:
      return a * b;
    case Binary::div:
      return a / b;
    case Binary::min:
      return std::isnan(a) ? a : std::isnan(b) ? b : std::min(a, b);
    case Binary::max:
      return std::isnan(a) ? a : std::isnan(b) ? b : std::max(a, b);
    case Binary::pow:
      return std::pow(a, b);
  }
  return 0;
}

bool equal(float a, float b) { return a == b || (std::isnan(a) && std::isnan(b)); }

TEST(Binary, EveryFunctionAndPattern) {
  for (base::IsaSet cap : caps())
    for (int f = 0; f < kBinaries; ++f)
      for (int p = 0; p < kPatterns; ++p)
        for (int64_t n : kSizes)
          for (bool clips : {false, true}) {
            Floats a = random_floats(n, -4, 4, 1), b = random_floats(n, -4, 4, 2);
            if (n > 4) a[2] = kNan, b[1] = kNan, a[3] = kInf, b[0] = 0;
            if (n == 0) a.push_back(0), b.push_back(0);
            const Clamp clamp = clips ? Clamp{-1.5f, 2.0f} : Clamp{};
            Floats y(a.size());
            table(cap).binary(static_cast<Binary>(f), static_cast<Pattern>(p))(a.data(), b.data(),
                                                                               y.data(), n, clamp);
            for (size_t i = 0; i < static_cast<size_t>(n); ++i) {
              float v =
                  expected(static_cast<Binary>(f), p == 2 ? a[0] : a[i], p == 1 ? b[0] : b[i]);
              if (clips) v = v < -1.5f ? -1.5f : v > 2.0f ? 2.0f : v;
              ASSERT_TRUE(equal(y[i], v))
                  << f << " " << p << " " << n << " " << i << ": " << y[i] << " instead of " << v;
            }
          }
}

TEST(Binary, InPlace) {
  for (base::IsaSet cap : caps()) {
    const Floats a = random_floats(100, -4, 4, 1), b = random_floats(100, -4, 4, 2);
    Floats want(100), y = a, z = b;
    const auto add = table(cap).binary(Binary::sub, Pattern::vector_vector);
    add(a.data(), b.data(), want.data(), 100, {});
    add(y.data(), b.data(), y.data(), 100, {});
    add(a.data(), z.data(), z.data(), 100, {});
    EXPECT_TRUE(same_bits(y, want) && same_bits(z, want));
  }
}

TEST(Binary, PowersWithPathsOfTheirOwn) {
  const Floats a = {0.0f, -0.0f, 1.5f, -2.5f, kInf, -kInf, kNan, 1e-30f, 3e25f};
  for (base::IsaSet cap : caps())
    for (float b : {2.0f, 1.0f, 0.5f, -1.0f, 3.0f, 0.0f}) {
      Floats y(a.size());
      table(cap).binary(Binary::pow, Pattern::vector_scalar)(a.data(), &b, y.data(),
                                                             static_cast<int64_t>(a.size()), {});
      for (size_t i = 0; i < a.size(); ++i) {
        const float want = std::pow(a[i], b);
        EXPECT_TRUE(equal(y[i], want) || std::fabs(y[i] - want) <= 2e-7f * std::fabs(want))
            << a[i] << " ^ " << b << " = " << y[i];
      }
    }
}

// What each function is in double, and how far the kernel may be from it where |x| <= limit:
// error <= relative * |f(x)| + absolute.
struct Case {
  Unary f;
  std::function<double(double)> want;
  double relative, absolute = 0;
  float low = -20, high = 20;
  Arguments arguments = {};
};
double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::fabs(x))); }
double clamp01(double x) { return std::clamp(x, 0.0, 1.0); }

// Exact functions have error 0; those made of a few roundings have that many half units.
constexpr double kUnit = 6e-8;
const std::vector<Case>& cases() {
  static const std::vector<Case> list = {
      {Unary::relu, [](double x) { return std::max(x, 0.0); }, 0},
      {Unary::leaky_relu, [](double x) { return x < 0 ? 0.25 * x : x; }, 0, 0, -20, 20, {0.25f, 0}},
      {Unary::clip, [](double x) { return std::clamp(x, -1.5, 6.0); }, 0, 0, -20, 20, {-1.5f, 6}},
      {Unary::sigmoid, sigmoid, 4e-7, 0, -80, 80},
      {Unary::tanh, [](double x) { return std::tanh(x); }, 4e-7},
      {Unary::tanh, [](double x) { return std::tanh(x); }, 4e-7, 0, -1, 1},
      {Unary::erf, [](double x) { return std::erf(x); }, 5e-7, 0, -6, 6},
      {Unary::erf, [](double x) { return std::erf(x); }, 5e-7, 0, -0.01f, 0.01f},
      {Unary::gelu, [](double x) { return x / 2 * (1 + std::erf(x / std::sqrt(2.0))); }, 3e-7,
       2e-6},
      {Unary::gelu_tanh,
       [](double x) {
         return x / 2 * (1 + std::tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
       },
       6e-7, 4e-6},
      {Unary::exp, [](double x) { return std::exp(x); }, 2e-7, 0, -87, 88},
      {Unary::exp, [](double x) { return std::exp(x); }, 2e-7, 0, -1, 1},
      {Unary::exp, [](double x) { return std::exp(x); }, 0, 3e-45, -110, -87.4f},
      {Unary::log, [](double x) { return std::log(x); }, 2e-7, 0, 0, 20},
      {Unary::log, [](double x) { return std::log(x); }, 2e-7, 0, 0.9f, 1.1f},
      {Unary::log, [](double x) { return std::log(x); }, 2e-7, 0, 0, 1e-38f},
      {Unary::log, [](double x) { return std::log(x); }, 2e-7, 0, 1, 1e38f},
      {Unary::sqrt, [](double x) { return std::sqrt(x); }, kUnit, 0, 0, 100},
      {Unary::reciprocal, [](double x) { return 1 / x; }, kUnit},
      {Unary::hard_sigmoid,
       [](double x) { return clamp01(0.2 * x + 0.5); },
       3 * kUnit,
       3 * kUnit,
       -9,
       9,
       {0.2f, 0.5f}},
      {Unary::hard_swish, [](double x) { return x * clamp01(x / 6 + 0.5); }, 4 * kUnit, 1e-6},
      {Unary::softplus, softplus, 6e-7, 0, -80, 80},
      {Unary::silu, [](double x) { return x * sigmoid(1.5 * x); }, 3e-6, 0, -20, 20, {1.5f, 0}},
      {Unary::neg, [](double x) { return -x; }, 0},
      {Unary::abs, [](double x) { return std::fabs(x); }, 0},
      {Unary::floor, [](double x) { return std::floor(x); }, 0},
      {Unary::ceil, [](double x) { return std::ceil(x); }, 0},
      {Unary::round, [](double x) { return std::nearbyint(x); }, 0},
      {Unary::floor, [](double x) { return std::floor(x); }, 0, 0, -3e7f, 3e7f},
      {Unary::ceil, [](double x) { return std::ceil(x); }, 0, 0, -3e7f, 3e7f},
      {Unary::round, [](double x) { return std::nearbyint(x); }, 0, 0, -3e7f, 3e7f},
      {Unary::elu,
       [](double x) { return x < 0 ? 2 * std::expm1(x) : x; },
       5e-7,
       0,
       -20,
       20,
       {2, 0}},
      {Unary::elu,
       [](double x) { return x < 0 ? 2 * std::expm1(x) : x; },
       5e-7,
       0,
       -1e-3f,
       1e-3f,
       {2, 0}},
      {Unary::mish, [](double x) { return x * std::tanh(softplus(x)); }, 2e-6},
  };
  return list;
}

TEST(Unary, ErrorBounds) {
  constexpr int64_t kCount = 40000;
  for (base::IsaSet cap : caps())
    for (const Case& c : cases()) {
      const Floats x = random_floats(kCount, c.low, c.high, 3);
      Floats y(x.size());
      table(cap).unary(c.f)(x.data(), y.data(), kCount, c.arguments);
      double worst = 0;
      float at = 0;
      for (size_t i = 0; i < x.size(); ++i) {
        const double want = c.want(static_cast<double>(x[i]));
        const double excess = std::fabs(y[i] - want) - c.absolute - c.relative * std::fabs(want);
        if (!(excess <= worst)) worst = excess, at = x[i];
      }
      const double want = c.want(static_cast<double>(at));
      EXPECT_EQ(worst, 0) << static_cast<int>(c.f) << " on " << base::name(table(cap).isa) << " at "
                          << at << ": relative error " << worst / std::fabs(want) + c.relative;
    }
}

TEST(Unary, SameBitsOnEveryIsaAtEverySize) {
  const float special[] = {0.0f,    -0.0f, kInf, -kInf, kNan,  1e-40f,     -1e-40f, 88.8f,
                           -103.9f, 0.5f,  1.5f, 2.5f,  -2.5f, 8388607.5f, 3e38f,   -3e38f};
  for (int f = 0; f < kUnaries; ++f)
    for (int64_t n : kSizes) {
      Floats x = random_floats(n, -30, 30, 5);
      for (size_t i = 0; i < x.size() && i < std::size(special); ++i)
        x[x.size() - 1 - i] = special[i];
      Floats want(x.size());
      table({}).unary(static_cast<Unary>(f))(x.data(), want.data(), n, {0.5f, 0.25f});
      for (base::IsaSet cap : caps()) {
        Floats y = x;  // in place
        table(cap).unary(static_cast<Unary>(f))(y.data(), y.data(), n, {0.5f, 0.25f});
        for (size_t i = 0; i < y.size(); ++i)
          EXPECT_TRUE(same_bits({y[i]}, {want[i]}) || (std::isnan(y[i]) && std::isnan(want[i])))
              << f << " of " << x[i] << ": " << y[i] << " and " << want[i];
      }
    }
}

TEST(Unary, SpecialNumbers) {
  const struct {
    Unary f;
    float x, y;
  } list[] = {{Unary::exp, kInf, kInf},
              {Unary::exp, -kInf, 0},
              {Unary::exp, 89, kInf},
              {Unary::exp, 0, 1},
              {Unary::log, 0, -kInf},
              {Unary::log, -0.0f, -kInf},
              {Unary::log, -1, kNan},
              {Unary::log, kInf, kInf},
              {Unary::log, 1, 0},
              {Unary::log, -kInf, kNan},
              {Unary::tanh, kInf, 1},
              {Unary::tanh, -kInf, -1},
              {Unary::erf, kInf, 1},
              {Unary::erf, -kInf, -1},
              {Unary::sigmoid, -kInf, 0},
              {Unary::sigmoid, kInf, 1},
              {Unary::softplus, kInf, kInf},
              {Unary::softplus, -kInf, 0},
              {Unary::elu, -kInf, -1},
              {Unary::elu, kInf, kInf},
              {Unary::sqrt, -1, kNan},
              {Unary::relu, kNan, kNan},
              {Unary::tanh, kNan, kNan},
              {Unary::erf, kNan, kNan},
              {Unary::exp, kNan, kNan},
              {Unary::log, kNan, kNan},
              {Unary::sigmoid, kNan, kNan},
              {Unary::softplus, kNan, kNan},
              {Unary::floor, kNan, kNan},
              {Unary::floor, -kInf, -kInf},
              {Unary::gelu, kInf, kInf},
              {Unary::round, 2.5f, 2},
              {Unary::round, 3.5f, 4},
              {Unary::floor, -0.5f, -1},
              {Unary::ceil, 0.2f, 1},
              {Unary::mish, kInf, kInf}};
  for (base::IsaSet cap : caps())
    for (const auto& c : list) {
      float y = 7;
      table(cap).unary(c.f)(&c.x, &y, 1, {});
      EXPECT_TRUE(equal(y, c.y)) << static_cast<int>(c.f) << " of " << c.x << " is " << y;
    }
}

}  // namespace
}  // namespace tersor::kernels::elementwise
