#include "kernels/gemm_u8s8/tiles.h"

#include <algorithm>

#include "kernels/gemm_u8s8/panels.h"

namespace tersor::kernels::tiles {
namespace {

Shape shape_of(const GemmU8S8Weights& w) noexcept {
  return {.positions = w.positions,
          .k = w.k,
          .taps = w.taps,
          .n = w.n,
          .result = 1,
          .panels = w.panels(),
          .mr = w.row->mr,
          .far = panels::far_weights(w),
          .clean = false};
}

}  // namespace

WorkSplit split(const GemmU8S8Weights& w, int64_t m, int threads) noexcept {
  return split(shape_of(w), m, threads);
}

size_t scratch_bytes(const GemmU8S8Weights& w) noexcept {
  const Shape shape = shape_of(w);
  Parts parts{nullptr};
  parts.take<int32_t>(Rows::block(shape));
  return static_cast<size_t>(parts.at + Rows::scratch_bytes(shape));
}

void run(const GemmU8S8Weights& w, const GemmU8S8Call& call, Range m, Range columns,
         std::byte* scratch) noexcept {
  const Shape shape = shape_of(w);
  const bool sums = call.epilogue.b_zero != nullptr;
  Parts parts{scratch};
  auto* row_sums = parts.take<int32_t>(Rows::block(shape));
  const bool twice = !call.epilogue.residual || call.epilogue.residual != call.out;
  Rows rows(shape, call.a, m.end, w.row->tiles, sums, twice, scratch + parts.at);
  GemmU8S8Panel p = panels::panel_of(call, row_sums);
  w.row->tiles.open();
  panels::each_group(w, call, columns, [&](Range some, int64_t offset) {
    const int64_t first = some.begin / w.group_panels() * w.group_panels(), nr = w.row->nr;
    int64_t at_once = some.size();
    for (int64_t part = some.begin; part < some.end; part += at_once)
      for (int64_t m0 = m.begin, m1; m0 < m.end; m0 = m1) {
        m1 = rows.next(m0, offset, p);
        at_once = std::min(at_once, panels_at_once(shape, m1 < m.end));
        if (sums) {
          const TilesCopy& c = rows.copied();
          panels::sum_rows(c.positions, c.k, c.a, c.rows, call.a_signed, call.a_signed ? -128 : 0,
                           static_cast<int>(c.rows), row_sums);
        }
        const int64_t end = std::min(part + at_once, some.end);
        const int64_t end_column = std::min(w.n, (end - first) * nr);
        for (int64_t panel = part; panel < end; panel += 2 * p.panel_pairs) {
          p.tile.b = panels::aim(w, call, m0, panel, some.end, p);
          p.tile.cols = pair_up(end_column - (panel - first) * nr, p);
          w.row->panel(p);
        }
      }
  });
  w.row->tiles.close();
}

}  // namespace tersor::kernels::tiles
