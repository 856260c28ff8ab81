// Bytes to floats over the vector language: one instruction loads and widens a vector of codes.
// Included inside the target region and the namespace of one ISA, before quantize-inl.h. No include
// guard.

// Of the whole vectors among n elements; how many elements these are.
template <typename S, typename T>
int64_t dequantize_vectors(const T* x, float* y, int64_t n, float scale, int32_t zero) noexcept {
  const auto factor = S::set(scale);
  const auto minus = S::set(zero);
  int64_t i = 0;
#pragma GCC unroll 4
  for (; i + S::kLanes <= n; i += S::kLanes)
    S::store(y + i, S::mul(S::to_f32(S::sub(S::load_codes(x + i), minus)), factor));
  return i;
}
