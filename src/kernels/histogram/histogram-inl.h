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

constexpr Table make_table(base::Isa isa) noexcept { return {isa, extent, count}; }
