// The loops of quantize, for the compiler to vectorize. kByProducts: quotients are products where
// that may be. No include guard.
#include "kernels/loops/lanes-inl.h"

// rint of |v| <= 2^22, halves to even: the sum's last bit counts ones, so its bits are the integer.
[[gnu::always_inline]] inline int32_t rounded(float v) noexcept {
  return __builtin_bit_cast(int32_t, v + 12582912.0f) - 0x4b400000;
}

// Clamping to integers before rounding is the same as after it, and keeps NaN and infinity away.
[[gnu::always_inline]] inline int32_t code_of(float v, float low, float high,
                                              int32_t zero) noexcept {
  v = v > low ? v : low;
  v = v < high ? v : high;
  return rounded(v) + zero;
}
[[gnu::always_inline]] inline int32_t code(float x, float scale, float low, float high,
                                           int32_t zero) noexcept {
  return code_of(x / scale, low, high, zero);
}

// The same quotient without a division, which takes several times as long for long vectors. Twice
// corrected by what it leaves of x: the first time leaves one of the two neighbours of the true
// quotient, of which the second, now without an error, finds the nearer one (Markstein,
// "Computation of elementary functions on the IBM RISC System/6000 processor", 1990). `inverse` is
// 1 / scale, rounded. Beyond all codes it is not corrected: it may be infinite.
constexpr float kMostCorrected = 0x1p20f;
[[gnu::always_inline]] inline float quotient(float x, float scale, float inverse) noexcept {
  const float first = x * inverse;
  float v = __builtin_fmaf(__builtin_fmaf(-first, scale, x), inverse, first);
  v = __builtin_fmaf(__builtin_fmaf(-v, scale, x), inverse, v);
  return __builtin_fabsf(first) < kMostCorrected ? v : first;
}
// Whether nothing underflows on the way to a quotient that is not zero as a code.
inline bool divides_by_products(float scale) noexcept {
  const float size = __builtin_fabsf(scale);
  return size > 0x1p-64f && size < 0x1p64f;
}

template <bool kByProducts, typename T>
void quantize_run(const float* x, T* y, int64_t n, const Format<T>& f) noexcept {
  const float scale = f.scale;
  const int32_t zero = f.zero;
  const float low = static_cast<float>(f.low - zero), high = static_cast<float>(f.high - zero);
  if (kByProducts && divides_by_products(scale)) {
    const float inverse = 1 / scale;
    for (int64_t i = 0; i < n; ++i)
      y[i] = static_cast<T>(code_of(quotient(x[i], scale, inverse), low, high, zero));
    return;
  }
  for (int64_t i = 0; i < n; ++i) y[i] = static_cast<T>(code(x[i], scale, low, high, zero));
}

template <typename T>
void quantize_columns(const float* x, T* y, int64_t rows, int64_t n,
                      const ColumnFormat<T>& f) noexcept {
  const float* scale = f.scale;
  const int32_t* zero = f.zero;
  const int32_t low = f.low, high = f.high;
  for (int64_t r = 0; r < rows; ++r, x += n, y += n) {
    if (zero) {
#pragma GCC ivdep
      for (int64_t i = 0; i < n; ++i) {
        const int32_t z = zero[i];
        y[i] = static_cast<T>(
            code(x[i], scale[i], static_cast<float>(low - z), static_cast<float>(high - z), z));
      }
    } else {
#pragma GCC ivdep
      for (int64_t i = 0; i < n; ++i)
        y[i] = static_cast<T>(
            code(x[i], scale[i], static_cast<float>(low), static_cast<float>(high), 0));
    }
  }
}

// The difference of 8- and 16-bit codes is exact; that of int32 wraps.
template <typename T>
[[gnu::always_inline]] inline float real(T x, int32_t zero, float scale) noexcept {
  const uint32_t d = static_cast<uint32_t>(static_cast<int32_t>(x)) - static_cast<uint32_t>(zero);
  return static_cast<float>(static_cast<int32_t>(d)) * scale;
}

template <typename T>
void dequantize_run(const T* x, float* y, int64_t n, float scale, int32_t zero) noexcept {
  int64_t i = 0;
  if constexpr (sizeof(T) == 1) i = dequantize_vectors<Vectors>(x, y, n, scale, zero);
  for (; i < n; ++i) y[i] = real(x[i], zero, scale);
}

template <typename T>
void dequantize_columns(const T* x, float* y, int64_t rows, int64_t n, const float* scale,
                        const int32_t* zero) noexcept {
  for (int64_t r = 0; r < rows; ++r, x += n, y += n) {
    if (zero) {
#pragma GCC ivdep
      for (int64_t i = 0; i < n; ++i) y[i] = real(x[i], zero[i], scale[i]);
    } else {
#pragma GCC ivdep
      for (int64_t i = 0; i < n; ++i) y[i] = real(x[i], 0, scale[i]);
    }
  }
}

