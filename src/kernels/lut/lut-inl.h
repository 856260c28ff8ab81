// The loops of lut. No include guard.

inline void one_by_one(const uint8_t* entries, const uint8_t* x, uint8_t* y, int64_t n) noexcept {
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    uint64_t in, out = 0;
    __builtin_memcpy(&in, x + i, 8);
#pragma GCC unroll 8
    for (int k = 0; k < 8; ++k)
      out |= static_cast<uint64_t>(entries[in >> (8 * k) & 255]) << (8 * k);
    __builtin_memcpy(y + i, &out, 8);
  }
  for (; i < n; ++i) y[i] = entries[x[i]];
}

inline void floats(const float* entries, const uint8_t* x, float* y, int64_t n) noexcept {
  for (int64_t i = 0; i < n; ++i) y[i] = entries[x[i]];
}

constexpr Table make_table(base::Isa isa, Bytes bytes) noexcept { return {isa, bytes, floats}; }
