// The loops of histogram: bins are computed in pieces by vectors, then counted one by one. No
// include guard.

template <bool kMagnitudes>
int64_t count(const float* x, int64_t n, const Bins& b) noexcept {
  constexpr int64_t kPiece = 256;
  int32_t bin[kPiece];
  const float low = b.low, high = b.high, bins = static_cast<float>(b.bins);
  const float scale = bins / (high - low);
  const int32_t last = static_cast<int32_t>(b.bins) - 1;
  int64_t left_out = 0;
  for (int64_t i = 0; i < n; i += kPiece) {
    const int64_t some = n - i < kPiece ? n - i : kPiece;
    for (int64_t j = 0; j < some; ++j) {
      const float v = kMagnitudes ? __builtin_fabsf(x[i + j]) : x[i + j];
      const float position = (v - low) * scale;
      const bool inside = (position >= 0.0f) & (position < bins);
      const int32_t k = static_cast<int32_t>(inside ? position : 0.0f);
      bin[j] = v == high ? last : inside ? k : -1;
    }
    for (int64_t j = 0; j < some; ++j) {
      if (bin[j] >= 0)
        ++b.counts[bin[j]];
      else
        ++left_out;
    }
  }
  return left_out;
}

constexpr Table make_table(base::Isa isa) noexcept { return {isa, count<false>, count<true>}; }
