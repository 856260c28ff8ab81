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

using Lanes16 = Lanes<float, 16>;

// The fewer than 16 elements that are left.
[[gnu::noinline]] inline void exponentials_left(const float* x, float scale, float top, float* y,
                                                int64_t n, Lanes16& sums) noexcept {
  float lanes[16];
  sums.store(lanes);
  for (int64_t i = 0; i < n; ++i) lanes[i] += y[i] = exp_from_below(fused(x[i], scale, -top));
  sums.load(lanes);
}

// The exponentials of n elements of x times `scale` less `top` to y, added to `all`; y may be x.
// Without kScales `scale` is 1: a difference is left, for which other units are free.
template <bool kScales>
[[gnu::always_inline]] inline void exponentials(const float* x, float scale, float top, float* y,
                                                int64_t n, Lanes16& all) noexcept {
  using Vector = Lanes16::Vector;
  const Vector factor = Vector{} + scale, below = Vector{} - top;
  // Four vectors at a time where there are registers for them: their steps do not wait for each
  // other.
  constexpr int kParts = Lanes16::kParts, kVectors = kParts < 2 ? 4 : kParts;
  int64_t i = 0;
  Lanes16 sums = all;
  const auto go = [&]<int kCount>() __attribute__((always_inline)) {
    constexpr int kLanes = Lanes16::kPartLanes;
    for (; i + kCount * kLanes <= n; i += kCount * kLanes) {
      Vector e[kCount];
#pragma GCC unroll 4
      for (int p = 0; p < kCount; ++p) {
        e[p] = load_as<Vector>(x + i + p * kLanes);
        e[p] = kScales ? fused(e[p], factor, below) : e[p] + below;
      }
      exp_from_below(e);
#pragma GCC unroll 4
      for (int p = 0; p < kCount; ++p) {
        sums.v[p % kParts] += e[p];
        store_as(y + i + p * kLanes, e[p]);
      }
    }
  };
  go.template operator()<kVectors>();
  if constexpr (kVectors > kParts) go.template operator()<kParts>();
  all = sums;
  if (i < n) exponentials_left(x + i, scale, top, y + i, n - i, all);
}

// Ignores NaN: the differences to it bring them back.
[[gnu::always_inline]] inline Lanes16 largest(const float* x, int64_t n) noexcept {
  const auto step = [=](auto lanes, int64_t i) __attribute__((always_inline)) {
    return Larger{}(lanes, load_as<decltype(lanes)>(x + i));
  };
  return fold_to_16(n, -__builtin_inff(), step, Larger{});
}

// Rows are taken some at a time, so that the ends of their sums do not wait for each other.
constexpr int64_t kRowsAtOnce = 8;

struct Row {
  const float* x;
  float scale;  // of x, not negative
};

// `prepare(row)` gives a row of x, or what it made of it in y.
template <typename Prepare>
[[gnu::always_inline]] inline void softmax_rows(float* y, int64_t rows, int64_t n,
                                                Prepare prepare) noexcept {
  for (int64_t r = 0, end; r < rows; r = end, y += kRowsAtOnce * n) {
    end = r + kRowsAtOnce < rows ? r + kRowsAtOnce : rows;
    Row from[kRowsAtOnce];
    Lanes16 lanes[kRowsAtOnce];
    float top[kRowsAtOnce];
    for (int64_t i = 0; i < end - r; ++i) {
      from[i] = prepare(r + i);
      lanes[i] = largest(from[i].x, n);
    }
    for (int64_t i = 0; i < end - r; ++i) top[i] = fold16(lanes[i], Larger{}) * from[i].scale;
    for (int64_t i = 0; i < end - r; ++i) {
      lanes[i].set(0.0f);
      if (from[i].scale == 1.0f)
        exponentials<false>(from[i].x, 1.0f, top[i], y + i * n, n, lanes[i]);
      else
        exponentials<true>(from[i].x, from[i].scale, top[i], y + i * n, n, lanes[i]);
    }
    for (int64_t i = 0; i < end - r; ++i) top[i] = 1.0f / fold16(lanes[i], Sum{});
    for (int64_t i = 0; i < end - r; ++i) {
      const float factor = top[i];
      float* out = y + i * n;
#pragma GCC ivdep
      for (int64_t j = 0; j < n; ++j) out[j] *= factor;
    }
  }
}

inline void softmax(const float* x, float* y, int64_t rows, int64_t n) noexcept {
  softmax_rows(y, rows, n, [=](int64_t r) { return Row{x + r * n, 1.0f}; });
}

inline bool any_other(const uint8_t* mask, uint8_t turn, int64_t n) noexcept {
  uint8_t other = 0;
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) other |= static_cast<uint8_t>(mask[i] ^ turn);
  return other != 0;
}

inline void masked(const float* x, float* y, int64_t rows, int64_t n, const Mask& m) noexcept {
  const float scale = m.scale, fill = m.fill;
  const uint8_t turn = m.turn;
  bool fills = false;
  softmax_rows(y, rows, n, [=, &m](int64_t r) mutable {
    const float* from = x + r * n;
    float* to = y + r * n;
    const uint8_t* mask = m.mask ? m.mask + r * m.mask_stride : nullptr;
    if (mask && (r == 0 || m.mask_stride)) fills = any_other(mask, turn, n);
    if (!m.addend && !fills && scale >= 0.0f) return Row{from, scale};
    if (m.addend) {
      const float* addend = m.addend + r * m.addend_stride;
#pragma GCC ivdep
      for (int64_t i = 0; i < n; ++i) to[i] = from[i] * scale + addend[i];
    } else {
#pragma GCC ivdep
      for (int64_t i = 0; i < n; ++i) to[i] = from[i] * scale;
    }
    if (fills) {
#pragma GCC ivdep
      for (int64_t i = 0; i < n; ++i) to[i] = mask[i] != turn ? fill : to[i];
    }
    return Row{to, 1.0f};
  });
}

// The exponentials are summed in pieces, so that y may be x.
inline void log_softmax(const float* x, float* y, int64_t rows, int64_t n) noexcept {
  constexpr int64_t kPiece = 256;
  float piece[kPiece];
  for (int64_t r = 0; r < rows; ++r, x += n, y += n) {
    const float top = fold16(largest(x, n), Larger{});
    Lanes16 sums;
    sums.set(0.0f);
    for (int64_t i = 0; i < n; i += kPiece) {
      const int64_t some = n - i < kPiece ? n - i : kPiece;
      exponentials<false>(x + i, 1.0f, top, piece, some, sums);
    }
    const float shift = log_f(fold16(sums, Sum{}));
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
