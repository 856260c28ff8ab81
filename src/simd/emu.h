// The vector language, as plain arrays at any width: the specification of every verb. A back end is
// a struct with the same members; kernels are templates over it. Emu<128> is what ships as
// `portable`.
//
// Types: f32 and s32 hold kLanes elements, s16 2 * kLanes, bytes kBytes = 4 * kLanes. `_partial`
// verbs touch only the first n elements (0 <= n <= count) and read the rest as zero. min, max
// follow x86: the second operand when either is a NaN. Overflow of s32 and s16 wraps.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "simd/halves.h"

namespace tersor::simd {

template <int kBits>
struct Emu {
  static constexpr int kLanes = kBits / 32;
  static constexpr int kBytes = kBits / 8;
  static constexpr bool kFused = false;  // whether fmadd rounds once
  struct f32 {
    float v[kLanes];
  };
  struct s32 {
    int32_t v[kLanes];
  };
  struct bytes {
    uint8_t v[kBytes];
  };
  struct s16 {
    int16_t v[2 * kLanes];
  };

  // Eight registers of tiles, each 16 rows of 64 bytes, of each thread. open() comes first, close()
  // last; both leave the tiles undefined. Rows in memory are `pitch` bytes apart.
  struct Tiles {
    static constexpr int kRows = 16, kRowBytes = 64;
    static inline thread_local uint8_t tile[8][kRows][kRowBytes];

    static void open() noexcept {}
    static void close() noexcept {}
    template <int kTile>
    static void clear() noexcept {
      std::memset(tile[kTile], 0, sizeof tile[kTile]);
    }
    template <int kTile>
    static void load(const void* p, int64_t pitch) noexcept {
      for (int i = 0; i < kRows; ++i)
        std::memcpy(tile[kTile][i], static_cast<const uint8_t*>(p) + i * pitch, kRowBytes);
    }
    template <int kTile>
    static void store(void* p, int64_t pitch) noexcept {
      for (int i = 0; i < kRows; ++i)
        std::memcpy(static_cast<uint8_t*>(p) + i * pitch, tile[kTile][i], kRowBytes);
    }
    // sum[i][n] += A[i][4 q + j] * B[q][4 n + j] over q and j, exact; A uint8 or, if kSigned, int8;
    // B int8; sums int32.
    template <int kSum, int kA, int kB, bool kSigned>
    static void dot() noexcept {
      for (int i = 0; i < kRows; ++i)
        for (int n = 0; n < 16; ++n) {
          int32_t sum;
          std::memcpy(&sum, tile[kSum][i] + 4 * n, 4);
          for (int k = 0; k < kRowBytes; ++k) {
            const int a = kSigned ? static_cast<int8_t>(tile[kA][i][k]) : tile[kA][i][k];
            sum = wrap(bits(sum) + bits(a * static_cast<int8_t>(tile[kB][k / 4][4 * n + k % 4])));
          }
          std::memcpy(tile[kSum][i] + 4 * n, &sum, 4);
        }
    }
    // The same of bfloat16 in f32: sum[i][n] += even + odd, the sums of A[i][2 q] * B[q][2 n] and
    // of A[i][2 q + 1] * B[q][2 n + 1] over q, in order, by fused multiply-add. Numbers below
    // 2^-126 count as 0, before and after each step.
    template <int kSum, int kA, int kB>
    static void dot2() noexcept {
      const auto flush = [](float x) { return std::fabs(x) < 0x1p-126f ? 0 * x : x; };
      const auto at = [flush](const uint8_t* row, int k) {
        bfloat16 x;
        std::memcpy(&x, row + 2 * k, 2);
        return flush(to_float(x));
      };
      for (int i = 0; i < kRows; ++i)
        for (int n = 0; n < 16; ++n) {
          float sum, parts[2] = {};
          std::memcpy(&sum, tile[kSum][i] + 4 * n, 4);
          for (int k = 0; k < kRowBytes / 2; ++k)
            parts[k % 2] = flush(
                std::fma(at(tile[kA][i], k), at(tile[kB][k / 2], 2 * n + k % 2), parts[k % 2]));
          sum = flush(flush(sum) + flush(parts[0] + parts[1]));
          std::memcpy(tile[kSum][i] + 4 * n, &sum, 4);
        }
    }
  };

