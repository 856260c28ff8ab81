#include <immintrin.h>

#include "kernels/loops/begin_avx2.h"
#include "kernels/lut/lut.h"
namespace tersor::kernels::lut::avx2 {

#include "kernels/lut/lut-inl.h"

// Vectors that share the loads of entries.
constexpr int kVectors = 2, kStep = kVectors * 32;
struct Codes {
  __m256i v[kVectors];
};

// vpshufb looks up 16 entries by the low four bits, and gives 0 where the top bit is set.
struct LookUp {
  const uint8_t* entries;
  Codes x, turned;  // turned: the top bit is

  [[gnu::always_inline]] __m256i sixteen(int at) const noexcept {
    return _mm256_broadcastsi128_si256(
        _mm_loadu_si128(reinterpret_cast<const __m128i*>(entries + at)));
  }
  // By the low kBits bits among the entries from kAt on, in the half of the table that the top bit
  // says.
  template <int kBits, int kAt>
  [[gnu::always_inline]] Codes among() const noexcept {
    Codes r;
    if constexpr (kBits == 4) {
      const __m256i low = sixteen(kAt), high = sixteen(kAt + 128);
#pragma GCC unroll 4
      for (int i = 0; i < kVectors; ++i)
        r.v[i] = _mm256_or_si256(_mm256_shuffle_epi8(low, x.v[i]),
                                 _mm256_shuffle_epi8(high, turned.v[i]));
    } else {
      constexpr int kHalf = 1 << (kBits - 1);
      const Codes a = among<kBits - 1, kAt>(), b = among<kBits - 1, kAt + kHalf>();
#pragma GCC unroll 4
      for (int i = 0; i < kVectors; ++i)  // the last of the bits becomes the top bit of its byte
        r.v[i] = _mm256_blendv_epi8(a.v[i], b.v[i], _mm256_slli_epi16(x.v[i], 8 - kBits));
    }
    return r;
  }
};

inline void bytes(const uint8_t* entries, const uint8_t* x, uint8_t* y, int64_t n) noexcept {
  LookUp look_up = {entries, {}, {}};
  for (; n >= kStep; n -= kStep, x += kStep, y += kStep) {
#pragma GCC unroll 4
    for (int i = 0; i < kVectors; ++i) {
      look_up.x.v[i] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x) + i);
      look_up.turned.v[i] = _mm256_xor_si256(look_up.x.v[i], _mm256_set1_epi8(-128));
    }
    const Codes found = look_up.among<7, 0>();
#pragma GCC unroll 4
    for (int i = 0; i < kVectors; ++i)
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(y) + i, found.v[i]);
  }
  one_by_one(entries, x, y, n);
}

extern constexpr Table kTable = make_table(base::Isa::avx2, bytes);

}  // namespace tersor::kernels::lut::avx2
#include "kernels/loops/end.h"
