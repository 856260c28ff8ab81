#include "kernels/gemm_f32/gemm_f32.h"

#include <algorithm>

namespace tersor::kernels {

#define ROW(isa, mr, nr)                                              \
  namespace isa {                                                     \
  void gemm_f32_##mr##x##nr(const GemmF32Tile& t, int rows) noexcept; \
  }
#include "kernels/gemm_f32/rows.inc"
#undef ROW

namespace {

constexpr GemmF32Row kRows[] = {
#define ROW(isa, mr, nr) \
  {"gemm_f32_" #isa "_" #mr "x" #nr, base::Isa::isa, mr, nr, isa::gemm_f32_##mr##x##nr},
#include "kernels/gemm_f32/rows.inc"
#undef ROW
};

// Panels of about this many bytes are used for all rows before the next ones: they stay in L2.
constexpr int64_t kBlockBytes = 512 << 10;

}  // namespace

std::span<const GemmF32Row> gemm_f32_rows() noexcept { return kRows; }

const GemmF32Row& select_gemm_f32(const GemmF32Shape&, base::IsaSet isa) noexcept {
  const GemmF32Row* best = kRows;
  for (const GemmF32Row& row : kRows)
    if (isa.has(row.isa)) best = &row;
  return *best;
}

size_t packed_bytes(const GemmF32Row& row, const MatrixLayout& l) noexcept {
  const int64_t panels = l.groups * ((l.n + row.nr - 1) / row.nr);
  return static_cast<size_t>(panels * l.positions * l.k * row.nr) * sizeof(float);
}

void pack(const GemmF32Row& row, const MatrixLayout& l, const float* b, float* packed) noexcept {
  pack_panels(row, l, b, {0, l.groups * ((l.n + row.nr - 1) / row.nr)}, packed);
}

void pack_panels(const GemmF32Row& row, const MatrixLayout& l, const float* b, Range panels,
                 float* packed) noexcept {
  const int64_t nr = row.nr, group_panels = (l.n + nr - 1) / nr;
  for (int64_t panel = panels.begin; panel < panels.end; ++panel) {
    const int64_t g = panel / group_panels, n0 = panel % group_panels * nr;
    const int64_t cols = std::min(nr, l.n - n0);
    float* out = packed + panel * l.positions * l.k * nr;
    for (int64_t p = 0; p < l.positions; ++p) {
      const float* from = b + g * l.group_stride + p * l.position_stride + n0 * l.n_stride;
      for (int64_t k = 0; k < l.k; ++k, out += nr) {
        const float* line = from + k * l.k_stride;
        if (l.n_stride == 1)
          std::copy(line, line + cols, out);
        else
          for (int64_t n = 0; n < cols; ++n) out[n] = line[n * l.n_stride];
        std::fill(out + cols, out + nr, 0.0f);
      }
    }
  }
}

size_t scratch_bytes(const GemmF32Weights& w) noexcept {
  const int64_t mr = w.row->mr;
  return static_cast<size_t>(mr * w.positions) * sizeof(void*) + 64 +
         static_cast<size_t>(mr * w.positions) *
             copied_pitch(static_cast<size_t>(w.k) * sizeof(float));
}

void run(const GemmF32Weights& w, const GemmF32Call& call, Range m, Range panels,
         std::byte* scratch) noexcept {
  const int mr = w.row->mr;
  const int64_t nr = w.row->nr, panel_size = w.positions * w.k * nr;
  const int64_t group_panels = w.group_panels();
  const int64_t group_inputs = call.a.conv ? call.a.conv->group_inputs() : w.k;
  if (m.size() <= 0 || panels.size() <= 0) return;
  auto** pointers = reinterpret_cast<const void**>(scratch);
  std::byte* gather =
      scratch + (static_cast<size_t>(mr * w.positions) * sizeof(void*) + 63) / 64 * 64;
  const int64_t tiles = (m.size() + mr - 1) / mr;
  const int64_t block = std::max<int64_t>(
      1, kBlockBytes / std::max<int64_t>(1, panel_size * static_cast<int64_t>(sizeof(float))));

  GemmF32Tile t;
  t.positions = w.positions;
  t.k = w.k;
  t.out_stride = call.out_stride;
  t.residual_stride = call.residual_stride;
  t.min = call.min;
  t.max = call.max;
  t.a = reinterpret_cast<const float* const*>(pointers);
  for (int64_t p0 = panels.begin, p1; p0 < panels.end; p0 = p1) {
    const int64_t g = p0 / group_panels;
    p1 = std::min({p0 + block, panels.end, (g + 1) * group_panels});
    for (int64_t i = 0; i < tiles; ++i) {
      // Rows spread evenly: no last tile of one row.
      const int64_t m0 = m.begin + m.size() * i / tiles, m1 = m.begin + m.size() * (i + 1) / tiles;
      const int rows = static_cast<int>(m1 - m0);
      fill_rows(call.a, m0, rows, mr, sizeof(float), g * group_inputs, pointers, gather);
      if (!call.a.im2col)
        spread_rows(pointers, rows, mr, w.positions, static_cast<size_t>(w.k) * sizeof(float),
                    p1 - p0, gather);
      for (int64_t panel = p0; panel < p1; ++panel) {
        const int64_t n = (panel - g * group_panels) * nr, column = g * w.n + n;
        t.b = w.data + panel * panel_size;
        t.cols = static_cast<int>(std::min(nr, w.n - n));
        t.out = call.out + m0 * call.out_stride + column;
        t.bias = call.bias ? call.bias + column : nullptr;
        t.residual = call.residual ? call.residual + m0 * call.residual_stride + column : nullptr;
        if (m1 < m.end)
          prefetch_rows(call.a, m1, static_cast<int>(std::min<int64_t>(rows, m.end - m1)),
                        sizeof(float), g * group_inputs, static_cast<size_t>(w.k) * sizeof(float),
                        panel - p0, p1 - p0);
        w.row->tile(t, rows);
      }
    }
  }
}

}  // namespace tersor::kernels
