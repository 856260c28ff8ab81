// The loops of resample. No include guard.

constexpr int32_t kHalf = 1 << (kWeightBits - 1);

inline uint8_t rounded(int32_t sum) noexcept {
  const int32_t v = sum >> kWeightBits;
  return static_cast<uint8_t>(v < 0 ? 0 : v > 255 ? 255 : v);
}

template <int kChannels>
void pixels(const uint8_t* x, uint8_t* y, const Filter& f, int64_t begin, int64_t end) noexcept {
  for (int64_t i = begin; i < end; ++i) {
    const uint8_t* from = x + f.first[i] * kChannels;
    const int32_t* weights = f.weights + i * f.width;
    int32_t sum[kChannels];
    for (int c = 0; c < kChannels; ++c) sum[c] = kHalf;
    for (int32_t k = 0; k < f.count[i]; ++k)
      for (int c = 0; c < kChannels; ++c) sum[c] += from[k * kChannels + c] * weights[k];
    for (int c = 0; c < kChannels; ++c) y[i * kChannels + c] = rounded(sum[c]);
  }
}

// Three channels as four lanes, the last of which is that of the next pixel: not where an output
// reaches the end of the row.
inline void colours(const uint8_t* x, int64_t n, uint8_t* y, const Filter& f) noexcept {
  typedef int32_t Four __attribute__((vector_size(16)));
  typedef uint8_t Bytes __attribute__((vector_size(4), aligned(1), may_alias));
  for (int64_t i = 0; i < f.outputs; ++i) {
    if (f.first[i] + f.count[i] >= n) {
      pixels<3>(x, y, f, i, i + 1);
      continue;
    }
    const uint8_t* from = x + f.first[i] * 3;
    const int32_t* weights = f.weights + i * f.width;
    Four sum = {kHalf, kHalf, kHalf, kHalf};
    for (int32_t k = 0; k < f.count[i]; ++k)
      sum +=
          __builtin_convertvector(*reinterpret_cast<const Bytes*>(from + 3 * k), Four) * weights[k];
    for (int c = 0; c < 3; ++c) y[i * 3 + c] = rounded(sum[c]);
  }
}

void row(const uint8_t* x, int64_t n, int channels, uint8_t* y, const Filter& f) noexcept {
  if (channels == 1) return pixels<1>(x, y, f, 0, f.outputs);
  colours(x, n, y, f);
}

void rows(const uint8_t* x, int64_t stride, int64_t count, const int32_t* weights, int64_t n,
          uint8_t* y) noexcept {
  constexpr int64_t kPiece = 256;
  int32_t sum[kPiece];
  for (int64_t i = 0; i < n; i += kPiece) {
    const int64_t some = n - i < kPiece ? n - i : kPiece;
    for (int64_t j = 0; j < some; ++j) sum[j] = kHalf;
    for (int64_t k = 0; k < count; ++k) {
      const uint8_t* from = x + k * stride + i;
      const int32_t weight = weights[k];
      for (int64_t j = 0; j < some; ++j) sum[j] += from[j] * weight;
    }
    for (int64_t j = 0; j < some; ++j) y[i + j] = rounded(sum[j]);
  }
}

constexpr Table make_table(base::Isa isa) noexcept { return {isa, row, rows}; }