  template <typename T, typename F>
  static T each(F f) {
    T r;
    for (int i = 0; i < kLanes; ++i) r.v[i] = f(i);
    return r;
  }
  static int32_t wrap(uint32_t x) { return static_cast<int32_t>(x); }
  static uint32_t bits(int32_t x) { return static_cast<uint32_t>(x); }

  // f32
  static f32 set(float x) {
    return each<f32>([&](int) { return x; });
  }
  static f32 load(const float* p) {
    return each<f32>([&](int i) { return p[i]; });
  }
  static f32 load_partial(const float* p, int n) {
    return each<f32>([&](int i) { return i < n ? p[i] : 0.0f; });
  }
  static void store(float* p, f32 a) { std::memcpy(p, a.v, sizeof a.v); }
  static void store_partial(float* p, f32 a, int n) {
    for (int i = 0; i < n; ++i) p[i] = a.v[i];
  }
  // The same of half and bfloat16 in memory: widened, rounded to nearest even (see halves.h).
  template <typename Half>
  static f32 load(const Half* p) {
    return each<f32>([&](int i) { return to_float(p[i]); });
  }
  template <typename Half>
  static f32 load_partial(const Half* p, int n) {
    return each<f32>([&](int i) { return i < n ? to_float(p[i]) : 0.0f; });
  }
  template <typename Half>
  static void store(Half* p, f32 a) {
    store_partial(p, a, kLanes);
  }
  template <typename Half>
  static void store_partial(Half* p, f32 a, int n) {
    for (int i = 0; i < n; ++i) narrow(a.v[i], p[i]);
  }
  static f32 add(f32 a, f32 b) {
    return each<f32>([&](int i) { return a.v[i] + b.v[i]; });
  }
  static f32 mul(f32 a, f32 b) {
    return each<f32>([&](int i) { return a.v[i] * b.v[i]; });
  }
  // a * b + c; rounds once where kFused, twice here.
  static f32 fmadd(f32 a, f32 b, f32 c) {
    return each<f32>([&](int i) { return a.v[i] * b.v[i] + c.v[i]; });
  }
  static f32 min(f32 a, f32 b) {
    return each<f32>([&](int i) { return a.v[i] < b.v[i] ? a.v[i] : b.v[i]; });
  }
  static f32 max(f32 a, f32 b) {
    return each<f32>([&](int i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; });
  }
  // Whether any lane is greater than x; false for a NaN.
  static bool any_above(f32 a, float x) {
    bool any = false;
    for (float v : a.v) any = any || v > x;
    return any;
  }

  // a, in a register: compilers would load it again for each use.
  static f32 keep(f32 a) { return a; }
  static s16 keep(s16 a) { return a; }
  static s32 keep(s32 a) { return a; }

  // s32
  static s32 set(int32_t x) {
    return each<s32>([&](int) { return x; });
  }
  static s32 load(const int32_t* p) {
    return each<s32>([&](int i) { return p[i]; });
  }
  static s32 load_partial(const int32_t* p, int n) {
    return each<s32>([&](int i) { return i < n ? p[i] : 0; });
  }
  // kLanes bytes, widened.
  static s32 load_codes(const uint8_t* p) {
    return each<s32>([&](int i) { return int32_t{p[i]}; });
  }
  static s32 load_codes(const int8_t* p) {
    return each<s32>([&](int i) { return int32_t{p[i]}; });
  }
  static void store(int32_t* p, s32 a) { std::memcpy(p, a.v, sizeof a.v); }
  static void store_partial(int32_t* p, s32 a, int n) {
    for (int i = 0; i < n; ++i) p[i] = a.v[i];
  }
  static s32 add(s32 a, s32 b) {
    return each<s32>([&](int i) { return wrap(bits(a.v[i]) + bits(b.v[i])); });
  }
  static s32 sub(s32 a, s32 b) {
    return each<s32>([&](int i) { return wrap(bits(a.v[i]) - bits(b.v[i])); });
  }
  static s32 mul(s32 a, s32 b) {
    return each<s32>([&](int i) { return wrap(bits(a.v[i]) * bits(b.v[i])); });
  }
  template <int kCount>
  static s32 shift_left(s32 a) {
    return each<s32>([&](int i) { return wrap(bits(a.v[i]) << kCount); });
  }
  // Copies of the sign come in.
  template <int kCount>
  static s32 shift_right(s32 a) {
    return each<s32>([&](int i) { return a.v[i] >> kCount; });
  }
  // Nearest float, ties to even.
  static f32 to_f32(s32 a) {
    return each<f32>([&](int i) { return static_cast<float>(a.v[i]); });
  }
  // Nearest integer, ties to even; a < 2^31. The least integer for a NaN or what is below it.
  static s32 round(f32 a) {
    return each<s32>([&](int i) {
      return a.v[i] >= -0x1p31f ? static_cast<int32_t>(std::nearbyint(a.v[i])) : INT32_MIN;
    });
  }
  // The low byte of each lane, kLanes bytes in all.
  static void store_low_bytes(void* p, s32 a) { store_low_bytes_partial(p, a, kLanes); }
  static void store_low_bytes_partial(void* p, s32 a, int n) {
    for (int i = 0; i < n; ++i) static_cast<uint8_t*>(p)[i] = static_cast<uint8_t>(a.v[i]);
  }

