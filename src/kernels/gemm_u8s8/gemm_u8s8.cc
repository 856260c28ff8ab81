#include "kernels/gemm_u8s8/gemm_u8s8.h"

#include <algorithm>

#include "kernels/gemm_u8s8/fours.h"
#include "kernels/gemm_u8s8/magnitudes.h"
#include "kernels/gemm_u8s8/panels.h"
#include "kernels/gemm_u8s8/tiles.h"

namespace tersor::kernels {

#define ROW(isa, mr, nr)                                                \
  namespace isa {                                                       \
  void gemm_u8s8_##mr##x##nr(const GemmU8S8Tile& t, int rows) noexcept; \
  }
#define FOURS(isa, mr, nr)                                           \
  namespace isa {                                                    \
  void gemm_u8s8_fours_##mr##x##nr(const GemmU8S8Panel& p) noexcept; \
  }
#define MAGNITUDES(isa, mr, nr)                                           \
  namespace isa {                                                         \
  void gemm_u8s8_prepare_##mr##x##nr(const GemmU8S8Rows& r) noexcept;     \
  void gemm_u8s8_magnitudes_##mr##x##nr(const GemmU8S8Panel& p) noexcept; \
  }
#define TILES(isa, mr, nr)                                           \
  namespace isa {                                                    \
  void gemm_u8s8_open() noexcept;                                    \
  void gemm_u8s8_close() noexcept;                                   \
  void gemm_u8s8_copy(const TilesCopy& c) noexcept;                  \
  void gemm_u8s8_tiles_##mr##x##nr(const GemmU8S8Panel& p) noexcept; \
  }
#include "kernels/gemm_u8s8/rows.inc"
#undef ROW
#undef FOURS
#undef MAGNITUDES
#undef TILES

namespace {

constexpr GemmU8S8Row kRows[] = {
#define ROW(isa, mr, nr)                                                           \
  {"gemm_u8s8_" #isa "_" #mr "x" #nr, base::Isa::isa, GemmU8S8Form::quads, mr, nr, \
   isa::gemm_u8s8_##mr##x##nr},
#define FOURS(isa, mr, nr)                                                                        \
  {"gemm_u8s8_" #isa "_fours_" #mr "x" #nr, base::Isa::isa, GemmU8S8Form::fours, mr, nr, nullptr, \
   isa::gemm_u8s8_fours_##mr##x##nr},
#define MAGNITUDES(isa, mr, nr)                  \
  {"gemm_u8s8_" #isa "_magnitudes_" #mr "x" #nr, \
   base::Isa::isa,                               \
   GemmU8S8Form::magnitudes,                     \
   mr,                                           \
   nr,                                           \
   nullptr,                                      \
   isa::gemm_u8s8_magnitudes_##mr##x##nr,        \
   isa::gemm_u8s8_prepare_##mr##x##nr},
#define TILES(isa, mr, nr)                  \
  {"gemm_u8s8_" #isa "_tiles_" #mr "x" #nr, \
   base::Isa::isa,                          \
   GemmU8S8Form::tiles,                     \
   mr,                                      \
   nr,                                      \
   nullptr,                                 \
   isa::gemm_u8s8_tiles_##mr##x##nr,        \
   nullptr,                                 \
   {isa::gemm_u8s8_copy, isa::gemm_u8s8_open, isa::gemm_u8s8_close}},
#include "kernels/gemm_u8s8/rows.inc"
#undef ROW
#undef FOURS
#undef MAGNITUDES
#undef TILES
};

// Panels of about this many bytes are used for all rows before the next ones: they stay in L2.
constexpr int64_t kBlockBytes = 256 << 10;

// So many bytes of A that was just written are expected in L2.
constexpr int64_t kNearBytes = 256 << 10;

int64_t quads(int64_t k) noexcept { return (k + 3) / 4; }

struct Scratch {
  const void** pointers;
  int32_t* row_sums;
  std::byte* gather;
};

size_t align(size_t n) noexcept { return (n + 63) / 64 * 64; }

Scratch cut(const GemmU8S8Weights& w, std::byte* scratch) noexcept {
  const size_t mr = static_cast<size_t>(w.row->mr);
  const size_t pointers = align(mr * static_cast<size_t>(w.positions) * sizeof(void*));
  const size_t sums = align(mr * sizeof(int32_t));
  return {reinterpret_cast<const void**>(scratch), reinterpret_cast<int32_t*>(scratch + pointers),
          scratch + pointers + sums};
}

}  // namespace

int64_t packed_panel_bytes(const GemmU8S8Row& row, int64_t positions, int64_t k) noexcept {
  switch (row.form) {
    case GemmU8S8Form::magnitudes:
      return magnitudes::panel_bytes(row, positions, k);
    case GemmU8S8Form::fours:
      return fours::panel_bytes(row, positions, k);
    case GemmU8S8Form::tiles:
      return tiles::row_bytes(positions, k) * row.nr;
    case GemmU8S8Form::quads:
      break;
  }
  return positions * quads(k) * row.nr * 4;
}

std::span<const GemmU8S8Row> gemm_u8s8_rows() noexcept { return kRows; }

const GemmU8S8Row& select_gemm_u8s8(const GemmU8S8Shape& shape, base::IsaSet isa) noexcept {
  const GemmU8S8Row* best = kRows;
  for (const GemmU8S8Row& row : kRows) {
    if (row.form == GemmU8S8Form::tiles && !tiles::pays(shape.layout)) continue;
    const bool fits = row.form == GemmU8S8Form::quads || row.form == GemmU8S8Form::tiles ||
                      (shape.constant && (row.form == GemmU8S8Form::fours) == shape.fours);
    if (isa.has(row.isa) && fits) best = &row;
  }
  return *best;
}

const GemmU8S8Row& select_gemm_u8s8(GemmU8S8Shape shape, const void* b, bool b_signed,
                                    base::IsaSet isa) noexcept {
  shape.fours = true;
  const GemmU8S8Row& row = select_gemm_u8s8(shape, isa);
  if (row.form != GemmU8S8Form::fours || adds_in_fours(shape.layout, b, b_signed)) return row;
  shape.fours = false;
  return select_gemm_u8s8(shape, isa);
}

WorkSplit split_work(const GemmU8S8Weights& w, int64_t m, int threads) noexcept {
  if (w.row->form == GemmU8S8Form::tiles) return tiles::split(w, m, threads);
  return split_work(m, w.panels(), w.row->mr, threads);
}

size_t packed_bytes(const GemmU8S8Row& row, const MatrixLayout& l) noexcept {
  const int64_t panels = l.groups * ((l.n + row.nr - 1) / row.nr);
  return static_cast<size_t>(panels * packed_panel_bytes(row, l.packed_positions(), l.packed_k()));
}

bool fold_zero_points(const GemmU8S8Weights& w, const int32_t* column_sums, bool a_signed,
                      int32_t za, const int32_t* zw, int64_t zw_count, const int32_t* bias,
                      int32_t* folded, int32_t* b_zero) noexcept {
  const bool as_it_is = w.row->form == GemmU8S8Form::tiles;
  const int flip = as_it_is ? 0 : (a_signed ? 128 : 0) - (w.row->magnitudes() ? 128 : 0);
  const auto a_zero = static_cast<uint32_t>(za + flip);
  const auto products = static_cast<uint32_t>(w.positions * w.k);
  bool any = false;
  for (int64_t n = 0; n < w.groups * w.n; ++n) {
    const int32_t given = zw_count == 0 ? 0 : zw[zw_count == 1 ? 0 : n];
    const int32_t zero = given - (w.b_signed ? 0 : 128);
    const uint32_t sum = static_cast<uint32_t>(bias ? bias[n] : 0) -
                         a_zero * static_cast<uint32_t>(column_sums[n]) +
                         products * a_zero * static_cast<uint32_t>(zero);
    folded[n] = static_cast<int32_t>(sum);
    if (b_zero) b_zero[n] = zero;
    any = any || zero != 0;
  }
  return any;
}

size_t scratch_bytes(const GemmU8S8Weights& w) noexcept {
  if (w.row->magnitudes()) return magnitudes::scratch_bytes(w);
  if (w.row->form == GemmU8S8Form::fours) return fours::scratch_bytes(w);
  if (w.row->form == GemmU8S8Form::tiles) return tiles::scratch_bytes(w);
  const size_t mr = static_cast<size_t>(w.row->mr);
  return align(mr * static_cast<size_t>(w.positions) * sizeof(void*)) +
         align(mr * sizeof(int32_t)) +
         mr * static_cast<size_t>(w.positions) * copied_pitch(static_cast<size_t>(w.k));
}

void run(const GemmU8S8Weights& w, const GemmU8S8Call& call, Range m, Range panels,
         std::byte* scratch) noexcept {
  if (m.size() <= 0 || panels.size() <= 0) return;
  if (w.row->magnitudes()) return magnitudes::run(w, call, m, panels, scratch);
  if (w.row->form == GemmU8S8Form::fours) return fours::run(w, call, m, panels, scratch);
  if (w.row->form == GemmU8S8Form::tiles) return tiles::run(w, call, m, panels, scratch);
  const int mr = w.row->mr;
  const int64_t nr = w.row->nr, panel_size = packed_panel_bytes(*w.row, w.positions, w.k);
  const int64_t group_panels = w.group_panels();
  const int64_t group_inputs = call.a.conv ? call.a.conv->group_inputs() : w.k;
  const Scratch s = cut(w, scratch);
  const int64_t tiles = (m.size() + mr - 1) / mr;
  const int64_t block = std::max<int64_t>(1, kBlockBytes / std::max<int64_t>(1, panel_size));
  const GemmU8S8Epilogue& e = call.epilogue;
  const bool near = m.size() * w.k <= kNearBytes;

  GemmU8S8Tile t{};
  t.a = reinterpret_cast<const uint8_t* const*>(s.pointers);
  t.positions = w.positions;
  t.k = w.k;
  t.a_signed = call.a_signed;
  t.out_stride = call.out_stride;
  t.row_sums = e.b_zero ? s.row_sums : nullptr;
  t.epilogue = &e;
  for (int64_t p0 = panels.begin, p1; p0 < panels.end; p0 = p1) {
    const int64_t g = p0 / group_panels;
    p1 = std::min({p0 + block, panels.end, (g + 1) * group_panels});
    for (int64_t i = 0; i < tiles; ++i) {
      // Rows spread evenly: no last tile of one row.
      const int64_t m0 = m.begin + m.size() * i / tiles, m1 = m.begin + m.size() * (i + 1) / tiles;
      const int rows = static_cast<int>(m1 - m0);
      fill_rows(call.a, m0, rows, mr, 1, g * group_inputs, s.pointers, s.gather);
      if (!call.a.im2col)
        spread_rows(s.pointers, rows, mr, w.positions, static_cast<size_t>(w.k), p1 - p0, s.gather);
      if (e.b_zero) panels::sum_rows(w.positions, w.k, t.a, mr, call.a_signed, 0, rows, s.row_sums);
      for (int64_t panel = p0; panel < p1; ++panel) {
        const int64_t n = (panel - g * group_panels) * nr;
        t.n0 = g * w.n + n;
        t.b = w.data + panel * panel_size;
        t.cols = static_cast<int>(std::min(nr, w.n - n));
        t.out = static_cast<std::byte*>(call.out) +
                (m0 * call.out_stride + t.n0) * element_bytes(e.kind);
        t.residual = e.residual ? e.residual + m0 * e.residual_stride + t.n0 : nullptr;
        if (m1 < m.end && !near)
          prefetch_rows(call.a, m1, static_cast<int>(std::min<int64_t>(rows, m.end - m1)), 1,
                        g * group_inputs, static_cast<size_t>(w.k), panel - p0, p1 - p0);
        w.row->tile(t, rows);
      }
    }
  }
}

}  // namespace tersor::kernels
