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
  Rows rows(shape, source, m.end, w.row->tiles, false, scratch);
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
    const int64_t last_column = std::min(w.n, (p1 - g * each) * nr);
    for (int64_t m0 = m.begin, m1; m0 < m.end; m0 = m1) {
      m1 = rows.next(m0, g * inputs, p);
      // As for bytes (gemm_u8s8/tiles.cc).
      p.by_rows = !shape.far && p.lines <= 1;
      for (int64_t panel = p0; panel < p1; panel += 2 * p.panel_pairs) {
        const int64_t column = (panel - g * each) * nr;
        t.b = w.data + panel * panel_size;
        panels::aim(w, call, m0, g, column, t);
        t.cols = pair_up(last_column - column, p);
        w.row->panel(p);
      }
    }
  }
  w.row->tiles.close();
}

}  // namespace tersor::kernels::tiles
