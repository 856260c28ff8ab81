// The loops of softmax, for the compiler to vectorize. No include guard.
#include "kernels/elementwise/math-inl.h"
#include "kernels/loops/lanes-inl.h"

struct Larger {
  template <typename V>
  [[gnu::always_inline]] inline V operator()(V a, V b) const noexcept {
    return b > a ? b : a;
  }
};
struct Sum {
  template <typename V>
  [[gnu::always_inline]] inline V operator()(V a, V b) const noexcept {
    return a + b;
  }
};

// Ignores NaN: the differences to it bring them back.
[[gnu::always_inline]] inline float largest(const float* x, int64_t n) noexcept {
  float lanes[16];
  for (float& l : lanes) l = -__builtin_inff();
  fold_lanes(x, n, lanes, Larger{}, Larger{});
  return fold16(lanes, Larger{});
}
[[gnu::always_inline]] inline float sum_of(const float* x, int64_t n) noexcept {
  float lanes[16] = {};
  fold_lanes(x, n, lanes, Sum{}, Sum{});
  return fold16(lanes, Sum{});
}

[[gnu::always_inline]] inline void softmax_row(const float* x, float* y, int64_t n) noexcept {
  const float top = largest(x, n);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) y[i] = exp_quick(x[i] - top);
  const float factor = 1.0f / sum_of(y, n);
  for (int64_t i = 0; i < n; ++i) y[i] *= factor;
}

inline void softmax(const float* x, float* y, int64_t rows, int64_t n) noexcept {
  for (int64_t r = 0; r < rows; ++r, x += n, y += n) softmax_row(x, y, n);
}

inline void masked(const float* x, float* y, int64_t rows, int64_t n, const Mask& m) noexcept {
  const float scale = m.scale, fill = m.fill;
  const uint8_t* mask = m.mask;
  const float* addend = m.addend;
  for (int64_t r = 0; r < rows; ++r, x += n, y += n) {
    if (addend) {
#pragma GCC ivdep
      for (int64_t i = 0; i < n; ++i) y[i] = x[i] * scale + addend[i];
      addend += m.addend_stride;
    } else {
#pragma GCC ivdep
      for (int64_t i = 0; i < n; ++i) y[i] = x[i] * scale;
    }
    if (mask) {
      const uint8_t turn = m.turn;
#pragma GCC ivdep
      for (int64_t i = 0; i < n; ++i) y[i] = mask[i] != turn ? fill : y[i];
      mask += m.mask_stride;
    }
    softmax_row(y, y, n);
  }
}

// The exponentials are summed in pieces, so that y may be x.
inline void log_softmax(const float* x, float* y, int64_t rows, int64_t n) noexcept {
  constexpr int64_t kPiece = 256;
  float piece[kPiece];
  for (int64_t r = 0; r < rows; ++r, x += n, y += n) {
    const float top = largest(x, n);
    float lanes[16] = {};
    for (int64_t i = 0; i < n; i += kPiece) {
      const int64_t some = n - i < kPiece ? n - i : kPiece;
      for (int64_t j = 0; j < some; ++j) piece[j] = exp_quick(x[i + j] - top);
      fold_lanes(piece, some, lanes, Sum{}, Sum{});
    }
    const float shift = log_f(fold16(lanes, Sum{}));
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) y[i] = (x[i] - top) - shift;
  }
}

// Columns in blocks of kBlock: their maxima and sums stay in the first-level cache.
template <bool kLog>
void softmax_columns(const float* x, float* y, int64_t n, int64_t inner, int64_t begin,
                     int64_t end) noexcept {
  constexpr int64_t kBlock = 64;
  float top[kBlock], sum[kBlock];
  for (int64_t c = begin; c < end; c += kBlock) {
    const int64_t some = end - c < kBlock ? end - c : kBlock;
    for (int64_t j = 0; j < some; ++j) top[j] = -__builtin_inff(), sum[j] = 0.0f;
    for (int64_t i = 0; i < n; ++i) {
      const float* row = x + i * inner + c;
      for (int64_t j = 0; j < some; ++j) top[j] = row[j] > top[j] ? row[j] : top[j];
    }
    for (int64_t i = 0; i < n; ++i) {
      const float* row = x + i * inner + c;
      float* out = y + i * inner + c;
#pragma GCC ivdep
      for (int64_t j = 0; j < some; ++j) {
        const float e = exp_quick(row[j] - top[j]);
        sum[j] += e;
        if (!kLog) out[j] = e;
      }
    }
    for (int64_t j = 0; j < some; ++j) sum[j] = kLog ? log_f(sum[j]) : 1.0f / sum[j];
    for (int64_t i = 0; i < n; ++i) {
      const float* row = x + i * inner + c;
      float* out = y + i * inner + c;
#pragma GCC ivdep
      for (int64_t j = 0; j < some; ++j)
        out[j] = kLog ? (row[j] - top[j]) - sum[j] : out[j] * sum[j];
    }
  }
}

constexpr Table make_table(base::Isa isa) noexcept {
  return {isa, softmax, log_softmax, masked, softmax_columns<false>, softmax_columns<true>};
}
