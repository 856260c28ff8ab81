#include "kernels/gemm_f32/tiles.h"

#include <algorithm>

#include "kernels/gemm_f32/panels.h"

namespace tersor::kernels::tiles {
namespace {

// Weights of more bytes come from beyond L2.
constexpr int64_t kNearWeights = 256 << 10;

Shape shape_of(const GemmF32Weights& w) noexcept {
  const int element = element_bytes(w.row->operands);
  return {.positions = w.positions,
          .k = w.k * element,
          .taps = w.taps,
          .n = w.n,
          .result = element,
          .panels = w.panels(),
          .mr = w.row->mr,
          .far = w.group_panels() * packed_panel_bytes(*w.row, w.positions, w.k) > kNearWeights,
          .clean = true};
}

// The same rows, of elements of one byte; `conv` keeps their shape.
RowSource in_bytes(RowSource a, int element, ConvShape& conv) noexcept {
  a.stride *= element;
  if (!a.conv) return a;
  conv = *a.conv;
  conv.c *= element;
  conv.pixel *= element;
  a.conv = &conv;
  return a;
}

}  // namespace

WorkSplit split(const GemmF32Weights& w, int64_t m, int threads) noexcept {
  return split(shape_of(w), m, threads);
}

size_t scratch_bytes(const GemmF32Weights& w) noexcept {
  return static_cast<size_t>(Rows::scratch_bytes(shape_of(w)));
}

void run(const GemmF32Weights& w, const GemmF32Call& call, Range m, Range columns,
         std::byte* scratch) noexcept {
  const Shape shape = shape_of(w);
  ConvShape conv;
  const RowSource source = in_bytes(call.a, element_bytes(w.row->operands), conv);
  const bool twice = !call.residual || call.residual != call.out;
  Rows rows(shape, source, m.end, w.row->tiles, false, twice, scratch);
  const int64_t nr = w.row->nr, each = w.group_panels();
  const int64_t inputs = source.conv ? conv.group_inputs() : shape.k;
  const int64_t panel_size = packed_panel_bytes(*w.row, w.positions, w.k);
  GemmF32Panel p{};
  GemmF32Tile& t = p.tile;
  t = panels::tile_of(w, call);
  w.row->tiles.open();
  for (int64_t p0 = columns.begin, p1; p0 < columns.end; p0 = p1) {
    const int64_t g = p0 / each;
    p1 = std::min(columns.end, (g + 1) * each);
    int64_t at_once = p1 - p0;
    for (int64_t part = p0; part < p1; part += at_once)
      for (int64_t m0 = m.begin, m1; m0 < m.end; m0 = m1) {
        m1 = rows.next(m0, g * inputs, p);
        at_once = std::min(at_once, panels_at_once(shape, m1 < m.end));
        const int64_t end = std::min(part + at_once, p1);
        const int64_t end_column = std::min(w.n, (end - g * each) * nr);
        for (int64_t panel = part; panel < end; panel += 2 * p.panel_pairs) {
          const int64_t column = (panel - g * each) * nr;
          t.b = w.data + panel * panel_size;
          panels::aim(w, call, m0, g, column, t);
          t.cols = pair_up(end_column - column, p);
          w.row->panel(p);
        }
      }
  }
  w.row->tiles.close();
}

}  // namespace tersor::kernels::tiles
