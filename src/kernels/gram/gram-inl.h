// The loops of gram over vectors V: kRows columns of a against all of b at a time. No include guard.

template <typename V, int kRows>
void products(const int16_t* a, const int16_t* b, int64_t pairs, int32_t* out) noexcept {
  constexpr int kVectors = static_cast<int>(kWidth) / V::kLanes;
  for (int i = 0; i < kWidth; i += kRows) {
    typename V::s32 sums[kRows][kVectors];
    for (auto& row : sums)
      for (auto& sum : row) sum = V::set(0);
    for (int64_t p = 0; p < pairs; ++p) {
      const int16_t* left = a + (p * kWidth + i) * 2;
      const int16_t* right = b + p * kWidth * 2;
      for (int v = 0; v < kVectors; ++v) {
        const typename V::s16 words = V::load_words(right + v * V::kLanes * 2);
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r)
          sums[r][v] = V::dot2(sums[r][v], V::load_pair(left + r * 2), words);
      }
    }
    for (int r = 0; r < kRows; ++r)
      for (int v = 0; v < kVectors; ++v)
        V::store(out + (i + r) * kWidth + v * V::kLanes, sums[r][v]);
  }
}
