// The loops of pool. Channels go in blocks whose accumulators stay in registers. No include guard.
#include "kernels/loops/lanes-inl.h"

// Where row i lies: by pointers, or at a stride.
template <typename T>
struct Pointers {
  const T* const* rows;
  const T* operator[](int64_t i) const noexcept { return rows[i]; }
};
template <typename T>
struct Strided {
  const T* x;
  int64_t stride;
  const T* operator[](int64_t i) const noexcept { return x + i * stride; }
};

// One block of kBlock channels from channel c on: fold of the rows into L.
template <int kBlock, typename T, typename R, typename F>
[[gnu::always_inline]] inline void fold_rows(const R& rows, int64_t count, int64_t c, T* out,
                                             F f) noexcept {
  using L = Lanes<T, kBlock>;
  L acc, row;
  acc.load(rows[0] + c);
  for (int64_t i = 1; i < count; ++i) {
    row.load(rows[i] + c);
#pragma GCC unroll 16
    for (int p = 0; p < L::kParts; ++p) acc.v[p] = f(acc.v[p], row.v[p]);
  }
  acc.store(out);
}

// Scalars or vectors alike.
struct Larger {
  template <typename V>
  [[gnu::always_inline]] inline V operator()(V a, V b) const noexcept {
    return a > b ? a : b;
  }
};
// NaN wins: the first comparison keeps b if it is one, the second a.
struct LargerOrNan {
  template <typename V>
  [[gnu::always_inline]] inline V operator()(V a, V b) const noexcept {
    const V c = a > b ? a : b;
    return a == a ? c : a;
  }
};
struct Sum {
  template <typename V>
  [[gnu::always_inline]] inline V operator()(V a, V b) const noexcept {
    return a + b;
  }
};

template <int kBlock, typename T, typename R, typename F>
[[gnu::always_inline]] inline void fold_channels(const R& rows, int64_t count, int64_t channels,
                                                 T* y, F f) noexcept {
  int64_t c = 0;
  for (; c + 4 * kBlock <= channels; c += 4 * kBlock)
    fold_rows<4 * kBlock>(rows, count, c, y + c, f);
  for (; c + kBlock <= channels; c += kBlock) fold_rows<kBlock>(rows, count, c, y + c, f);
  for (; c < channels; ++c) {
    T acc = rows[0][c];
    for (int64_t i = 1; i < count; ++i) acc = f(acc, rows[i][c]);
    y[c] = acc;
  }
}

inline void max_f32(const float* const* rows, int64_t count, int64_t channels, float* y) noexcept {
  fold_channels<16>(Pointers<float>{rows}, count, channels, y, LargerOrNan{});
}
template <typename T>
void max_bytes(const T* const* rows, int64_t count, int64_t channels, T* y) noexcept {
  fold_channels<16>(Pointers<T>{rows}, count, channels, y, Larger{});
}

inline void divide(float* y, int64_t n, float divisor) noexcept {
  for (int64_t i = 0; i < n; ++i) y[i] /= divisor;
}
inline void average_f32(const float* const* rows, int64_t count, int64_t channels, float* y,
                        float divisor) noexcept {
  if (count == 0) {
    for (int64_t i = 0; i < channels; ++i) y[i] = 0.0f;
    return;
  }
  fold_channels<16>(Pointers<float>{rows}, count, channels, y, Sum{});
  divide(y, channels, divisor);
}
inline void global_f32(const float* x, int64_t pixels, int64_t stride, int64_t channels,
                       float* y) noexcept {
  fold_channels<16>(Strided<float>{x, stride}, pixels, channels, y, Sum{});
  divide(y, channels, static_cast<float>(pixels));
}

