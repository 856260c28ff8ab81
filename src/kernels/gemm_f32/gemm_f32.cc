#include "kernels/gemm_f32/gemm_f32.h"

#include <algorithm>
#include <type_traits>

#include "kernels/gemm_f32/panels.h"
#include "kernels/gemm_f32/tiles.h"

namespace tersor::kernels {

#define ROW(operands, isa, mr, nr)                                             \
  namespace isa {                                                              \
  void gemm_##operands##_##mr##x##nr(const GemmF32Tile& t, int rows) noexcept; \
  }
#define TILES(operands, isa, mr, nr)                                        \
  namespace isa {                                                           \
  void gemm_##operands##_open() noexcept;                                   \
  void gemm_##operands##_close() noexcept;                                  \
  void gemm_##operands##_copy(const TilesCopy& c) noexcept;                 \
  void gemm_##operands##_tiles_##mr##x##nr(const GemmF32Panel& p) noexcept; \
  }
#include "kernels/gemm_f32/rows.inc"
#undef ROW
#undef TILES

namespace {

constexpr GemmF32Row kRows[] = {
#define ROW(operands, isa, mr, nr)                                         \
  {"gemm_" #operands "_" #isa "_" #mr "x" #nr, base::Isa::isa,     mr, nr, \
   isa::gemm_##operands##_##mr##x##nr,         FloatType::operands},
#define TILES(operands, isa, mr, nr)                 \
  {"gemm_" #operands "_" #isa "_tiles_" #mr "x" #nr, \
   base::Isa::isa,                                   \
   mr,                                               \
   nr,                                               \
   nullptr,                                          \
   FloatType::operands,                              \
   isa::gemm_##operands##_tiles_##mr##x##nr,         \
   {isa::gemm_##operands##_copy, isa::gemm_##operands##_open, isa::gemm_##operands##_close}},
#include "kernels/gemm_f32/rows.inc"
#undef ROW
#undef TILES
};

// Panels of about this many bytes are used for all rows before the next ones: they stay in L2.
constexpr int64_t kBlockBytes = 512 << 10;

// So many bytes of A that was just written are expected in L2.
constexpr int64_t kNearBytes = 256 << 10;

size_t align(size_t n) noexcept { return (n + 63) / 64 * 64; }

float value(float x) noexcept { return x; }
template <typename Half>
float value(Half x) noexcept {
  return simd::to_float(x);
}
void put(float x, float& to) noexcept { to = x; }
void put(float x, simd::bfloat16& to) noexcept { simd::narrow(x, to); }

// One panel, from its first element; kDepth lines of k interleaved.
template <int kDepth, typename To, typename From>
void pack_panel(const GemmF32Row& row, const MatrixLayout& l, const From* b, int64_t cols,
                To* packed) noexcept {
  const int64_t nr = row.nr, size = packed_panel_bytes(row, l.packed_positions(), l.packed_k()) /
                                    static_cast<int64_t>(sizeof(To));
  if (cols < nr || size != l.positions * l.k * nr) std::fill(packed, packed + size, To{});
  const int64_t apart = l.flatten || row.by_tiles() ? l.k : row.padded(l.k);
  for (int64_t p = 0; p < l.positions; ++p)
    for (int64_t i = 0; i < l.k; ++i) {
      const int64_t at = p * apart + i;
      To* to = packed + at / kDepth * nr * kDepth + at % kDepth;
      const From* from = b + p * l.position_stride + i * l.k_stride;
      if constexpr (kDepth == 1 && std::is_same_v<From, To>)
        if (l.n_stride == 1) {
          std::copy(from, from + cols, to);
          continue;
        }
      for (int64_t n = 0; n < cols; ++n) put(value(from[n * l.n_stride]), to[n * kDepth]);
    }
}

// Scratch of a call, in this order, each part aligned.
struct Scratch {
  const void** pointers;  // [positions][mr]
  std::byte* gather;      // rows of im2col, then copies
  std::byte* rows;        // widened
  size_t bytes;

  Scratch(const GemmF32Weights& w, const GemmF32Call& call, std::byte* memory) noexcept {
    const auto lines = static_cast<size_t>(w.row->mr * w.positions);
    const size_t row = copied_pitch(static_cast<size_t>(w.k) * sizeof(float));
    size_t at = 0;
    const auto take = [&](size_t size) {
      std::byte* part = memory ? memory + at : nullptr;
      at += align(size);
      return part;
    };
    pointers = reinterpret_cast<const void**>(take(lines * sizeof(void*)));
    gather = take(lines * row);
    rows = take(call.a_type != w.row->operands ? lines * row : 0);
    bytes = at;
  }
};

// The rows of a tile, widened: at once if they lie one behind the other, and need not be spread.
void widen_rows(const GemmF32Weights& w, FloatType type, int rows, const Scratch& s,
                const halves::Table& table) noexcept {
  const int mr = w.row->mr;
  const auto at = [&](int64_t p, int i) {
    return static_cast<const std::byte*>(s.pointers[p * mr + i]);
  };
  const bool dense = w.positions == 1 && w.k % 512 != 0 &&
                     at(0, rows - 1) == at(0, 0) + (rows - 1) * w.k * element_bytes(type);
  const size_t row = static_cast<size_t>(w.k) * sizeof(float);
  const size_t pitch = dense ? row : copied_pitch(row);
  if (dense) table.widen(type, s.pointers[0], reinterpret_cast<float*>(s.rows), rows * w.k);
  std::byte* to = s.rows;
  for (int64_t p = 0; p < w.positions; ++p)
    for (int i = 0; i < rows; ++i, to += pitch) {
      if (!dense) table.widen(type, at(p, i), reinterpret_cast<float*>(to), w.k);
      s.pointers[p * mr + i] = to;
    }
}

}  // namespace

std::span<const GemmF32Row> gemm_f32_rows() noexcept { return kRows; }

const GemmF32Row& select_gemm_f32(const GemmF32Shape& shape, base::IsaSet isa) noexcept {
  const GemmF32Row* best = kRows;
  for (const GemmF32Row& row : kRows) {
    if (row.by_tiles() && !tiles::pays(shape.layout)) continue;
    // Processors with AMX start one vdpbf16ps where they start two FMA: no faster than float32, for
    // which 3x3 convolutions need fewer products.
    if (row.isa == base::Isa::avx512bf16 && isa.has(base::Isa::amx)) continue;
    if (isa.has(row.isa) && (row.operands == FloatType::f32 || row.operands == shape.type))
      best = &row;
  }
  return *best;
}

WorkSplit split_work(const GemmF32Weights& w, int64_t m, int threads) noexcept {
  if (w.row->by_tiles()) return tiles::split(w, m, threads);
  return split_work(m, w.panels(), w.row->mr, threads);
}

int64_t packed_panel_bytes(const GemmF32Row& row, int64_t positions, int64_t k) noexcept {
  const int64_t element = element_bytes(row.operands);
  if (row.by_tiles()) return tiles::row_bytes(positions, k * element) * row.nr;
  return positions * row.padded(k) * row.nr * element;
}

size_t packed_bytes(const GemmF32Row& row, const MatrixLayout& l) noexcept {
  const int64_t panels = l.groups * ((l.n + row.nr - 1) / row.nr);
  return static_cast<size_t>(panels * packed_panel_bytes(row, l.packed_positions(), l.packed_k()));
}

void pack(const GemmF32Row& row, const MatrixLayout& l, const void* b, FloatType type,
          std::byte* packed) noexcept {
  pack_panels(row, l, b, type, {0, l.groups * ((l.n + row.nr - 1) / row.nr)}, packed);
}

void pack_panels(const GemmF32Row& row, const MatrixLayout& l, const void* b, FloatType type,
                 Range panels, std::byte* packed) noexcept {
  const int64_t nr = row.nr, group_panels = (l.n + nr - 1) / nr;
  const int64_t size = packed_panel_bytes(row, l.packed_positions(), l.packed_k());
  for (int64_t panel = panels.begin; panel < panels.end; ++panel) {
    const int64_t g = panel / group_panels, n0 = panel % group_panels * nr;
    const int64_t cols = std::min(nr, l.n - n0), first = g * l.group_stride + n0 * l.n_stride;
    std::byte* to = packed + panel * size;
    with_elements(type, b, [&](const auto* from) {
      if (row.operands == FloatType::f32)
        pack_panel<1>(row, l, from + first, cols, reinterpret_cast<float*>(to));
      else
        pack_panel<2>(row, l, from + first, cols, reinterpret_cast<simd::bfloat16*>(to));
    });
  }
}

size_t scratch_bytes(const GemmF32Weights& w, const GemmF32Call& call) noexcept {
  if (w.row->by_tiles()) return tiles::scratch_bytes(w);
  return Scratch(w, call, nullptr).bytes;
}

void run(const GemmF32Weights& w, const GemmF32Call& call, Range m, Range panels,
         std::byte* scratch) noexcept {
  if (m.size() <= 0 || panels.size() <= 0) return;
  if (w.row->by_tiles()) return tiles::run(w, call, m, panels, scratch);
  const int mr = w.row->mr;
  const int64_t nr = w.row->nr, panel_size = packed_panel_bytes(*w.row, w.positions, w.k);
  const int64_t group_panels = w.group_panels();
  const int64_t group_inputs = call.a.conv ? call.a.conv->group_inputs() : w.k;
  const int a_element = element_bytes(call.a_type);
  const halves::Table& table = halves::table(base::up_to(w.row->isa));
  const Scratch s(w, call, scratch);
  const int64_t tiles = (m.size() + mr - 1) / mr;
  const int64_t block = std::max<int64_t>(1, kBlockBytes / std::max<int64_t>(1, panel_size));
  const bool near = m.size() * w.k * a_element <= kNearBytes;

  GemmF32Tile t = panels::tile_of(w, call);
  t.a = s.pointers;
  for (int64_t p0 = panels.begin, p1; p0 < panels.end; p0 = p1) {
    const int64_t g = p0 / group_panels;
    p1 = std::min({p0 + block, panels.end, (g + 1) * group_panels});
    for (int64_t i = 0; i < tiles; ++i) {
      // Rows spread evenly: no last tile of one row.
      const int64_t m0 = m.begin + m.size() * i / tiles, m1 = m.begin + m.size() * (i + 1) / tiles;
      const int rows = static_cast<int>(m1 - m0);
      fill_rows(call.a, m0, rows, mr, a_element, g * group_inputs, s.pointers, s.gather);
      if (w.row->operands != call.a_type)
        widen_rows(w, call.a_type, rows, s, table);
      else if (!call.a.im2col)
        spread_rows(s.pointers, rows, mr, w.positions, static_cast<size_t>(w.k * a_element),
                    p1 - p0, s.gather);
      for (int64_t panel = p0; panel < p1; ++panel) {
        t.b = w.data + panel * panel_size;
        panels::aim(w, call, m0, g, (panel - g * group_panels) * nr, t);
        if (m1 < m.end && !near)
          prefetch_rows(call.a, m1, static_cast<int>(std::min<int64_t>(rows, m.end - m1)),
                        a_element, g * group_inputs, static_cast<size_t>(w.k * a_element),
                        panel - p0, p1 - p0);
        w.row->tile(t, rows);
      }
    }
  }
}

}  // namespace tersor::kernels
