// The vector language on AVX-512 F, BW, VL, DQ (see emu.h for what each verb means).
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "simd/begin_avx512.h"
#include "simd/halves.h"
namespace tersor::simd {

struct Avx512 {
  static constexpr int kLanes = 16;
  static constexpr int kBytes = 64;
  static constexpr bool kFused = true;
  using f32 = __m512;
  struct s32 {
    __m512i v;
  };
  struct bytes {
    __m512i v;
  };
  struct s16 {
    __m512i v;
  };
#define TERSOR_VERB [[gnu::always_inline]] static inline

  TERSOR_VERB __mmask16 mask(int n) { return static_cast<__mmask16>((1u << n) - 1); }
  TERSOR_VERB __mmask64 byte_mask(int n) { return n < 64 ? (1ull << n) - 1 : ~0ull; }

  TERSOR_VERB f32 set(float x) { return _mm512_set1_ps(x); }
  TERSOR_VERB f32 load(const float* p) { return _mm512_loadu_ps(p); }
  TERSOR_VERB f32 load_partial(const float* p, int n) { return _mm512_maskz_loadu_ps(mask(n), p); }
  TERSOR_VERB void store(float* p, f32 a) { _mm512_storeu_ps(p, a); }
  TERSOR_VERB void store_partial(float* p, f32 a, int n) { _mm512_mask_storeu_ps(p, mask(n), a); }
  TERSOR_VERB f32 widen(const half*, __m256i h) { return _mm512_cvtph_ps(h); }
  TERSOR_VERB f32 widen(const bfloat16*, __m256i h) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
  }
  TERSOR_VERB __m256i narrow(const half*, f32 a) {
    return _mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  TERSOR_VERB __m256i narrow(const bfloat16*, f32 a) {
    const __m512i u = _mm512_castps_si512(a), high = _mm512_srli_epi32(u, 16);
    const __m512i odd = _mm512_and_si512(high, _mm512_set1_epi32(1));
    const __m512i even = _mm512_add_epi32(_mm512_add_epi32(u, _mm512_set1_epi32(0x7fff)), odd);
    const __m512i r =
        _mm512_mask_or_epi32(_mm512_srli_epi32(even, 16), _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q),
                             high, _mm512_set1_epi32(0x40));
    return _mm512_cvtepi32_epi16(r);
  }
  template <typename Half>
  TERSOR_VERB f32 load(const Half* p) {
    return widen(p, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  template <typename Half>
  TERSOR_VERB f32 load_partial(const Half* p, int n) {
    return widen(p, _mm256_maskz_loadu_epi16(mask(n), p));
  }
  template <typename Half>
  TERSOR_VERB void store(Half* p, f32 a) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), narrow(p, a));
  }
  template <typename Half>
  TERSOR_VERB void store_partial(Half* p, f32 a, int n) {
    _mm256_mask_storeu_epi16(p, mask(n), narrow(p, a));
  }
  TERSOR_VERB f32 add(f32 a, f32 b) { return _mm512_add_ps(a, b); }
  TERSOR_VERB f32 mul(f32 a, f32 b) { return _mm512_mul_ps(a, b); }
  TERSOR_VERB f32 fmadd(f32 a, f32 b, f32 c) { return _mm512_fmadd_ps(a, b, c); }
  TERSOR_VERB f32 min(f32 a, f32 b) { return _mm512_min_ps(a, b); }
  TERSOR_VERB f32 max(f32 a, f32 b) { return _mm512_max_ps(a, b); }
  TERSOR_VERB bool any_above(f32 a, float x) {
    return _mm512_cmp_ps_mask(a, set(x), _CMP_GT_OQ) != 0;
  }
  TERSOR_VERB f32 keep(f32 a) {
    asm("" : "+v"(a));
    return a;
  }
  TERSOR_VERB s16 keep(s16 a) {
    asm("" : "+v"(a.v));
    return a;
  }
  TERSOR_VERB s32 keep(s32 a) {
    asm("" : "+v"(a.v));
    return a;
  }

  TERSOR_VERB s32 set(int32_t x) { return {_mm512_set1_epi32(x)}; }
  TERSOR_VERB s32 load(const int32_t* p) { return {_mm512_loadu_si512(p)}; }
  TERSOR_VERB s32 load_partial(const int32_t* p, int n) {
    return {_mm512_maskz_loadu_epi32(mask(n), p)};
  }
  TERSOR_VERB s32 load_codes(const uint8_t* p) {
    return {_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
  }
  TERSOR_VERB s32 load_codes(const int8_t* p) {
    return {_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
  }
  TERSOR_VERB void store(int32_t* p, s32 a) { _mm512_storeu_si512(p, a.v); }
  TERSOR_VERB void store_partial(int32_t* p, s32 a, int n) {
    _mm512_mask_storeu_epi32(p, mask(n), a.v);
  }
  TERSOR_VERB s32 add(s32 a, s32 b) { return {_mm512_add_epi32(a.v, b.v)}; }
  TERSOR_VERB s32 sub(s32 a, s32 b) { return {_mm512_sub_epi32(a.v, b.v)}; }
  TERSOR_VERB s32 mul(s32 a, s32 b) { return {_mm512_mullo_epi32(a.v, b.v)}; }
  template <int kCount>
  TERSOR_VERB s32 shift_left(s32 a) {
    return {_mm512_slli_epi32(a.v, kCount)};
  }
  template <int kCount>
  TERSOR_VERB s32 shift_right(s32 a) {
    return {_mm512_srai_epi32(a.v, kCount)};
  }
  TERSOR_VERB f32 to_f32(s32 a) { return _mm512_cvtepi32_ps(a.v); }
  TERSOR_VERB s32 round(f32 a) { return {_mm512_cvtps_epi32(a)}; }
  TERSOR_VERB void store_low_bytes(void* p, s32 a) {
    _mm_storeu_si128(static_cast<__m128i*>(p), _mm512_cvtepi32_epi8(a.v));
  }
  TERSOR_VERB void store_low_bytes_partial(void* p, s32 a, int n) {
    _mm_mask_storeu_epi8(p, mask(n), _mm512_cvtepi32_epi8(a.v));
  }

  TERSOR_VERB s16 set_words(int16_t x) { return {_mm512_set1_epi16(x)}; }
  TERSOR_VERB s16 load_words(const int16_t* p) { return {_mm512_loadu_si512(p)}; }
  TERSOR_VERB void store(int16_t* p, s16 a) { _mm512_storeu_si512(p, a.v); }
  TERSOR_VERB s16 load_widened(const uint8_t* p) {
    return {_mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
  }
  TERSOR_VERB s16 load_widened(const int8_t* p) {
    return {_mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
  }
  TERSOR_VERB s16 load_widened_partial(const uint8_t* p, int n) {
    const auto in = n < 32 ? (1u << n) - 1 : ~0u;
    return {_mm512_cvtepu8_epi16(_mm256_maskz_loadu_epi8(in, p))};
  }
  TERSOR_VERB s16 load_pair(const int16_t* p) {
    int32_t x;
    std::memcpy(&x, p, 4);
    return {_mm512_set1_epi32(x)};
  }
  TERSOR_VERB s16 add(s16 a, s16 b) { return {_mm512_add_epi16(a.v, b.v)}; }
  TERSOR_VERB s16 sub(s16 a, s16 b) { return {_mm512_sub_epi16(a.v, b.v)}; }
  TERSOR_VERB s16 bit_xor(s16 a, s16 b) { return {_mm512_xor_si512(a.v, b.v)}; }
  template <int kCount>
  TERSOR_VERB s16 shift_left(s16 a) {
    return {_mm512_slli_epi16(a.v, kCount)};
  }
  TERSOR_VERB s32 dot2(s32 c, s16 a, s16 b) {
    return {_mm512_add_epi32(c.v, _mm512_madd_epi16(a.v, b.v))};
  }

  TERSOR_VERB bytes load_bytes(const void* p) { return {_mm512_loadu_si512(p)}; }
  TERSOR_VERB bytes load_bytes_partial(const void* p, int n) {
    return {_mm512_maskz_loadu_epi8(byte_mask(n), p)};
  }
  TERSOR_VERB void store_bytes(void* p, bytes a) { _mm512_storeu_si512(p, a.v); }
  TERSOR_VERB void store_bytes_partial(void* p, bytes a, int n) {
    _mm512_mask_storeu_epi8(p, byte_mask(n), a.v);
  }
  TERSOR_VERB bytes set_quads(uint32_t x) { return {_mm512_set1_epi32(static_cast<int>(x))}; }
  TERSOR_VERB bytes load_quad(const void* p) {
    uint32_t x;
    std::memcpy(&x, p, 4);
    return set_quads(x);
  }
  TERSOR_VERB bytes bit_xor(bytes a, bytes b) { return {_mm512_xor_si512(a.v, b.v)}; }
  TERSOR_VERB bytes bit_and(bytes a, bytes b) { return {_mm512_and_si512(a.v, b.v)}; }
  TERSOR_VERB bytes bit_or(bytes a, bytes b) { return {_mm512_or_si512(a.v, b.v)}; }
  TERSOR_VERB bytes sub_bytes(bytes a, bytes b) { return {_mm512_sub_epi8(a.v, b.v)}; }
  TERSOR_VERB bytes below(bytes a, bytes b) {
    return {_mm512_movm_epi8(_mm512_cmplt_epu8_mask(a.v, b.v))};
  }
  TERSOR_VERB uint32_t quads_with_bits(bytes a) { return _mm512_test_epi32_mask(a.v, a.v); }
  TERSOR_VERB bytes negative(bytes a) { return {_mm512_movm_epi8(_mm512_movepi8_mask(a.v))}; }
  TERSOR_VERB bytes magnitude(bytes a) { return {_mm512_abs_epi8(a.v)}; }
  TERSOR_VERB s32 add_bytes(s32 c, bytes a) {
    return {_mm512_add_epi32(c.v, _mm512_sad_epu8(a.v, _mm512_setzero_si512()))};
  }
  TERSOR_VERB void sum_lanes(const s32 (&a)[4], int32_t* r) {
    for (int i = 0; i < 4; ++i) r[i] = _mm512_reduce_add_epi32(a[i].v);
  }
  TERSOR_VERB s16 mul_pairs(bytes a, bytes b) { return {_mm512_maddubs_epi16(a.v, b.v)}; }
  // Even and odd bytes apart, widened to 16 bits: pmaddwd is exact, pmaddubsw would saturate.
  TERSOR_VERB s32 dot4(s32 c, bytes a, bytes b) {
    const __m512i a_even = _mm512_and_si512(a.v, _mm512_set1_epi16(255));
    const __m512i a_odd = _mm512_srli_epi16(a.v, 8);
    const __m512i b_even = _mm512_srai_epi16(_mm512_slli_epi16(b.v, 8), 8);
    const __m512i b_odd = _mm512_srai_epi16(b.v, 8);
    const __m512i even = _mm512_add_epi32(c.v, _mm512_madd_epi16(a_even, b_even));
    return {_mm512_add_epi32(even, _mm512_madd_epi16(a_odd, b_odd))};
  }
  TERSOR_VERB void zip4(const bytes (&a)[4], bytes (&r)[4]) {
    const __m512i low01 = _mm512_unpacklo_epi8(a[0].v, a[1].v);
    const __m512i high01 = _mm512_unpackhi_epi8(a[0].v, a[1].v);
    const __m512i low23 = _mm512_unpacklo_epi8(a[2].v, a[3].v);
    const __m512i high23 = _mm512_unpackhi_epi8(a[2].v, a[3].v);
    r[0].v = _mm512_unpacklo_epi16(low01, low23);
    r[1].v = _mm512_unpackhi_epi16(low01, low23);
    r[2].v = _mm512_unpacklo_epi16(high01, high23);
    r[3].v = _mm512_unpackhi_epi16(high01, high23);
  }
  // a + offset in 16 bits, saturated twice on the way, which saturates to 8 bits all the same.
  struct Words {
    __m512i low, high;
  };
  TERSOR_VERB Words words(const s32 (&a)[4], int offset) {
    const __m512i add = _mm512_set1_epi16(static_cast<int16_t>(offset));
    return {_mm512_adds_epi16(_mm512_packs_epi32(a[0].v, a[1].v), add),
            _mm512_adds_epi16(_mm512_packs_epi32(a[2].v, a[3].v), add)};
  }
  TERSOR_VERB bytes unzip_u8(const s32 (&a)[4], int offset) {
    const Words w = words(a, offset);
    return {_mm512_packus_epi16(w.low, w.high)};
  }
  TERSOR_VERB bytes unzip_s8(const s32 (&a)[4], int offset) {
    const Words w = words(a, offset);
    return {_mm512_packs_epi16(w.low, w.high)};
  }
  TERSOR_VERB bytes in_order(__m512i x) {
    return {_mm512_permutexvar_epi32(
        _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), x)};
  }
  TERSOR_VERB bytes join_u8(const s32 (&a)[4], int offset) {
    return in_order(unzip_u8(a, offset).v);
  }
  TERSOR_VERB bytes join_s8(const s32 (&a)[4], int offset) {
    return in_order(unzip_s8(a, offset).v);
  }
  TERSOR_VERB bytes clamp_u8(bytes a, int low, int high) {
    const __m512i x = _mm512_max_epu8(a.v, _mm512_set1_epi8(static_cast<char>(low)));
    return {_mm512_min_epu8(x, _mm512_set1_epi8(static_cast<char>(high)))};
  }
  TERSOR_VERB bytes clamp_s8(bytes a, int low, int high) {
    const __m512i x = _mm512_max_epi8(a.v, _mm512_set1_epi8(static_cast<char>(low)));
    return {_mm512_min_epi8(x, _mm512_set1_epi8(static_cast<char>(high)))};
  }
  TERSOR_VERB void zip_words(s16 a, s16 b, s16 (&r)[2]) {
    r[0].v = _mm512_unpacklo_epi16(a.v, b.v);
    r[1].v = _mm512_unpackhi_epi16(a.v, b.v);
  }
  TERSOR_VERB bytes pairs_apart(bytes a) {
    return {_mm512_permutexvar_epi64(_mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7), a.v)};
  }
  TERSOR_VERB bytes pair_u8(const s32 (&a)[4], int offset) {
    return pairs_apart(unzip_u8(a, offset));
  }
  TERSOR_VERB bytes pair_s8(const s32 (&a)[4], int offset) {
    return pairs_apart(unzip_s8(a, offset));
  }
  TERSOR_VERB void store_halves(void* p, void* q, bytes a) {
    _mm256_storeu_si256(static_cast<__m256i*>(p), _mm512_castsi512_si256(a.v));
    _mm256_storeu_si256(static_cast<__m256i*>(q), _mm512_extracti64x4_epi64(a.v, 1));
  }
  TERSOR_VERB void store_quarters(void* p, void* q, void* r, void* s, bytes a) {
    _mm_storeu_si128(static_cast<__m128i*>(p), _mm512_castsi512_si128(a.v));
    _mm_storeu_si128(static_cast<__m128i*>(q), _mm512_extracti32x4_epi32(a.v, 1));
    _mm_storeu_si128(static_cast<__m128i*>(r), _mm512_extracti32x4_epi32(a.v, 2));
    _mm_storeu_si128(static_cast<__m128i*>(s), _mm512_extracti32x4_epi32(a.v, 3));
  }
  TERSOR_VERB void store_halves_partial(void* p, void* q, bytes a, int n) {
    const auto m = static_cast<__mmask32>((uint64_t{1} << n) - 1);
    _mm256_mask_storeu_epi8(p, m, _mm512_castsi512_si256(a.v));
    _mm256_mask_storeu_epi8(q, m, _mm512_extracti64x4_epi64(a.v, 1));
  }
  TERSOR_VERB void store_quarters_partial(void* p, void* q, void* r, void* s, bytes a, int n) {
    const auto m = static_cast<__mmask16>((1u << n) - 1);
    _mm_mask_storeu_epi8(p, m, _mm512_castsi512_si128(a.v));
    _mm_mask_storeu_epi8(q, m, _mm512_extracti32x4_epi32(a.v, 1));
    _mm_mask_storeu_epi8(r, m, _mm512_extracti32x4_epi32(a.v, 2));
    _mm_mask_storeu_epi8(s, m, _mm512_extracti32x4_epi32(a.v, 3));
  }
  TERSOR_VERB void unzip(const f32 (&a)[4], f32 (&r)[4]) {
    s32 in[4], out[4];
    for (int i = 0; i < 4; ++i) in[i].v = _mm512_castps_si512(a[i]);
    unzip(in, out);
    for (int i = 0; i < 4; ++i) r[i] = _mm512_castsi512_ps(out[i].v);
  }
  // A transpose of 4 x 4 blocks of 128 bits.
  TERSOR_VERB void unzip(const s32 (&a)[4], s32 (&r)[4]) {
    const __m512i low01 = _mm512_shuffle_i32x4(a[0].v, a[1].v, 0x44);   // a0.0 a0.1 a1.0 a1.1
    const __m512i high01 = _mm512_shuffle_i32x4(a[0].v, a[1].v, 0xee);  // a0.2 a0.3 a1.2 a1.3
    const __m512i low23 = _mm512_shuffle_i32x4(a[2].v, a[3].v, 0x44);
    const __m512i high23 = _mm512_shuffle_i32x4(a[2].v, a[3].v, 0xee);
    r[0].v = _mm512_shuffle_i32x4(low01, low23, 0x88);
    r[1].v = _mm512_shuffle_i32x4(low01, low23, 0xdd);
    r[2].v = _mm512_shuffle_i32x4(high01, high23, 0x88);
    r[3].v = _mm512_shuffle_i32x4(high01, high23, 0xdd);
  }
#undef TERSOR_VERB
};

}  // namespace tersor::simd
#include "simd/end.h"