template <typename T, int kChannels>
void interleave(const float* x, T* y, int64_t plane, int64_t begin, int64_t end,
                const Format<T>& f) noexcept {
  const float scale = f.scale;
  const int32_t zero = f.zero;
  const float low = static_cast<float>(f.low - zero), high = static_cast<float>(f.high - zero);
  for (int64_t p = begin; p < end; ++p)
    for (int c = 0; c < kChannels; ++c)
      y[p * kChannels + c] = static_cast<T>(code(x[c * plane + p], scale, low, high, zero));
}

template <bool kByProducts, typename T>
void planes_to_pixels(const float* x, T* y, int64_t channels, int64_t plane, int64_t begin,
                      int64_t end, const Format<T>& f) noexcept {
  switch (channels) {
    case 1:
      return quantize_run<kByProducts>(x + begin, y + begin, end - begin, f);
    case 2:
      return interleave<T, 2>(x, y, plane, begin, end, f);
    case 3:
      return interleave<T, 3>(x, y, plane, begin, end, f);
    case 4:
      return interleave<T, 4>(x, y, plane, begin, end, f);
    default:
      break;
  }
  constexpr int64_t kPixels = 64, kChannels = 16;
  T block[kChannels][kPixels];
  for (int64_t p = begin; p < end; p += kPixels) {
    const int64_t pixels = end - p < kPixels ? end - p : kPixels;
    for (int64_t c = 0; c < channels; c += kChannels) {
      const int64_t some = channels - c < kChannels ? channels - c : kChannels;
      for (int64_t i = 0; i < some; ++i)
        quantize_run<kByProducts>(x + (c + i) * plane + p, block[i], pixels, f);
      for (int64_t j = 0; j < pixels; ++j) {
        T* to = y + (p + j) * channels + c;
        if (some == kChannels)
          for (int64_t i = 0; i < kChannels; ++i) to[i] = block[i][j];
        else
          for (int64_t i = 0; i < some; ++i) to[i] = block[i][j];
      }
    }
  }
}

inline void scan_slowly(const float* x, int64_t n, Scan& s) noexcept {
  for (int64_t i = 0; i < n; ++i) {
    const float v = x[i];
    if (v != v) {
      ++s.nan;
    } else if (v - v != 0.0f) {
      ++s.inf;
    } else {
      s.min = v < s.min ? v : s.min;
      s.max = v > s.max ? v : s.max;
    }
  }
}

// Whole chunks at full speed; one that holds a non-finite value is scanned again slowly.
inline void scan(const float* x, int64_t n, Scan& s) noexcept {
  using L = Lanes<float, 16>;
  constexpr int64_t kChunk = 4096;
  while (n >= 16) {
    const int64_t length = n < kChunk ? n / 16 * 16 : kChunk;
    L low, high, check, v;
    low.set(s.min);
    high.set(s.max);
    check.set(0.0f);
    for (int64_t i = 0; i < length; i += 16) {
      v.load(x + i);
#pragma GCC unroll 16
      for (int p = 0; p < L::kParts; ++p) {
        low.v[p] = v.v[p] < low.v[p] ? v.v[p] : low.v[p];
        high.v[p] = v.v[p] > high.v[p] ? v.v[p] : high.v[p];
        check.v[p] += v.v[p] - v.v[p];  // 0, or NaN from the first non-finite value on
      }
    }
    float a[16], b[16], c[16];
    low.store(a);
    high.store(b);
    check.store(c);
    if (fold16(c, [](float p, float q) { return p + q; }) == 0.0f) {
      s.min = fold16(a, [](float p, float q) { return q < p ? q : p; });
      s.max = fold16(b, [](float p, float q) { return q > p ? q : p; });
    } else {
      scan_slowly(x, length, s);
    }
    x += length;
    n -= length;
  }
  scan_slowly(x, n, s);
}

template <bool kByProducts, typename T>
constexpr Codes<T> make_codes() noexcept {
  return {quantize_run<kByProducts, T>, quantize_columns<T>, dequantize_run<T>,
          dequantize_columns<T>, planes_to_pixels<kByProducts, T>};
}
template <bool kByProducts>
constexpr Table make_table(base::Isa isa) noexcept {
  return {isa,
          make_codes<kByProducts, uint8_t>(),
          make_codes<kByProducts, int8_t>(),
          make_codes<kByProducts, uint16_t>(),
          make_codes<kByProducts, int16_t>(),
          dequantize_run<int32_t>,
          dequantize_columns<int32_t>,
          scan};
}