// Sums of n <= kBlock channels. Codes are summed as 0..255 (int8 plus 128) in 16 bits, over at most
// 257 rows at a time, 257 * 255 = 2^16 - 1.
constexpr int kBlock = 64;
template <typename T, typename R>
[[gnu::always_inline]] inline void sum_block(const R& rows, int64_t count, int64_t c, int n,
                                             int32_t* sums) noexcept {
  constexpr uint8_t kFlip = static_cast<T>(-1) < 0 ? 128 : 0;
  for (int i = 0; i < kBlock; ++i) sums[i] = 0;
  for (int64_t r = 0; r < count; r += 257) {
    const int64_t some = count - r < 257 ? count - r : 257;
    if (n == kBlock) {
      // Parts of half a vector widen to parts of a vector.
      constexpr int kHalf = kVectorBytes / 2, kParts = kBlock / kHalf;
      using Part = typename VectorOf<uint8_t, kHalf>::type;
      typedef uint16_t Words __attribute__((vector_size(kVectorBytes)));
      Words acc[kParts];
#pragma GCC unroll 16
      for (int p = 0; p < kParts; ++p) acc[p] = Words{};
      for (int64_t i = r; i < r + some; ++i) {
        const auto* row = reinterpret_cast<const uint8_t*>(rows[i] + c);
#pragma GCC unroll 16
        for (int p = 0; p < kParts; ++p) {
          const Part part = *reinterpret_cast<const Part*>(row + p * kHalf) ^ kFlip;
          acc[p] += __builtin_convertvector(part, Words);
        }
      }
      uint16_t words[kBlock];
      __builtin_memcpy(words, acc, sizeof(words));
      for (int i = 0; i < kBlock; ++i) sums[i] += words[i];
    } else {
      for (int64_t i = r; i < r + some; ++i) {
        const auto* row = reinterpret_cast<const uint8_t*>(rows[i] + c);
        for (int j = 0; j < n; ++j) sums[j] += static_cast<uint8_t>(row[j] ^ kFlip);
      }
    }
  }
}

template <typename T, typename R>
[[gnu::always_inline]] inline void average_bytes_of(const R& rows, int64_t count, int64_t channels,
                                                    T* y, const ByteAverage& k) noexcept {
  const int32_t zx = k.zx + (static_cast<T>(-1) < 0 ? 128 : 0), zy = k.zy;
  const int32_t offset = static_cast<int32_t>(count) * zx;
  const float multiplier = k.multiplier;
  const float low = static_cast<float>(k.low - zy), high = static_cast<float>(k.high - zy);
  int32_t sums[kBlock];
  for (int64_t c = 0; c < channels; c += kBlock) {
    const int n = static_cast<int>(channels - c < kBlock ? channels - c : kBlock);
    sum_block<T>(rows, count, c, n, sums);
    T codes[kBlock];
    for (int i = 0; i < kBlock; ++i) {
      float v = static_cast<float>(sums[i] - offset) * multiplier;
      v = v > low ? v : low;
      v = v < high ? v : high;
      // rint of |v| <= 2^22: the bits of the sum are the integer.
      codes[i] = static_cast<T>(__builtin_bit_cast(int32_t, v + 12582912.0f) - 0x4b400000 + zy);
    }
    __builtin_memcpy(y + c, codes, static_cast<size_t>(n));
  }
}

template <typename T>
void average_bytes(const T* const* rows, int64_t count, int64_t channels, T* y,
                   const ByteAverage& k) noexcept {
  average_bytes_of<T>(Pointers<T>{rows}, count, channels, y, k);
}
template <typename T>
void global_bytes(const T* x, int64_t pixels, int64_t stride, int64_t channels, T* y,
                  const ByteAverage& k) noexcept {
  average_bytes_of<T>(Strided<T>{x, stride}, pixels, channels, y, k);
}

template <typename T>
constexpr Bytes<T> make_bytes() noexcept {
  return {max_bytes<T>, average_bytes<T>, global_bytes<T>};
}
constexpr Table make_table(base::Isa isa) noexcept {
  return {isa, max_f32, average_f32, global_f32, make_bytes<uint8_t>(), make_bytes<int8_t>()};
}