  // s16
  static s16 set_words(int16_t x) {
    return words([&](int) { return x; });
  }
  static s16 load_words(const int16_t* p) {
    return words([&](int i) { return p[i]; });
  }
  static void store(int16_t* p, s16 a) { std::memcpy(p, a.v, sizeof a.v); }
  // 2 * kLanes uint8 or int8, widened.
  static s16 load_widened(const uint8_t* p) { return load_widened_partial(p, 2 * kLanes); }
  static s16 load_widened(const int8_t* p) {
    return words([&](int i) { return p[i]; });
  }
  static s16 load_widened_partial(const uint8_t* p, int n) {
    return words([&](int i) { return i < n ? p[i] : 0; });
  }
  // A word and 0 in every lane.
  static s16 load_single(const int16_t* p) {
    return words([&](int i) { return i % 2 ? 0 : *p; });
  }
  // The same two words in every lane.
  static s16 load_pair(const int16_t* p) {
    return words([&](int i) { return p[i % 2]; });
  }
  static s16 add(s16 a, s16 b) {
    return words([&](int i) { return a.v[i] + b.v[i]; });
  }
  static s16 sub(s16 a, s16 b) {
    return words([&](int i) { return a.v[i] - b.v[i]; });
  }
  static s16 bit_xor(s16 a, s16 b) {
    return words([&](int i) { return a.v[i] ^ b.v[i]; });
  }
  template <int kCount>
  static s16 shift_left(s16 a) {
    return words([&](int i) { return a.v[i] * (1 << kCount); });
  }
  // c[i] + a[2 i] * b[2 i] + a[2 i + 1] * b[2 i + 1].
  static s32 dot2(s32 c, s16 a, s16 b) {
    for (int i = 0; i < 2 * kLanes; ++i)
      c.v[i / 2] = wrap(bits(c.v[i / 2]) + bits(a.v[i] * b.v[i]));
    return c;
  }
  // The same of bfloat16 in f32: each product is exact, each sum rounded; which of the two is added
  // first is not said, and numbers below 2^-126 may count as 0.
  static f32 dot2(f32 c, s16 a, s16 b) {
    const auto at = [](const s16& x, int i) {
      return to_float(bfloat16{static_cast<uint16_t>(x.v[i])});
    };
    for (int i = 2 * kLanes - 1; i >= 0; --i) c.v[i / 2] += at(a, i) * at(b, i);
    return c;
  }

