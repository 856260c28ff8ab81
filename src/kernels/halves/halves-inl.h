// The loops of halves over the vector language. No include guard.

template <typename S, typename From, typename To>
inline void convert(const From* x, To* y, int64_t n) noexcept {
  int64_t i = 0;
  for (; i + S::kLanes <= n; i += S::kLanes) S::store(y + i, S::load(x + i));
  const int left = static_cast<int>(n - i);
  if (left > 0) S::store_partial(y + i, S::load_partial(x + i, left), left);
}

template <typename S>
struct Loops {
  template <typename Half>
  static void widen(const uint16_t* x, float* y, int64_t n) noexcept {
    convert<S>(reinterpret_cast<const Half*>(x), y, n);
  }
  template <typename Half>
  static void narrow(const float* x, uint16_t* y, int64_t n) noexcept {
    convert<S>(x, reinterpret_cast<Half*>(y), n);
  }
  static constexpr Table table(base::Isa isa) {
    return {isa, widen<simd::half>, narrow<simd::half>, widen<simd::bfloat16>,
            narrow<simd::bfloat16>};
  }
};
