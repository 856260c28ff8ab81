#include <immintrin.h>

#include "kernels/loops/begin_avx512.h"
#include "kernels/lut/lut.h"
namespace tersor::kernels::lut::avx512 {

#include "kernels/lut/lut-inl.h"

// The entries as 128 words of two: vpermi2w looks up 64 of them.
struct Words {
  __m512i entries[4];

  explicit Words(const uint8_t* p) noexcept {
    for (int i = 0; i < 4; ++i) entries[i] = _mm512_loadu_si512(p + 64 * i);
  }
  // By bits 0 to 5 of each word of `at`, and by `upper` as bit 6.
  [[gnu::always_inline]] __m512i operator()(__m512i at, __mmask32 upper) const noexcept {
    return _mm512_mask_mov_epi16(_mm512_permutex2var_epi16(entries[0], at, entries[1]), upper,
                                 _mm512_permutex2var_epi16(entries[2], at, entries[3]));
  }
};

[[gnu::always_inline]] inline __m512i look_up(const Words& words, __m512i x) noexcept {
  const __mmask64 kEven = 0x5555555555555555, kOdd = ~kEven;
  const __m512i swap = _mm512_set4_epi32(0x0e0f0c0d, 0x0a0b0809, 0x06070405, 0x02030001);
  // The words that hold the entries of the even bytes and of the odd ones.
  const __m512i even =
      words(_mm512_srli_epi16(x, 1), _mm512_test_epi16_mask(x, _mm512_set1_epi16(128)));
  const __m512i odd = words(_mm512_srli_epi16(x, 9), _mm512_movepi16_mask(x));
  // Their first bytes, each where it belongs, and their second bytes: bit 0 chooses.
  const __m512i first = _mm512_mask_shuffle_epi8(even, kOdd, odd, swap);
  const __m512i second = _mm512_mask_shuffle_epi8(odd, kEven, even, swap);
  return _mm512_mask_mov_epi8(first, _mm512_test_epi8_mask(x, _mm512_set1_epi8(1)), second);
}

inline void bytes(const uint8_t* entries, const uint8_t* x, uint8_t* y, int64_t n) noexcept {
  const Words words(entries);
  for (; n >= 64; n -= 64, x += 64, y += 64)
    _mm512_storeu_si512(y, look_up(words, _mm512_loadu_si512(x)));
  if (n <= 0) return;
  const __mmask64 left = (1ull << n) - 1;
  _mm512_mask_storeu_epi8(y, left, look_up(words, _mm512_maskz_loadu_epi8(left, x)));
}

extern constexpr Table kTable = make_table(base::Isa::avx512, bytes);

}  // namespace tersor::kernels::lut::avx512
#include "kernels/loops/end.h"