  // bytes
  static bytes load_bytes(const void* p) {
    bytes r;
    std::memcpy(r.v, p, kBytes);
    return r;
  }
  static bytes load_bytes_partial(const void* p, int n) {
    bytes r{};
    std::memcpy(r.v, p, static_cast<size_t>(n));
    return r;
  }
  static void store_bytes(void* p, bytes a) { std::memcpy(p, a.v, kBytes); }
  static void store_bytes_partial(void* p, bytes a, int n) {
    std::memcpy(p, a.v, static_cast<size_t>(n));
  }
  // The four bytes of x, in memory order, in every lane.
  static bytes set_quads(uint32_t x) {
    bytes r;
    for (int i = 0; i < kLanes; ++i) std::memcpy(r.v + 4 * i, &x, 4);
    return r;
  }
  static bytes load_quad(const void* p) {
    uint32_t x;
    std::memcpy(&x, p, 4);
    return set_quads(x);
  }
  static bytes bit_xor(bytes a, bytes b) {
    bytes r;
    for (int i = 0; i < kBytes; ++i) r.v[i] = static_cast<uint8_t>(a.v[i] ^ b.v[i]);
    return r;
  }
  static bytes bit_and(bytes a, bytes b) {
    for (int i = 0; i < kBytes; ++i) a.v[i] = static_cast<uint8_t>(a.v[i] & b.v[i]);
    return a;
  }
  static bytes bit_or(bytes a, bytes b) {
    for (int i = 0; i < kBytes; ++i) a.v[i] = static_cast<uint8_t>(a.v[i] | b.v[i]);
    return a;
  }
  static bytes sub_bytes(bytes a, bytes b) {
    for (int i = 0; i < kBytes; ++i) a.v[i] = static_cast<uint8_t>(a.v[i] - b.v[i]);
    return a;
  }
  // All ones in the bytes of a that are less than b, unsigned.
  static bytes below(bytes a, bytes b) {
    for (int i = 0; i < kBytes; ++i) a.v[i] = a.v[i] < b.v[i] ? 0xff : 0;
    return a;
  }
  // Bit i: whether any of the bytes of lane i is not zero.
  static uint32_t quads_with_bits(bytes a) {
    uint32_t r = 0;
    for (int i = 0; i < kBytes; ++i) r |= (a.v[i] ? 1u : 0u) << (i / 4);
    return r;
  }
  // All ones in the bytes that are negative as int8.
  static bytes negative(bytes a) {
    for (uint8_t& x : a.v) x = x & 0x80 ? 0xff : 0;
    return a;
  }
  // |a|, a read as int8: 0 to 128.
  static bytes magnitude(bytes a) {
    for (uint8_t& x : a.v) x = static_cast<uint8_t>(x & 0x80 ? -x : x);
    return a;
  }
  // c plus the bytes of a: the sum over all lanes is that, which lane gets which byte is not said.
  static s32 add_bytes(s32 c, bytes a) {
    for (int i = 0; i < kBytes; ++i) c.v[i / 4] = wrap(bits(c.v[i / 4]) + a.v[i]);
    return c;
  }
  // The sums over the lanes of four vectors.
  static void sum_lanes(const s32 (&a)[4], int32_t* r) {
    for (int i = 0; i < 4; ++i) {
      uint32_t sum = 0;
      for (int32_t x : a[i].v) sum += bits(x);
      r[i] = wrap(sum);
    }
  }
  // a[2 i] * b[2 i] + a[2 i + 1] * b[2 i + 1], saturated; a unsigned, b signed.
  static s16 mul_pairs(bytes a, bytes b) {
    return words([&](int i) {
      const int sum = a.v[2 * i] * static_cast<int8_t>(b.v[2 * i]) +
                      a.v[2 * i + 1] * static_cast<int8_t>(b.v[2 * i + 1]);
      return sum < -32768 ? -32768 : sum > 32767 ? 32767 : sum;
    });
  }
  // c[i] + sum of a[4 i + j] * b[4 i + j], j < 4; a unsigned, b signed, exact.
  static s32 dot4(s32 c, bytes a, bytes b) {
    for (int i = 0; i < kBytes; ++i)
      c.v[i / 4] = wrap(bits(c.v[i / 4]) + bits(a.v[i] * static_cast<int8_t>(b.v[i])));
    return c;
  }
  // Interleaves four rows of bytes to quads. In every block of 16 bytes q (a 128-bit lane), q-th
  // lane of r[j] holds channels 16 q + 4 j + i, i < 4: channel x becomes the bytes a[0][x],
  // a[1][x], a[2][x], a[3][x].
  static void zip4(const bytes (&a)[4], bytes (&r)[4]) {
    for (int x = 0; x < kBytes; ++x)
      for (int row = 0; row < 4; ++row)
        r[x % 16 / 4].v[x / 16 * 16 + x % 4 * 4 + row] = a[row].v[x];
  }
  // s32 in the order zip4 gives -> bytes in order: a + offset, saturated; |offset| <= 255.
  static bytes unzip_u8(const s32 (&a)[4], int offset) { return unzip(a, offset, 0, 255); }
  static bytes unzip_s8(const s32 (&a)[4], int offset) { return unzip(a, offset, -128, 127); }
  // The same for lanes already in order.
  static bytes join_u8(const s32 (&a)[4], int offset) { return join(a, offset, 0, 255); }
  static bytes join_s8(const s32 (&a)[4], int offset) { return join(a, offset, -128, 127); }
  // Each byte, read as uint8 or int8, brought into [low, high].
  static bytes clamp_u8(bytes a, int low, int high) {
    for (uint8_t& x : a.v) x = static_cast<uint8_t>(x < low ? low : x > high ? high : x);
    return a;
  }
  static bytes clamp_s8(bytes a, int low, int high) {
    for (uint8_t& x : a.v) {
      const int y = static_cast<int8_t>(x);
      x = static_cast<uint8_t>(y < low ? low : y > high ? high : y);
    }
    return a;
  }
  // Zips two rows of words: in every block of 8 words (a 128-bit lane) r[0] holds a and b of words
  // 0 to 3, r[1] those of words 4 to 7: a[0] b[0] a[1] b[1] ...
  static void zip_words(s16 a, s16 b, s16 (&r)[2]) {
    for (int x = 0; x < 2 * kLanes; ++x) {
      s16& to = r[x % 8 / 4];
      to.v[x / 8 * 8 + x % 4 * 2] = a.v[x];
      to.v[x / 8 * 8 + x % 4 * 2 + 1] = b.v[x];
    }
  }
  // Two pairs of s32 in the order of the lanes of zip_words -> the bytes of the first pair in
  // order, then those of the second: a + offset, saturated.
  static bytes pair_u8(const s32 (&a)[4], int offset) { return pair(a, offset, 0, 255); }
  static bytes pair_s8(const s32 (&a)[4], int offset) { return pair(a, offset, -128, 127); }
  // The first half of the bytes to p, the second to q.
  static void store_halves(void* p, void* q, bytes a) {
    std::memcpy(p, a.v, kBytes / 2);
    std::memcpy(q, a.v + kBytes / 2, kBytes / 2);
  }
  static void store_quarters(void* p, void* q, void* r, void* s, bytes a) {
    int i = 0;
    for (void* to : {p, q, r, s}) std::memcpy(to, a.v + i++ * kLanes, kLanes);
  }
  // The first n of each half or quarter.
  static void store_halves_partial(void* p, void* q, bytes a, int n) {
    std::memcpy(p, a.v, static_cast<size_t>(n));
    std::memcpy(q, a.v + kBytes / 2, static_cast<size_t>(n));
  }
  static void store_quarters_partial(void* p, void* q, void* r, void* s, bytes a, int n) {
    int i = 0;
    for (void* to : {p, q, r, s}) std::memcpy(to, a.v + i++ * kLanes, static_cast<size_t>(n));
  }
  // Lanes in the order zip4 gives -> kBytes lanes in order.
  static void unzip(const f32 (&a)[4], f32 (&r)[4]) { unzip_lanes(a, r); }
  static void unzip(const s32 (&a)[4], s32 (&r)[4]) { unzip_lanes(a, r); }

