// The loops of resize, for the compiler to vectorize over channels. No include guard.

[[gnu::always_inline]] inline float mixed(float a, float b, float c, float d, float across,
                                          float down) noexcept {
  const float top = a + (b - a) * across;
  const float bottom = c + (d - c) * across;
  return top + (bottom - top) * down;
}

inline void linear_f32(const float* x, float* y, const Image& image, const Taps& rows,
                       const Taps& columns, int64_t begin, int64_t end) noexcept {
  const int64_t n = image.channels;
  for (int64_t i = begin; i < end; ++i) {
    const float* upper = x + static_cast<int64_t>(rows.lower[i]) * image.w * n;
    const float* lower = x + static_cast<int64_t>(rows.upper[i]) * image.w * n;
    const float down = rows.weight[i];
    for (int64_t j = 0; j < image.ow; ++j) {
      const int64_t left = columns.lower[j] * n, right = columns.upper[j] * n;
      const float *a = upper + left, *b = upper + right, *c = lower + left, *d = lower + right;
      const float across = columns.weight[j];
      float* out = y + (i * image.ow + j) * n;
#pragma GCC ivdep
      for (int64_t k = 0; k < n; ++k) out[k] = mixed(a[k], b[k], c[k], d[k], across, down);
    }
  }
}

template <typename T>
void linear_bytes(const T* x, T* y, const Image& image, const Taps& rows, const Taps& columns,
                  int64_t begin, int64_t end, const ByteFormats& f) noexcept {
  constexpr int32_t kLow = static_cast<T>(-1) < 0 ? -128 : 0;
  const int64_t n = image.channels;
  const float sx = f.sx, sy = f.sy;
  const int32_t zx = f.zx, zy = f.zy;
  const float low = static_cast<float>(kLow - zy), high = static_cast<float>(kLow + 255 - zy);
  for (int64_t i = begin; i < end; ++i) {
    const T* upper = x + static_cast<int64_t>(rows.lower[i]) * image.w * n;
    const T* lower = x + static_cast<int64_t>(rows.upper[i]) * image.w * n;
    const float down = rows.weight[i];
    for (int64_t j = 0; j < image.ow; ++j) {
      const int64_t left = columns.lower[j] * n, right = columns.upper[j] * n;
      const T *a = upper + left, *b = upper + right, *c = lower + left, *d = lower + right;
      const float across = columns.weight[j];
      T* out = y + (i * image.ow + j) * n;
#pragma GCC ivdep
      for (int64_t k = 0; k < n; ++k) {
        float v = mixed(static_cast<float>(a[k] - zx) * sx, static_cast<float>(b[k] - zx) * sx,
                        static_cast<float>(c[k] - zx) * sx, static_cast<float>(d[k] - zx) * sx,
                        across, down) /
                  sy;
        v = v > low ? v : low;
        v = v < high ? v : high;
        // rint of |v| <= 2^22: the bits of the sum are the integer.
        out[k] = static_cast<T>(__builtin_bit_cast(int32_t, v + 12582912.0f) - 0x4b400000 + zy);
      }
    }
  }
}

constexpr Table make_table(base::Isa isa) noexcept {
  return {isa, linear_f32, linear_bytes<uint8_t>, linear_bytes<int8_t>};
}
