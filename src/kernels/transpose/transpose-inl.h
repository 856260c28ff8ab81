// The loops of transpose: square blocks of one 16-byte vector per row, transposed in registers. No
// include guard.

// Rounds of "interleave row i with row i + half" transpose a square of 2^rounds rows.
template <typename T>
struct Block {
  static constexpr int kSide = 16 / static_cast<int>(sizeof(T));
  typedef T Vector __attribute__((vector_size(16)));
  typedef T Loose __attribute__((vector_size(16), aligned(alignof(T)), may_alias));

  template <int... k>
  [[gnu::always_inline]] static inline Vector low(Vector a, Vector b,
                                                  std::integer_sequence<int, k...>) noexcept {
    return __builtin_shufflevector(a, b, (k % 2 ? kSide + k / 2 : k / 2)...);
  }
  template <int... k>
  [[gnu::always_inline]] static inline Vector high(Vector a, Vector b,
                                                   std::integer_sequence<int, k...>) noexcept {
    constexpr int kHalf = kSide / 2;
    return __builtin_shufflevector(a, b, (k % 2 ? kSide + kHalf + k / 2 : kHalf + k / 2)...);
  }
  [[gnu::always_inline]] static inline void run(const T* x, T* y, int64_t x_stride,
                                                int64_t y_stride) noexcept {
    using All = std::make_integer_sequence<int, kSide>;
    Vector a[kSide], b[kSide];
#pragma GCC unroll 16
    for (int i = 0; i < kSide; ++i) a[i] = *reinterpret_cast<const Loose*>(x + i * x_stride);
#pragma GCC unroll 4
    for (int round = 1; round < kSide; round *= 2) {
#pragma GCC unroll 16
      for (int i = 0; i < kSide / 2; ++i) {
        b[2 * i] = low(a[i], a[i + kSide / 2], All{});
        b[2 * i + 1] = high(a[i], a[i + kSide / 2], All{});
      }
#pragma GCC unroll 16
      for (int i = 0; i < kSide; ++i) a[i] = b[i];
    }
#pragma GCC unroll 16
    for (int i = 0; i < kSide; ++i) *reinterpret_cast<Loose*>(y + i * y_stride) = a[i];
  }
};

template <typename T>
[[gnu::always_inline]] inline void plain(const T* x, T* y, int64_t rows, int64_t columns,
                                         int64_t x_stride, int64_t y_stride) noexcept {
  for (int64_t c = 0; c < columns; ++c)
    for (int64_t r = 0; r < rows; ++r) y[c * y_stride + r] = x[r * x_stride + c];
}

// Few dense rows or columns (planes of a picture): interleaving, which the compiler knows.
template <typename T, int kRows>
void merge(const T* x, T* y, int64_t columns, int64_t x_stride) noexcept {
  for (int64_t c = 0; c < columns; ++c)
    for (int r = 0; r < kRows; ++r) y[c * kRows + r] = x[r * x_stride + c];
}
template <typename T, int kColumns>
void split(const T* x, T* y, int64_t rows, int64_t y_stride) noexcept {
  for (int64_t r = 0; r < rows; ++r)
    for (int c = 0; c < kColumns; ++c) y[c * y_stride + r] = x[r * kColumns + c];
}

template <typename T>
void matrix(const void* from, void* to, int64_t rows, int64_t columns, int64_t x_stride,
            int64_t y_stride) noexcept {
  const T* x = static_cast<const T*>(from);
  T* y = static_cast<T*>(to);
  if (rows == 3 && y_stride == 3) return merge<T, 3>(x, y, columns, x_stride);
  if (rows == 4 && y_stride == 4) return merge<T, 4>(x, y, columns, x_stride);
  if (columns == 3 && x_stride == 3) return split<T, 3>(x, y, rows, y_stride);
  if (columns == 4 && x_stride == 4) return split<T, 4>(x, y, rows, y_stride);
  constexpr int64_t kSide = Block<T>::kSide;
  // Each visit uses up a cache line of every row of x.
  constexpr int64_t kLine = 64 / static_cast<int64_t>(sizeof(T));
  for (int64_t c0 = 0; c0 < columns; c0 += kLine) {
    const int64_t c1 = columns - c0 < kLine ? columns : c0 + kLine;
    int64_t r = 0;
    for (; r + kSide <= rows; r += kSide) {
      int64_t c = c0;
      for (; c + kSide <= c1; c += kSide)
        Block<T>::run(x + r * x_stride + c, y + c * y_stride + r, x_stride, y_stride);
      plain(x + r * x_stride + c, y + c * y_stride + r, kSide, c1 - c, x_stride, y_stride);
    }
    plain(x + r * x_stride + c0, y + c0 * y_stride + r, rows - r, c1 - c0, x_stride, y_stride);
  }
}

constexpr Table make_table(base::Isa isa) noexcept {
  return {isa, {matrix<uint8_t>, matrix<uint16_t>, matrix<uint32_t>, matrix<uint64_t>}};
}
