// The loops of resize, for the compiler to vectorize over 16 elements. No include guard.

[[gnu::always_inline]] inline float mixed(float a, float b, float c, float d, float across,
                                          float down) noexcept {
  const float top = a + (b - a) * across;
  const float bottom = c + (d - c) * across;
  return top + (bottom - top) * down;
}

// An element as a real number, and back.
struct Plain {
  using Type = float;
  [[gnu::always_inline]] inline float real(float x) const noexcept { return x; }
  [[gnu::always_inline]] inline float code(float v) const noexcept { return v; }
};
template <typename T>
struct Coded {
  using Type = T;
  float sx, sy, low, high;
  int32_t zx, zy;
  explicit Coded(const ByteFormats& f) noexcept : sx(f.sx), sy(f.sy), zx(f.zx), zy(f.zy) {
    constexpr int32_t kLow = static_cast<T>(-1) < 0 ? -128 : 0;
    low = static_cast<float>(kLow - zy);
    high = static_cast<float>(kLow + 255 - zy);
  }
  [[gnu::always_inline]] inline float real(T x) const noexcept {
    return static_cast<float>(x - zx) * sx;
  }
  [[gnu::always_inline]] inline T code(float x) const noexcept {
    float v = x / sy;
    v = v > low ? v : low;
    v = v < high ? v : high;
    // rint of |v| <= 2^22: the bits of the sum are the integer.
    return static_cast<T>(__builtin_bit_cast(int32_t, v + 12582912.0f) - 0x4b400000 + zy);
  }
};

// 16 channels of one pixel.
template <typename F, typename T>
[[gnu::always_inline]] inline void block(const T* a, const T* b, const T* c, const T* d,
                                         float across, float down, T* y, const F& f) noexcept {
  T out[16];
  for (int k = 0; k < 16; ++k)
    out[k] = f.code(mixed(f.real(a[k]), f.real(b[k]), f.real(c[k]), f.real(d[k]), across, down));
  __builtin_memcpy(y, out, sizeof(out));
}

// Up to 16 elements, each with neighbours and weight of its own.
template <typename F>
struct Batch {
  using T = typename F::Type;
  T a[16] = {}, b[16] = {}, c[16] = {}, d[16] = {};
  float across[16] = {};
  int n = 0;

  [[gnu::always_inline]] inline void run(T* y, float down, const F& f) noexcept {
    T out[16];
    for (int k = 0; k < 16; ++k)
      out[k] =
          f.code(mixed(f.real(a[k]), f.real(b[k]), f.real(c[k]), f.real(d[k]), across[k], down));
    __builtin_memcpy(y, out, static_cast<size_t>(n) * sizeof(T));
    n = 0;
  }
};

// One output row of pixels of fewer than 16 channels: elements of neighbouring pixels go together.
template <typename F, typename T>
[[gnu::always_inline]] inline void narrow_row(const T* upper, const T* lower, float down, T* y,
                                              const Image& image, const Taps& columns,
                                              const F& f) noexcept {
  Batch<F> batch;
  for (int64_t j = 0; j < image.ow; ++j) {
    const int64_t left = columns.lower[j] * image.channels,
                  right = columns.upper[j] * image.channels;
    for (int64_t k = 0; k < image.channels; ++k) {
      batch.a[batch.n] = upper[left + k];
      batch.b[batch.n] = upper[right + k];
      batch.c[batch.n] = lower[left + k];
      batch.d[batch.n] = lower[right + k];
      batch.across[batch.n++] = columns.weight[j];
      if (batch.n == 16) {
        batch.run(y, down, f);
        y += 16;
      }
    }
  }
  batch.run(y, down, f);
}

template <typename F, typename T>
[[gnu::always_inline]] inline void linear(const T* x, T* y, const Image& image, const Taps& rows,
                                          const Taps& columns, int64_t begin, int64_t end,
                                          const F& f) noexcept {
  const int64_t n = image.channels;
  for (int64_t i = begin; i < end; ++i) {
    const T* upper = x + static_cast<int64_t>(rows.lower[i]) * image.w * n;
    const T* lower = x + static_cast<int64_t>(rows.upper[i]) * image.w * n;
    const float down = rows.weight[i];
    if (n < 16) {
      narrow_row(upper, lower, down, y + i * image.ow * n, image, columns, f);
      continue;
    }
    for (int64_t j = 0; j < image.ow; ++j) {
      const int64_t left = columns.lower[j] * n, right = columns.upper[j] * n;
      const T *a = upper + left, *b = upper + right, *c = lower + left, *d = lower + right;
      const float across = columns.weight[j];
      T* out = y + (i * image.ow + j) * n;
      // The last block may overlap the one before: it writes the same values again.
      for (int64_t k = 0; k + 16 <= n; k += 16)
        block(a + k, b + k, c + k, d + k, across, down, out + k, f);
      if (n % 16) {
        const int64_t k = n - 16;
        block(a + k, b + k, c + k, d + k, across, down, out + k, f);
      }
    }
  }
}

inline void linear_f32(const float* x, float* y, const Image& image, const Taps& rows,
                       const Taps& columns, int64_t begin, int64_t end) noexcept {
  linear(x, y, image, rows, columns, begin, end, Plain{});
}
template <typename T>
void linear_bytes(const T* x, T* y, const Image& image, const Taps& rows, const Taps& columns,
                  int64_t begin, int64_t end, const ByteFormats& formats) noexcept {
  linear(x, y, image, rows, columns, begin, end, Coded<T>(formats));
}

constexpr Table make_table(base::Isa isa) noexcept {
  return {isa, linear_f32, linear_bytes<uint8_t>, linear_bytes<int8_t>};
}
