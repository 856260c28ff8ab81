// The vector language on AVX2 with FMA (see emu.h for what each verb means).
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "simd/begin_avx2.h"
#include "simd/halves.h"
namespace tersor::simd {

struct Avx2 {
  static constexpr int kLanes = 8;
  static constexpr int kBytes = 32;
  static constexpr bool kFused = true;
  using f32 = __m256;
  struct s32 {
    __m256i v;
  };
  struct bytes {
    __m256i v;
  };
  struct s16 {
    __m256i v;
  };
#define TERSOR_VERB [[gnu::always_inline]] static inline

  // All ones in the first n lanes.
  TERSOR_VERB __m256i mask(int n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }

  TERSOR_VERB f32 set(float x) { return _mm256_set1_ps(x); }
  TERSOR_VERB f32 load(const float* p) { return _mm256_loadu_ps(p); }
  TERSOR_VERB f32 load_partial(const float* p, int n) { return _mm256_maskload_ps(p, mask(n)); }
  TERSOR_VERB void store(float* p, f32 a) { _mm256_storeu_ps(p, a); }
  TERSOR_VERB void store_partial(float* p, f32 a, int n) { _mm256_maskstore_ps(p, mask(n), a); }
  TERSOR_VERB f32 widen(const half*, __m128i h) { return _mm256_cvtph_ps(h); }
  TERSOR_VERB f32 widen(const bfloat16*, __m128i h) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16));
  }
  TERSOR_VERB __m128i narrow(const half*, f32 a) {
    return _mm256_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  TERSOR_VERB __m128i narrow(const bfloat16*, f32 a) {
    const __m256i u = _mm256_castps_si256(a), high = _mm256_srli_epi32(u, 16);
    const __m256i odd = _mm256_and_si256(high, _mm256_set1_epi32(1));
    const __m256i even = _mm256_add_epi32(_mm256_add_epi32(u, _mm256_set1_epi32(0x7fff)), odd);
    const __m256i quiet = _mm256_or_si256(high, _mm256_set1_epi32(0x40));
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(a, a, _CMP_UNORD_Q));
    const __m256i r = _mm256_blendv_epi8(_mm256_srli_epi32(even, 16), quiet, nan);
    return _mm_packus_epi32(_mm256_castsi256_si128(r), _mm256_extracti128_si256(r, 1));
  }
  template <typename Half>
  TERSOR_VERB f32 load(const Half* p) {
    return widen(p, _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  template <typename Half>
  TERSOR_VERB f32 load_partial(const Half* p, int n) {
    alignas(16) Half whole[8] = {};
    std::memcpy(whole, p, static_cast<size_t>(n) * sizeof(Half));
    return load(whole);
  }
  template <typename Half>
  TERSOR_VERB void store(Half* p, f32 a) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), narrow(p, a));
  }
  template <typename Half>
  TERSOR_VERB void store_partial(Half* p, f32 a, int n) {
    Half whole[8];
    store(whole, a);
    std::memcpy(p, whole, static_cast<size_t>(n) * sizeof(Half));
  }
  TERSOR_VERB f32 add(f32 a, f32 b) { return _mm256_add_ps(a, b); }
  TERSOR_VERB f32 mul(f32 a, f32 b) { return _mm256_mul_ps(a, b); }
  TERSOR_VERB f32 fmadd(f32 a, f32 b, f32 c) { return _mm256_fmadd_ps(a, b, c); }
  TERSOR_VERB f32 min(f32 a, f32 b) { return _mm256_min_ps(a, b); }
  TERSOR_VERB f32 max(f32 a, f32 b) { return _mm256_max_ps(a, b); }
  TERSOR_VERB bool any_above(f32 a, float x) {
    return _mm256_movemask_ps(_mm256_cmp_ps(a, set(x), _CMP_GT_OQ)) != 0;
  }
  TERSOR_VERB f32 keep(f32 a) {
    asm("" : "+x"(a));
    return a;
  }
  TERSOR_VERB s16 keep(s16 a) {
    asm("" : "+x"(a.v));
    return a;
  }
  TERSOR_VERB s32 keep(s32 a) {
    asm("" : "+x"(a.v));
    return a;
  }

  TERSOR_VERB s32 set(int32_t x) { return {_mm256_set1_epi32(x)}; }
  TERSOR_VERB s32 load(const int32_t* p) {
    return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))};
  }
  TERSOR_VERB s32 load_partial(const int32_t* p, int n) {
    return {_mm256_maskload_epi32(p, mask(n))};
  }
  // One instruction each, which g++ 12 makes two of.
  struct EightBytes {
    uint8_t of[8];
  };
  TERSOR_VERB s32 load_codes(const uint8_t* p) {
    __m256i codes;
    asm("vpmovzxbd %1, %0" : "=x"(codes) : "m"(*reinterpret_cast<const EightBytes*>(p)));
    return {codes};
  }
  TERSOR_VERB s32 load_codes(const int8_t* p) {
    __m256i codes;
    asm("vpmovsxbd %1, %0" : "=x"(codes) : "m"(*reinterpret_cast<const EightBytes*>(p)));
    return {codes};
  }
  TERSOR_VERB void store(int32_t* p, s32 a) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), a.v);
  }
  TERSOR_VERB void store_partial(int32_t* p, s32 a, int n) {
    _mm256_maskstore_epi32(p, mask(n), a.v);
  }
  TERSOR_VERB s32 add(s32 a, s32 b) { return {_mm256_add_epi32(a.v, b.v)}; }
  TERSOR_VERB s32 sub(s32 a, s32 b) { return {_mm256_sub_epi32(a.v, b.v)}; }
  TERSOR_VERB s32 mul(s32 a, s32 b) { return {_mm256_mullo_epi32(a.v, b.v)}; }
  template <int kCount>
  TERSOR_VERB s32 shift_left(s32 a) {
    return {_mm256_slli_epi32(a.v, kCount)};
  }
  template <int kCount>
  TERSOR_VERB s32 shift_right(s32 a) {
    return {_mm256_srai_epi32(a.v, kCount)};
  }
  TERSOR_VERB f32 to_f32(s32 a) { return _mm256_cvtepi32_ps(a.v); }
  TERSOR_VERB s32 round(f32 a) { return {_mm256_cvtps_epi32(a)}; }
  TERSOR_VERB __m128i low_bytes(s32 a) {
    const __m256i x = _mm256_and_si256(a.v, _mm256_set1_epi32(255));
    const __m128i y = _mm_packus_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
    return _mm_packus_epi16(y, y);
  }
  TERSOR_VERB void store_low_bytes(void* p, s32 a) {
    _mm_storel_epi64(static_cast<__m128i*>(p), low_bytes(a));
  }
  TERSOR_VERB void store_low_bytes_partial(void* p, s32 a, int n) {
    uint8_t buffer[16];
    _mm_storeu_si128(reinterpret_cast<__m128i*>(buffer), low_bytes(a));
    std::memcpy(p, buffer, static_cast<size_t>(n));
  }

  TERSOR_VERB s16 set_words(int16_t x) { return {_mm256_set1_epi16(x)}; }
  TERSOR_VERB s16 load_words(const int16_t* p) {
    return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))};
  }
  TERSOR_VERB void store(int16_t* p, s16 a) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), a.v);
  }
  TERSOR_VERB s16 load_widened(const uint8_t* p) {
    return {_mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
  }
  TERSOR_VERB s16 load_widened(const int8_t* p) {
    return {_mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
  }
  TERSOR_VERB s16 load_widened_partial(const uint8_t* p, int n) {
    uint8_t buffer[16] = {};
    std::memcpy(buffer, p, static_cast<size_t>(n));
    return load_widened(buffer);
  }
  TERSOR_VERB s16 load_pair(const int16_t* p) {
    int32_t x;
    std::memcpy(&x, p, 4);
    return {_mm256_set1_epi32(x)};
  }
  TERSOR_VERB s16 add(s16 a, s16 b) { return {_mm256_add_epi16(a.v, b.v)}; }
  TERSOR_VERB s16 sub(s16 a, s16 b) { return {_mm256_sub_epi16(a.v, b.v)}; }
  TERSOR_VERB s16 bit_xor(s16 a, s16 b) { return {_mm256_xor_si256(a.v, b.v)}; }
  template <int kCount>
  TERSOR_VERB s16 shift_left(s16 a) {
    return {_mm256_slli_epi16(a.v, kCount)};
  }
  // c += a in place: g++ 12 would add into another register and move, which costs a sixth of a
  // product's speed.
  TERSOR_VERB s32 accumulate(s32 c, __m256i a) {
    asm("vpaddd %1, %0, %0" : "+x"(c.v) : "x"(a));
    return c;
  }
  TERSOR_VERB s32 dot2(s32 c, s16 a, s16 b) { return accumulate(c, _mm256_madd_epi16(a.v, b.v)); }

  TERSOR_VERB bytes load_bytes(const void* p) {
    return {_mm256_loadu_si256(static_cast<const __m256i*>(p))};
  }
  TERSOR_VERB bytes load_bytes_partial(const void* p, int n) {
    if (n % 4 == 0) return {_mm256_maskload_epi32(static_cast<const int*>(p), mask(n / 4))};
    uint8_t buffer[32] = {};
    std::memcpy(buffer, p, static_cast<size_t>(n));
    return load_bytes(buffer);
  }
  TERSOR_VERB void store_bytes(void* p, bytes a) {
    _mm256_storeu_si256(static_cast<__m256i*>(p), a.v);
  }
  TERSOR_VERB void store_bytes_partial(void* p, bytes a, int n) {
    uint8_t buffer[32];
    store_bytes(buffer, a);
    std::memcpy(p, buffer, static_cast<size_t>(n));
  }
  TERSOR_VERB bytes set_quads(uint32_t x) { return {_mm256_set1_epi32(static_cast<int>(x))}; }
  TERSOR_VERB bytes load_quad(const void* p) {
    uint32_t x;
    std::memcpy(&x, p, 4);
    return set_quads(x);
  }
  TERSOR_VERB bytes bit_xor(bytes a, bytes b) { return {_mm256_xor_si256(a.v, b.v)}; }
  TERSOR_VERB bytes bit_and(bytes a, bytes b) { return {_mm256_and_si256(a.v, b.v)}; }
  TERSOR_VERB bytes bit_or(bytes a, bytes b) { return {_mm256_or_si256(a.v, b.v)}; }
  TERSOR_VERB bytes sub_bytes(bytes a, bytes b) { return {_mm256_sub_epi8(a.v, b.v)}; }
  TERSOR_VERB bytes below(bytes a, bytes b) {
    const __m256i not_below = _mm256_cmpeq_epi8(_mm256_max_epu8(a.v, b.v), a.v);
    return {_mm256_andnot_si256(not_below, _mm256_set1_epi8(-1))};
  }
  TERSOR_VERB uint32_t quads_with_bits(bytes a) {
    const __m256i zeros = _mm256_cmpeq_epi32(a.v, _mm256_setzero_si256());
    return ~static_cast<uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(zeros))) & 0xff;
  }
  TERSOR_VERB bytes negative(bytes a) { return {_mm256_cmpgt_epi8(_mm256_setzero_si256(), a.v)}; }
  TERSOR_VERB bytes magnitude(bytes a) { return {_mm256_abs_epi8(a.v)}; }
  TERSOR_VERB s32 add_bytes(s32 c, bytes a) {
    return {_mm256_add_epi32(c.v, _mm256_sad_epu8(a.v, _mm256_setzero_si256()))};
  }
  TERSOR_VERB void sum_lanes(const s32 (&a)[4], int32_t* r) {
    const __m256i low = _mm256_hadd_epi32(a[0].v, a[1].v), high = _mm256_hadd_epi32(a[2].v, a[3].v);
    const __m256i all = _mm256_hadd_epi32(low, high);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(r),
                     _mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1)));
  }
  TERSOR_VERB s16 mul_pairs(bytes a, bytes b) { return {_mm256_maddubs_epi16(a.v, b.v)}; }
  // Even and odd bytes apart, widened to 16 bits: pmaddwd is exact, pmaddubsw would saturate.
  TERSOR_VERB s32 dot4(s32 c, bytes a, bytes b) {
    const __m256i a_even = _mm256_and_si256(a.v, _mm256_set1_epi16(255));
    const __m256i a_odd = _mm256_srli_epi16(a.v, 8);
    const __m256i b_even = _mm256_srai_epi16(_mm256_slli_epi16(b.v, 8), 8);
    const __m256i b_odd = _mm256_srai_epi16(b.v, 8);
    return accumulate(accumulate(c, _mm256_madd_epi16(a_even, b_even)),
                      _mm256_madd_epi16(a_odd, b_odd));
  }
  TERSOR_VERB void zip4(const bytes (&a)[4], bytes (&r)[4]) {
    const __m256i low01 = _mm256_unpacklo_epi8(a[0].v, a[1].v);
    const __m256i high01 = _mm256_unpackhi_epi8(a[0].v, a[1].v);
    const __m256i low23 = _mm256_unpacklo_epi8(a[2].v, a[3].v);
    const __m256i high23 = _mm256_unpackhi_epi8(a[2].v, a[3].v);
    r[0].v = _mm256_unpacklo_epi16(low01, low23);
    r[1].v = _mm256_unpackhi_epi16(low01, low23);
    r[2].v = _mm256_unpacklo_epi16(high01, high23);
    r[3].v = _mm256_unpackhi_epi16(high01, high23);
  }
  // a + offset in 16 bits, saturated twice on the way, which saturates to 8 bits all the same.
  struct Words {
    __m256i low, high;
  };
  TERSOR_VERB Words words(const s32 (&a)[4], int offset) {
    const __m256i add = _mm256_set1_epi16(static_cast<int16_t>(offset));
    return {_mm256_adds_epi16(_mm256_packs_epi32(a[0].v, a[1].v), add),
            _mm256_adds_epi16(_mm256_packs_epi32(a[2].v, a[3].v), add)};
  }
  TERSOR_VERB bytes unzip_u8(const s32 (&a)[4], int offset) {
    const Words w = words(a, offset);
    return {_mm256_packus_epi16(w.low, w.high)};
  }
  TERSOR_VERB bytes unzip_s8(const s32 (&a)[4], int offset) {
    const Words w = words(a, offset);
    return {_mm256_packs_epi16(w.low, w.high)};
  }
  TERSOR_VERB bytes in_order(__m256i x) {
    return {_mm256_permutevar8x32_epi32(x, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7))};
  }
  TERSOR_VERB bytes join_u8(const s32 (&a)[4], int offset) {
    return in_order(unzip_u8(a, offset).v);
  }
  TERSOR_VERB bytes join_s8(const s32 (&a)[4], int offset) {
    return in_order(unzip_s8(a, offset).v);
  }
  TERSOR_VERB bytes clamp_u8(bytes a, int low, int high) {
    const __m256i x = _mm256_max_epu8(a.v, _mm256_set1_epi8(static_cast<char>(low)));
    return {_mm256_min_epu8(x, _mm256_set1_epi8(static_cast<char>(high)))};
  }
  TERSOR_VERB bytes clamp_s8(bytes a, int low, int high) {
    const __m256i x = _mm256_max_epi8(a.v, _mm256_set1_epi8(static_cast<char>(low)));
    return {_mm256_min_epi8(x, _mm256_set1_epi8(static_cast<char>(high)))};
  }
  TERSOR_VERB void zip_words(s16 a, s16 b, s16 (&r)[2]) {
    r[0].v = _mm256_unpacklo_epi16(a.v, b.v);
    r[1].v = _mm256_unpackhi_epi16(a.v, b.v);
  }
  TERSOR_VERB bytes pairs_apart(bytes a) { return {_mm256_permute4x64_epi64(a.v, 0xd8)}; }
  TERSOR_VERB bytes pair_u8(const s32 (&a)[4], int offset) {
    return pairs_apart(unzip_u8(a, offset));
  }
  TERSOR_VERB bytes pair_s8(const s32 (&a)[4], int offset) {
    return pairs_apart(unzip_s8(a, offset));
  }
  TERSOR_VERB void store_halves(void* p, void* q, bytes a) {
    _mm_storeu_si128(static_cast<__m128i*>(p), _mm256_castsi256_si128(a.v));
    _mm_storeu_si128(static_cast<__m128i*>(q), _mm256_extracti128_si256(a.v, 1));
  }
  TERSOR_VERB void store_quarters(void* p, void* q, void* r, void* s, bytes a) {
    const __m128i low = _mm256_castsi256_si128(a.v), high = _mm256_extracti128_si256(a.v, 1);
    _mm_storel_epi64(static_cast<__m128i*>(p), low);
    _mm_storeh_pi(static_cast<__m64*>(q), _mm_castsi128_ps(low));
    _mm_storel_epi64(static_cast<__m128i*>(r), high);
    _mm_storeh_pi(static_cast<__m64*>(s), _mm_castsi128_ps(high));
  }
  TERSOR_VERB void store_halves_partial(void* p, void* q, bytes a, int n) {
    uint8_t buffer[32];
    store_bytes(buffer, a);
    std::memcpy(p, buffer, static_cast<size_t>(n));
    std::memcpy(q, buffer + 16, static_cast<size_t>(n));
  }
  TERSOR_VERB void store_quarters_partial(void* p, void* q, void* r, void* s, bytes a, int n) {
    uint8_t buffer[32];
    store_bytes(buffer, a);
    const auto bytes = static_cast<size_t>(n);
    std::memcpy(p, buffer, bytes);
    std::memcpy(q, buffer + 8, bytes);
    std::memcpy(r, buffer + 16, bytes);
    std::memcpy(s, buffer + 24, bytes);
  }
  TERSOR_VERB void unzip(const f32 (&a)[4], f32 (&r)[4]) {
    r[0] = _mm256_permute2f128_ps(a[0], a[1], 0x20);
    r[1] = _mm256_permute2f128_ps(a[2], a[3], 0x20);
    r[2] = _mm256_permute2f128_ps(a[0], a[1], 0x31);
    r[3] = _mm256_permute2f128_ps(a[2], a[3], 0x31);
  }
  TERSOR_VERB void unzip(const s32 (&a)[4], s32 (&r)[4]) {
    r[0].v = _mm256_permute2x128_si256(a[0].v, a[1].v, 0x20);
    r[1].v = _mm256_permute2x128_si256(a[2].v, a[3].v, 0x20);
    r[2].v = _mm256_permute2x128_si256(a[0].v, a[1].v, 0x31);
    r[3].v = _mm256_permute2x128_si256(a[2].v, a[3].v, 0x31);
  }
#undef TERSOR_VERB
};

}  // namespace tersor::simd
#include "simd/end.h"
