#include "kernels/winograd/winograd.h"

#include <algorithm>
#include <cstring>

#include "kernels/conv_common/taps.h"
#include "kernels/winograd/tile_pixels.h"

namespace tersor::kernels {

#define ROW(isa, mr, nr, channels, lines)                                      \
  namespace isa {                                                              \
  void winograd_transform_##mr##x##nr(const WinogradBlock& b) noexcept;        \
  void winograd_panel_##mr##x##nr(const WinogradBlock& b, int64_t p) noexcept; \
  }
#include "kernels/winograd/rows.inc"
#undef ROW

namespace {

constexpr WinogradRow kRows[] = {
#define ROW(isa, mr, nr, channels, lines) \
  {"winograd_" #isa "_" #mr "x" #nr,      \
   base::Isa::isa,                        \
   mr,                                    \
   nr,                                    \
   channels,                              \
   lines,                                 \
   isa::winograd_transform_##mr##x##nr,   \
   isa::winograd_panel_##mr##x##nr},
#include "kernels/winograd/rows.inc"
#undef ROW
};

// Transformed weights of a chunk are to stay in L2, and transformed pixels and products of a block,
// too, unless that were so few tiles that transforming weights for them took longer.
constexpr int64_t kChunkBytes = 160 << 10;
constexpr int64_t kBlockBytes = 768 << 10, kFewTiles = 64;

int64_t chunk_channels(const WinogradWeights& w) noexcept {
  // In units of channels, all chunks about as long.
  const int64_t unit = w.row->channels, units = w.padded_c() / unit;
  const int64_t fit = std::max<int64_t>(1, kChunkBytes / (12 * w.row->lines * w.row->nr * unit));
  const int64_t chunks = std::max<int64_t>(1, (units + fit - 1) / fit);
  return (units + chunks - 1) / chunks * unit;
}

int64_t block_tiles(const WinogradWeights& w, int64_t tiles) noexcept {
  const int64_t each = 36 * (w.padded_c() * 2 + w.row->nr * 4);
  return block_of(tiles, std::max(kBlockBytes / each, kFewTiles), w.row->mr);
}

size_t input_bytes(const WinogradWeights& w, int64_t tiles) noexcept {
  return static_cast<size_t>(36 * (tiles * w.padded_c() + WinogradBlock::kGap)) * sizeof(int16_t);
}

}  // namespace

std::span<const WinogradRow> winograd_rows() noexcept { return kRows; }

bool winograd_fits(const ConvShape& s) noexcept {
  return is_plain_3x3(s) && s.c * 9 * 255 * 128 < int64_t{1} << 29;
}

const WinogradRow* select_winograd(const ConvShape& s, base::IsaSet isa) noexcept {
  if (!winograd_fits(s) || s.oh < 1 || s.ow < 1) return nullptr;
  // Tiles of bytes take an eighth of the time of words.
  if (isa.has(base::Isa::amx)) return nullptr;
  const WinogradRow* row = kRows;
  for (const WinogradRow& r : kRows)
    if (isa.has(r.isa)) row = &r;
  // Few channels fill no vector. With VNNI, whose direct products are faster, fewer than 32 have
  // not been measured.
  const bool vnni = isa.has(base::Isa::avx512vnni) || isa.has(base::Isa::avxvnni);
  const int64_t least = vnni ? 32 : std::max(16, row->channels);
  if (s.c < least || s.oc < least) return nullptr;
  // Costs in products of the direct convolution, as measured.
  const WinogradWeights w{row, nullptr, s.c, s.oc};
  const int64_t tiles = winograd_tiles(s), blocks = (tiles - 1) / block_tiles(w, tiles) + 1;
  const int64_t products = tiles * 36 * s.c * s.oc * (vnni ? 20 : 11) / 10;
  const int64_t transforms =
      tiles * (130 * s.c + 200 * s.oc) + (vnni ? 250 : 75) * blocks * s.c * s.oc;
  return products + transforms < s.pixels() * 9 * s.c * s.oc ? row : nullptr;
}

namespace {

// The nine weights of one channel, or of two side by side, to bytes `stride` apart; their sum.
int32_t pack_taps(const int8_t* from, int64_t channels, int64_t stride, int8_t* to) noexcept {
  int32_t sum = 0;
  for (int64_t i = 0; i < 9; ++i)
    for (int64_t c = 0; c < channels; ++c) {
      to[i * stride + c] = from[c * 9 + i];
      sum += from[c * 9 + i];
    }
  return sum;
}

}  // namespace

size_t winograd_packed_bytes(const WinogradRow& row, const ConvShape& s) noexcept {
  const WinogradWeights w{&row, nullptr, s.c, s.oc};
  return static_cast<size_t>(w.panels() * 9 * w.padded_c() * row.nr);
}

WinogradWeights winograd_pack(const WinogradRow& row, const ConvShape& s, const int8_t* b,
                              int8_t* packed, int32_t* column_sums) noexcept {
  const WinogradWeights w{&row, packed, s.c, s.oc};
  const int64_t nr = row.nr, panel = w.padded_c() * 9 * nr;
  std::fill(packed, packed + w.panels() * panel, int8_t{0});
  std::fill(column_sums, column_sums + s.oc, 0);
  // Two channels of all columns of a panel at a time: what is written stays in L1.
  for (int64_t n0 = 0; n0 < s.oc; n0 += nr)
    for (int64_t c = 0; c < s.c; c += 2) {
      int8_t* to = packed + n0 / nr * panel + c * 9 * nr;
      const int64_t end = std::min(n0 + nr, s.oc);
      const int64_t channels = std::min<int64_t>(2, s.c - c);
      int64_t n = n0;
      const auto from = [&] { return b + (n * s.c + c) * 9; };
      for (Taps taps; channels == 2 && n + Taps::kColumns <= end; n += Taps::kColumns, to += 16) {
        taps.load(from(), s.c * 9);
        taps.add_to(column_sums + n);
        for (int64_t i = 0; i < 9; ++i) std::memcpy(to + i * nr * 2, &taps.of[i], 16);
      }
      for (; n < end; ++n, to += 2) column_sums[n] += pack_taps(from(), channels, nr * 2, to);
    }
  return w;
}

int64_t winograd_tiles(const ConvShape& s) noexcept { return TileAt<4>::count(s); }

WorkSplit winograd_split(int64_t tiles, int64_t panels, int mr, int threads,
                         int64_t least) noexcept {
  WorkSplit s;
  s.m = tiles;
  s.panels = panels;
  s.m_chunk = std::max<int64_t>(tiles, 1);
  s.panel_chunk = std::max<int64_t>(s.panels, 1);
  if (threads <= 1) return s;
  // Pixels are transformed again for each range of panels, weights for each range of tiles: the
  // latter only where there are tiles enough, and where there are more, in parts that let a thread
  // that is held up give some away.
  const int64_t share = tiles / threads, parts = share >= 4 * mr ? 2 * threads : threads;
  if (share >= least)
    s.m_chunk = (tiles + parts - 1) / parts;
  else
    s.panel_chunk = std::max<int64_t>(1, (s.panels + threads - 1) / threads);
  return s;
}

namespace {

size_t output_bytes(const WinogradWeights& w, int64_t tiles) noexcept {
  return static_cast<size_t>(36 * (tiles * w.row->nr + WinogradBlock::kGap)) * sizeof(int32_t);
}

size_t align(size_t n) noexcept { return (n + 63) / 64 * 64; }

}  // namespace

size_t winograd_scratch_bytes(const WinogradWeights& w, int64_t tiles) noexcept {
  const int64_t block = block_tiles(w, tiles);
  return align(input_bytes(w, block)) + align(output_bytes(w, block)) +
         static_cast<size_t>(12 * w.row->lines *
                             (chunk_channels(w) * w.row->nr + WinogradBlock::kGap));
}

void winograd_run(const WinogradWeights& w, const GemmU8S8Call& call, Range tiles, Range panels,
                  std::byte* scratch) noexcept {
  if (tiles.size() <= 0 || panels.size() <= 0) return;
  const int64_t size = block_tiles(w, tiles.size());
  WinogradBlock b;
  b.weights = &w;
  b.call = &call;
  b.chunk = chunk_channels(w);
  b.inputs = reinterpret_cast<int16_t*>(scratch);
  scratch += align(input_bytes(w, size));
  b.outputs = reinterpret_cast<int32_t*>(scratch);
  b.transformed = reinterpret_cast<int16_t*>(scratch + align(output_bytes(w, size)));
  for (int64_t begin = tiles.begin; begin < tiles.end; begin += size) {
    b.tiles = {begin, std::min(begin + size, tiles.end)};
    w.row->transform(b);
    for (int64_t panel = panels.begin; panel < panels.end; ++panel) w.row->panel(b, panel);
  }
}

}  // namespace tersor::kernels
