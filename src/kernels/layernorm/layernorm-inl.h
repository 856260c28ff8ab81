// The loops of layernorm, for the compiler to vectorize. No include guard.
#include "kernels/loops/lanes-inl.h"

struct Sum {
  template <typename V>
  [[gnu::always_inline]] inline V operator()(V a, V b) const noexcept {
    return a + b;
  }
};
struct SumOfSquares {
  float mean;
  template <typename V>
  [[gnu::always_inline]] inline V operator()(V a, V x) const noexcept {
    const V d = x - mean;
    return a + d * d;
  }
};

template <typename F>
[[gnu::always_inline]] inline float fold(const float* x, int64_t n, F f) noexcept {
  float lanes[16] = {};
  fold_lanes(x, n, lanes, f, f);
  return fold16(lanes, Sum{});
}

// y = (x - mean) * inverse * gamma + beta. Without a mean, x - 0 is x.
[[gnu::always_inline]] inline void write_row(const float* x, float* y, int64_t n, float mean,
                                             float inverse, const float* gamma,
                                             const float* beta) noexcept {
  if (gamma && beta) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) y[i] = (x[i] - mean) * inverse * gamma[i] + beta[i];
  } else if (gamma) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) y[i] = (x[i] - mean) * inverse * gamma[i];
  } else if (beta) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) y[i] = (x[i] - mean) * inverse + beta[i];
  } else {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) y[i] = (x[i] - mean) * inverse;
  }
}

template <bool kCentres>
void normalize(const Call& call, int64_t rows, int64_t n) noexcept {
  const float count = static_cast<float>(n);
  for (int64_t r = 0; r < rows; ++r) {
    const float* x = call.x + r * n;
    const float mean = kCentres ? fold(x, n, Sum{}) / count : 0.0f;
    const float variance = fold(x, n, SumOfSquares{mean}) / count;
    const float inverse = 1.0f / __builtin_sqrtf(variance + call.epsilon);
    if (call.mean) call.mean[r] = mean;
    if (call.inverse) call.inverse[r] = inverse;
    write_row(x, call.y + r * n, n, mean, inverse, call.gamma, kCentres ? call.beta : nullptr);
  }
}

constexpr Table make_table(base::Isa isa) noexcept {
  return {isa, normalize<true>, normalize<false>};
}
