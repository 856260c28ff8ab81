#include "kernels/winograd_f32/winograd_f32.h"

#include <algorithm>

#include "kernels/winograd/tile_pixels.h"

namespace tersor::kernels {

#define ROW(isa, mr, nr)                                                              \
  namespace isa {                                                                     \
  void winograd_f32_transform_##mr##x##nr(const WinogradF32Block& b) noexcept;        \
  void winograd_f32_panel_##mr##x##nr(const WinogradF32Block& b, int64_t p) noexcept; \
  }
#include "kernels/winograd_f32/rows.inc"
#undef ROW

namespace {

constexpr WinogradF32Row kRows[] = {
#define ROW(isa, mr, nr)                    \
  {"winograd_f32_" #isa "_" #mr "x" #nr,    \
   base::Isa::isa,                          \
   mr,                                      \
   nr,                                      \
   isa::winograd_f32_transform_##mr##x##nr, \
   isa::winograd_f32_panel_##mr##x##nr},
#include "kernels/winograd_f32/rows.inc"
#undef ROW
};

// Transformed weights of a sixth of a line are to stay in L1. Pixels and products of a block are
// read line by line, far ahead: better many tiles, for which weights are transformed once.
constexpr int64_t kChunkBytes = 96 << 10;
constexpr int64_t kBlockBytes = 4096 << 10;

int64_t chunk_channels(const WinogradF32Weights& w) noexcept {
  return std::clamp<int64_t>(kChunkBytes / (24 * w.row->nr), 1, std::max<int64_t>(w.c, 1));
}

int64_t block_tiles(const WinogradF32Weights& w, int64_t tiles) noexcept {
  const int64_t each = 36 * 4 * (w.c + w.row->nr);
  return block_of(tiles, kBlockBytes / each, w.row->mr);
}

// Elements of the parts of a block, multiples of a line of the cache.
int64_t part(int64_t lines, int64_t each) noexcept {
  return (lines * (each + WinogradF32Block::kGap) + 15) / 16 * 16;
}

}  // namespace

std::span<const WinogradF32Row> winograd_f32_rows() noexcept { return kRows; }

bool winograd_f32_fits(const ConvShape& s) noexcept { return is_plain_3x3(s); }

int64_t WinogradF32Weights::tiles(const ConvShape& s) noexcept { return TileAt<4>::count(s); }

const WinogradF32Row* select_winograd_f32(const ConvShape& s, base::IsaSet isa) noexcept {
  if (!winograd_f32_fits(s) || s.c < 16 || s.oc < 16 || s.oh < 1 || s.ow < 1) return nullptr;
  const WinogradF32Row* row = kRows;
  for (const WinogradF32Row& r : kRows)
    if (isa.has(r.isa)) row = &r;
  // Costs in products of the direct convolution, as measured.
  const WinogradF32Weights w{row, nullptr, s.c, s.oc};
  const int64_t tiles = TileAt<4>::count(s), blocks = (tiles - 1) / block_tiles(w, tiles) + 1;
  const int64_t products = tiles * 36 * s.c * s.oc;
  const int64_t per_weight = row->isa == base::Isa::avx512 ? 400 : 220;
  const int64_t transforms = tiles * (210 * s.c + 180 * s.oc) + per_weight * blocks * s.c * s.oc;
  return products + transforms < s.pixels() * 9 * s.c * s.oc ? row : nullptr;
}

size_t packed_bytes(const WinogradF32Row& row, const ConvShape& s) noexcept {
  const WinogradF32Weights w{&row, nullptr, s.c, s.oc};
  return static_cast<size_t>(w.panels() * 9 * s.c * row.nr) * sizeof(float);
}

WinogradF32Weights pack(const WinogradF32Row& row, const ConvShape& s, const float* b,
                        std::byte* packed) noexcept {
  auto* lines = reinterpret_cast<float*>(packed);
  const WinogradF32Weights w{&row, lines, s.c, s.oc};
  const int64_t nr = row.nr, panel = s.c * 9 * nr;
  for (int64_t p = 0; p < w.panels(); ++p)
    for (int64_t c = 0; c < s.c; ++c)
      for (int64_t i = 0; i < 9; ++i) {
        float* to = lines + p * panel + (c * 9 + i) * nr;
        const int64_t cols = std::min(nr, s.oc - p * nr);
        for (int64_t n = 0; n < cols; ++n) to[n] = b[((p * nr + n) * s.c + c) * 9 + i];
        std::fill(to + cols, to + nr, 0.0f);
      }
  return w;
}

size_t scratch_bytes(const WinogradF32Weights& w, int64_t tiles) noexcept {
  const int64_t block = block_tiles(w, tiles), nr = w.row->nr;
  return static_cast<size_t>(part(36, block * spread_pitch<float>(w.c)) + part(36, block * nr) +
                             part(6, chunk_channels(w) * nr)) *
         sizeof(float);
}

void run(const WinogradF32Weights& w, const GemmF32Call& call, Range tiles, Range panels,
         std::byte* scratch) noexcept {
  if (tiles.size() <= 0 || panels.size() <= 0) return;
  const int64_t size = block_tiles(w, tiles.size());
  WinogradF32Block b;
  b.weights = &w;
  b.call = &call;
  b.chunk = chunk_channels(w);
  b.inputs = reinterpret_cast<float*>(scratch);
  b.outputs = b.inputs + part(36, size * b.pitch());
  b.transformed = b.outputs + part(36, size * w.row->nr);
  for (int64_t begin = tiles.begin; begin < tiles.end; begin += size) {
    b.tiles = {begin, std::min(begin + size, tiles.end)};
    w.row->transform(b);
    for (int64_t panel = panels.begin; panel < panels.end; ++panel) w.row->panel(b, panel);
  }
}

}  // namespace tersor::kernels