 private:
  template <typename F>
  static s16 words(F f) {
    s16 r;
    for (int i = 0; i < 2 * kLanes; ++i) r.v[i] = static_cast<int16_t>(static_cast<uint16_t>(f(i)));
    return r;
  }
  static uint8_t saturate(int32_t x, int offset, int low, int high) {
    const int64_t y = int64_t{x} + offset;
    return static_cast<uint8_t>(y < low ? low : y > high ? high : y);
  }
  static bytes unzip(const s32 (&a)[4], int offset, int low, int high) {
    bytes r;
    for (int x = 0; x < kBytes; ++x)
      r.v[x] = saturate(a[x % 16 / 4].v[x / 16 * 4 + x % 4], offset, low, high);
    return r;
  }
  static bytes join(const s32 (&a)[4], int offset, int low, int high) {
    bytes r;
    for (int x = 0; x < kBytes; ++x)
      r.v[x] = saturate(a[x / kLanes].v[x % kLanes], offset, low, high);
    return r;
  }
  static bytes pair(const s32 (&a)[4], int offset, int low, int high) {
    bytes r;
    for (int x = 0; x < kBytes; ++x) {
      const int i = x % (2 * kLanes);
      const s32& from = a[x / (2 * kLanes) * 2 + i / 4 % 2];
      r.v[x] = saturate(from.v[i / 8 * 4 + i % 4], offset, low, high);
    }
    return r;
  }
  template <typename T>
  static void unzip_lanes(const T (&a)[4], T (&r)[4]) {
    for (int x = 0; x < kBytes; ++x)
      r[x / kLanes].v[x % kLanes] = a[x % 16 / 4].v[x / 16 * 4 + x % 4];
  }
};

}  // namespace tersor::simd
