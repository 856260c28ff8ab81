// A panel times many rows, tile by tile, whatever the way of summing: the forms `fours` and
// `magnitudes`. After gemm_u8s8-inl.h, which see. A way of summing `How` has
//   start(panel, bias)        changes what the sums begin with
//   sum(panel, m, bias, acc)  sums of kRows rows from row m on, the first of a tile

template <typename S, typename How, int kMr, int kVecs, int kUsed, int kRows, GemmOutput kKind>
[[gnu::always_inline]] inline void panel_tile(const GemmU8S8Panel& p, int64_t m,
                                              const typename S::s32 (&bias)[kUsed]) noexcept {
  typename S::s32 acc[kRows][kUsed];
  How::template sum<S, kMr, kVecs, kUsed, kRows>(p, m, bias, acc);
  const GemmU8S8Epilogue& e = *p.tile.epilogue;
  GemmU8S8Tile t = p.tile;
  constexpr int kElement = kKind == GemmOutput::u8 || kKind == GemmOutput::s8 ? 1 : 4;
  const int element = kKind == GemmOutput::s32 ? element_bytes(e.kind) : kElement;
  t.out = static_cast<std::byte*>(t.out) + m * t.out_stride * element;
  if constexpr (kKind == GemmOutput::s32) {
    alignas(64) int32_t sums[kRows * kUsed * S::kLanes];
    deliver<S, kUsed, kRows, kKind>(t, acc, sums);
    if (t.row_sums) t.row_sums += m;
    if (t.residual) t.residual += m * e.residual_stride;
    finish<S, kUsed>(t, kRows, sums);
  } else {
    deliver<S, kUsed, kRows, kKind>(t, acc, nullptr);
  }
}

template <typename S, typename How, int kMr, int kVecs, int kUsed, GemmOutput kKind,
          size_t... kRest>
void panel_rows(const GemmU8S8Panel& given, std::index_sequence<kRest...>) noexcept {
  // Own copies, which what is stored cannot change: everything is loaded once.
  GemmU8S8Panel p = given;
  const GemmU8S8Epilogue e = *p.tile.epilogue;
  p.tile.epilogue = &e;
  typename S::s32 bias[kUsed];
#pragma GCC unroll 8
  for (int v = 0; v < kUsed; ++v) bias[v] = bias_of<S>(p.tile, v);
  How::template start<S, kUsed>(p, bias);
  int64_t m = 0;
  const int8_t *next = p.next, *end = next + p.next_bytes;
  const int64_t share = (p.next_bytes * kMr / p.rows + 63) / 64 * 64;  // of a tile
  for (; m + kMr <= p.rows; m += kMr) {
    // The hardware fetches ahead within a page only.
    for (const int8_t* upto = next + share; next < upto && next < end; next += 64)
      __builtin_prefetch(next, 0, 2);
    panel_tile<S, How, kMr, kVecs, kUsed, kMr, kKind>(p, m, bias);
  }
  const int64_t left = p.rows - m;
  ((left == kRest + 1 ? panel_tile<S, How, kMr, kVecs, kUsed, kRest + 1, kKind>(p, m, bias)
                      : void()),
   ...);
}

template <typename S, typename How, int kMr, int kVecs, int kUsed>
void panel_kinds(const GemmU8S8Panel& p) noexcept {
  constexpr std::make_index_sequence<kMr - 1> kRest;
  switch (from_registers<S, kUsed>(p.tile)) {
    case GemmOutput::u8:
      return panel_rows<S, How, kMr, kVecs, kUsed, GemmOutput::u8>(p, kRest);
    case GemmOutput::s8:
      return panel_rows<S, How, kMr, kVecs, kUsed, GemmOutput::s8>(p, kRest);
    case GemmOutput::f32:
      return panel_rows<S, How, kMr, kVecs, kUsed, GemmOutput::f32>(p, kRest);
    case GemmOutput::s32:
      return panel_rows<S, How, kMr, kVecs, kUsed, GemmOutput::s32>(p, kRest);
  }
}

// Of panels two vectors wide.
template <typename S, int kMr, typename How>
void any_panel(const GemmU8S8Panel& p) noexcept {
  if (p.tile.cols <= S::kLanes)
    panel_kinds<S, How, kMr, 2, 1>(p);
  else
    panel_kinds<S, How, kMr, 2, 2>(p);
}
