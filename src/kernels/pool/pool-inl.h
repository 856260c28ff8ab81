// The loops of pool. Channels go in blocks whose accumulators stay in registers. No include guard.
#include "kernels/loops/lanes-inl.h"

// Where row i lies: by pointers, or at a stride.
template <typename T>
struct Pointers {
  const T* const* rows;
  int64_t further;
  const T* operator[](int64_t i) const noexcept { return rows[i] + further; }
};
template <typename T>
struct Strided {
  const T* x;
  int64_t stride;
  const T* operator[](int64_t i) const noexcept { return x + i * stride; }
};

constexpr int kRowsAtOnce = 4;  // 3x3 is 1 + 4 + 4

// One block of kBlock channels from channel c on: fold of the rows into L.
template <int kBlock, typename T, typename R, typename F>
[[gnu::always_inline]] inline void fold_rows(const R& rows, int64_t count, int64_t c, T* out,
                                             F f) noexcept {
  using L = Lanes<T, kBlock>;
  L acc, row;
  acc.load(rows[0] + c);
  const auto step = [&](int64_t i) __attribute__((always_inline)) {
    row.load(rows[i] + c);
#pragma GCC unroll 16
    for (int p = 0; p < L::kParts; ++p) {
      acc.v[p] = f(acc.v[p], row.v[p]);
      if constexpr (L::kPart >= 16)
        asm("" : "+x"(acc.v[p]));  // one after the other: a tree takes more registers
    }
  };
  int64_t i = 1;
  for (; i + kRowsAtOnce <= count; i += kRowsAtOnce) {
#pragma GCC unroll 4
    for (int j = 0; j < kRowsAtOnce; ++j) step(i + j);
  }
  for (; i < count; ++i) step(i);
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

// Channels from c on, fewer than 64. The last block of a kind may overlap the one before: it writes
// the same values again. Apart, so that whole blocks, a short loop, need no registers saved.
template <typename T, typename R, typename F>
[[gnu::noinline]] void fold_rest(R rows, int64_t count, int64_t c, int64_t channels, T* y,
                                 F f) noexcept {
  for (; c + 16 <= channels; c += 16) fold_rows<16>(rows, count, c, y + c, f);
  if (c == channels) return;
  if (channels >= 16) return fold_rows<16>(rows, count, channels - 16, y + channels - 16, f);
  if (channels >= 8) {
    fold_rows<8>(rows, count, 0, y, f);
    return fold_rows<8>(rows, count, channels - 8, y + channels - 8, f);
  }
  for (; c < channels; ++c) {
    T acc = rows[0][c];
    for (int64_t i = 1; i < count; ++i) acc = f(acc, rows[i][c]);
    y[c] = acc;
  }
}
template <typename T, typename R, typename F>
[[gnu::always_inline]] inline void fold_channels(const R& rows, int64_t count, int64_t channels,
                                                 T* y, F f) noexcept {
  int64_t c = 0;
  for (; c + 64 <= channels; c += 64) fold_rows<64>(rows, count, c, y + c, f);
  if (c < channels) fold_rest(rows, count, c, channels, y, f);
}

// Calls f(rows, y) for each pixel of a run.
template <typename T, typename F>
[[gnu::always_inline]] inline void each_pixel(const T* const* rows, const Run& of, T* y,
                                              F f) noexcept {
  for (int64_t i = 0; i < of.run; ++i) f(Pointers<T>{rows, i * of.step}, y + i * of.channels);
}

// Own copies, which what is stored cannot change.
inline void max_f32(const float* const* rows, const Run& given, float* y) noexcept {
  const Run of = given;
  each_pixel(
      rows, of, y, [&](const Pointers<float>& at, float* to) __attribute__((always_inline)) {
        fold_channels(at, of.count, of.channels, to, LargerOrNan{});
      });
}
template <typename T>
void max_bytes(const T* const* rows, const Run& given, T* y) noexcept {
  const Run of = given;
  each_pixel(
      rows, of, y, [&](const Pointers<T>& at, T* to) __attribute__((always_inline)) {
        fold_channels(at, of.count, of.channels, to, Larger{});
      });
}

inline void divide(float* y, int64_t n, float divisor) noexcept {
  for (int64_t i = 0; i < n; ++i) y[i] /= divisor;
}
inline void average_f32(const float* const* rows, const Run& given, float* y,
                        float divisor) noexcept {
  const Run of = given;
  const int64_t all = of.run * of.channels;
  if (of.count == 0) {
    for (int64_t i = 0; i < all; ++i) y[i] = 0.0f;
    return;
  }
  each_pixel(
      rows, of, y, [&](const Pointers<float>& at, float* to) __attribute__((always_inline)) {
        fold_channels(at, of.count, of.channels, to, Sum{});
      });
  divide(y, all, divisor);
}
inline void global_f32(const float* x, int64_t pixels, int64_t stride, int64_t channels,
                       float* y) noexcept {
  fold_channels(Strided<float>{x, stride}, pixels, channels, y, Sum{});
  divide(y, channels, static_cast<float>(pixels));
}

// Sums of kWidth channels. Codes are summed as 0..255 (int8 plus 128) in 16 bits, over at most 257
// rows at a time: 257 * 255 = 2^16 - 1.
template <typename T, int kWidth, typename R>
[[gnu::always_inline]] inline void sum_block(const R& rows, int64_t count, int64_t c,
                                             int32_t* sums) noexcept {
  constexpr uint8_t kFlip = static_cast<T>(-1) < 0 ? 128 : 0;
  // Parts of half a vector widen to parts of a vector.
  constexpr int kPart = kVectorBytes / 2 < kWidth ? kVectorBytes / 2 : kWidth;
  constexpr int kParts = kWidth / kPart;
  using Part = typename VectorOf<uint8_t, kPart>::type;
  typedef uint16_t Words __attribute__((vector_size(2 * kPart)));
  for (int i = 0; i < kWidth; ++i) sums[i] = 0;
  for (int64_t r = 0; r < count; r += 257) {
    const int64_t end = count - r < 257 ? count : r + 257;
    Words acc[kParts];
#pragma GCC unroll 16
    for (int p = 0; p < kParts; ++p) acc[p] = Words{};
    for (int64_t i = r; i < end; ++i) {
      const auto* row = reinterpret_cast<const uint8_t*>(rows[i] + c);
#pragma GCC unroll 16
      for (int p = 0; p < kParts; ++p) {
        const Part part = *reinterpret_cast<const Part*>(row + p * kPart) ^ kFlip;
        acc[p] += __builtin_convertvector(part, Words);
      }
    }
    uint16_t words[kWidth];
    __builtin_memcpy(words, acc, sizeof(words));
    for (int i = 0; i < kWidth; ++i) sums[i] += words[i];
  }
}
template <typename T, typename R>
[[gnu::always_inline]] inline void sum_few(const R& rows, int64_t count, int n,
                                           int32_t* sums) noexcept {
  constexpr uint8_t kFlip = static_cast<T>(-1) < 0 ? 128 : 0;
  for (int i = 0; i < 16; ++i) sums[i] = 0;
  for (int64_t i = 0; i < count; ++i) {
    const auto* row = reinterpret_cast<const uint8_t*>(rows[i]);
    for (int j = 0; j < n; ++j) sums[j] += static_cast<uint8_t>(row[j] ^ kFlip);
  }
}

struct Finish {
  int32_t offset, zy;
  float multiplier, low, high;
};
template <int kWidth, typename T>
[[gnu::always_inline]] inline void finish(const int32_t* sums, T* codes, const Finish& k) noexcept {
  for (int i = 0; i < kWidth; ++i) {
    float v = static_cast<float>(sums[i] - k.offset) * k.multiplier;
    v = v > k.low ? v : k.low;
    v = v < k.high ? v : k.high;
    // rint of |v| <= 2^22: the bits of the sum are the integer.
    codes[i] = static_cast<T>(__builtin_bit_cast(int32_t, v + 12582912.0f) - 0x4b400000 + k.zy);
  }
}
template <int kWidth, typename T, typename R>
[[gnu::always_inline]] inline void average_block(const R& rows, int64_t count, int64_t c, T* y,
                                                 const Finish& k) noexcept {
  int32_t sums[kWidth];
  T codes[kWidth];
  sum_block<T, kWidth>(rows, count, c, sums);
  finish<kWidth>(sums, codes, k);
  __builtin_memcpy(y + c, codes, kWidth);
}

template <typename T, typename R>
[[gnu::always_inline]] inline void average_channels(const R& rows, int64_t count, int64_t channels,
                                                    T* y, const ByteAverage& a) noexcept {
  const int32_t zx = a.zx + (static_cast<T>(-1) < 0 ? 128 : 0);
  const Finish k = {static_cast<int32_t>(count) * zx, a.zy, a.multiplier,
                    static_cast<float>(a.low - a.zy), static_cast<float>(a.high - a.zy)};
  int64_t c = 0;
  for (; c + 64 <= channels; c += 64) average_block<64>(rows, count, c, y, k);
  for (; c + 16 <= channels; c += 16) average_block<16>(rows, count, c, y, k);
  if (c == channels) return;
  if (channels >= 16) return average_block<16>(rows, count, channels - 16, y, k);
  int32_t sums[16];
  T codes[16];
  sum_few<T>(rows, count, static_cast<int>(channels), sums);
  finish<16>(sums, codes, k);
  __builtin_memcpy(y, codes, static_cast<size_t>(channels));
}

template <typename T>
void average_bytes(const T* const* rows, const Run& given, T* y, const ByteAverage& k) noexcept {
  const Run of = given;
  each_pixel(
      rows, of, y, [&](const Pointers<T>& at, T* to) __attribute__((always_inline)) {
        average_channels<T>(at, of.count, of.channels, to, k);
      });
}
template <typename T>
void global_bytes(const T* x, int64_t pixels, int64_t stride, int64_t channels, T* y,
                  const ByteAverage& k) noexcept {
  average_channels<T>(Strided<T>{x, stride}, pixels, channels, y, k);
}

template <typename T>
constexpr Bytes<T> make_bytes() noexcept {
  return {max_bytes<T>, average_bytes<T>, global_bytes<T>};
}
constexpr Table make_table(base::Isa isa) noexcept {
  return {isa, max_f32, average_f32, global_f32, make_bytes<uint8_t>(), make_bytes<int8_t>()};
}
