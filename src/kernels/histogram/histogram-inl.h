// The loops of histogram: bins are computed in pieces by vectors, then counted one by one. No
// include guard.

using Word [[gnu::may_alias]] = int32_t;

Extent extent(const float* x, int64_t n) noexcept {
  constexpr int64_t kLanes = 32;
  float lo[kLanes], hi[kLanes], check[kLanes];
  for (int64_t l = 0; l < kLanes; ++l) {
    lo[l] = hi[l] = x[0];
    check[l] = x[0] * 0.0f;
  }
  const auto look = [&](int64_t i, int64_t count) {
    for (int64_t l = 0; l < count; ++l) {
      const float v = x[i + l];
      lo[l] = v < lo[l] ? v : lo[l];
      hi[l] = v > hi[l] ? v : hi[l];
      check[l] += v * 0.0f;  // NaN once v is NaN or infinite
    }
  };
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) look(i, kLanes);
  look(i, n - i);
  Extent e{lo[0], hi[0], true};
  float sum = 0;
  for (int64_t l = 0; l < kLanes; ++l) {
    e.min = lo[l] < e.min ? lo[l] : e.min;
    e.max = hi[l] > e.max ? hi[l] : e.max;
    sum += check[l];
  }
  e.finite = sum == 0;
  return e;
}

typedef float Vector __attribute__((vector_size(kVectorBytes)));
typedef float Loose __attribute__((vector_size(kVectorBytes), aligned(4), may_alias));
constexpr int64_t kWide = kVectorBytes / 4;

struct Extremes {
  Vector lo, hi, check;  // check: NaN once a sum is NaN or infinite
};

// kCount vectors of columns side by side.
template <int64_t kCount>
inline void stripe(const float* x, int64_t rows, int64_t stride, double* sums,
                   Extremes& all) noexcept {
  Vector lo[kCount], hi[kCount], sum[kCount];
  for (int64_t k = 0; k < kCount; ++k) {
    lo[k] = hi[k] = *reinterpret_cast<const Loose*>(x + k * kWide);
    sum[k] = Vector{};
  }
  for (int64_t r = 0; r < rows; ++r, x += stride)
#pragma GCC unroll 4
    for (int64_t k = 0; k < kCount; ++k) {
      const Vector v = *reinterpret_cast<const Loose*>(x + k * kWide);
      lo[k] = v < lo[k] ? v : lo[k];
      hi[k] = v > hi[k] ? v : hi[k];
      sum[k] += v;
    }
  for (int64_t k = 0; k < kCount; ++k) {
    all.lo = lo[k] < all.lo ? lo[k] : all.lo;
    all.hi = hi[k] > all.hi ? hi[k] : all.hi;
    all.check += sum[k] * 0.0f;
    for (int64_t l = 0; l < kWide; ++l) sums[k * kWide + l] += double{sum[k][l]};
  }
}

Extent columns(const float* x, int64_t rows, int64_t columns, double* sums) noexcept {
  constexpr int64_t kStripe = 4;  // vectors: three times as many registers
  Extent e{x[0], x[0], true};
  Extremes all{Vector{} + x[0], Vector{} + x[0], Vector{}};
  float check = 0;
  for (int64_t r = 0; r < rows; r += kRows, x += kRows * columns) {
    const int64_t some = rows - r < kRows ? rows - r : kRows;
    int64_t c = 0;
    for (; c + kStripe * kWide <= columns; c += kStripe * kWide)
      stripe<kStripe>(x + c, some, columns, sums + c, all);
    for (; c + kWide <= columns; c += kWide) stripe<1>(x + c, some, columns, sums + c, all);
    for (; c < columns; ++c) {
      float sum = 0;
      for (int64_t i = 0; i < some; ++i) {
        const float v = x[i * columns + c];
        e.min = v < e.min ? v : e.min;
        e.max = v > e.max ? v : e.max;
        sum += v;
      }
      check += sum * 0.0f;
      sums[c] += double{sum};
    }
  }
  for (int64_t l = 0; l < kWide; ++l) {
    e.min = all.lo[l] < e.min ? all.lo[l] : e.min;
    e.max = all.hi[l] > e.max ? all.hi[l] : e.max;
    check += all.check[l];
  }
  e.finite = check == 0;
  return e;
}

void count(const float* x, int64_t n, const Bins& b) noexcept {
  constexpr int64_t kPiece = 512;
  static_assert(kPiece % kTables == 0);
  int32_t at[kPiece];
  const Word* bits = reinterpret_cast<const Word*>(x);
  const int32_t before = b.first - 1, bins = b.bins, beyond = 2 * b.bins;
  uint32_t* const table = b.counts;
  const int64_t size = beyond + 1;
  for (int64_t i = 0; i < n; i += kPiece) {
    const int64_t some = n - i < kPiece ? n - i : kPiece;
    for (int64_t j = 0; j < some; ++j) {
      const int32_t magnitude = bits[i + j] & 0x7fffffff;
      const int32_t step = (magnitude >> kShift) - before;
      const int32_t bin = step > 0 ? step : 0;
      const int32_t half = (bits[i + j] < 0) & (magnitude > 0) ? bins : 0;
      at[j] = bin < bins ? bin + half : beyond;
    }
    int64_t j = 0;
    for (; j + kTables <= some; j += kTables)
      for (int64_t t = 0; t < kTables; ++t) ++table[t * size + at[j + t]];
    for (; j < some; ++j) ++table[at[j]];
  }
}

constexpr Table make_table(base::Isa isa) noexcept {
  return {isa, extent, columns, count};
}
