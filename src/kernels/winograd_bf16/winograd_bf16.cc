#include "kernels/winograd_bf16/winograd_bf16.h"

#include <algorithm>

#include "kernels/winograd/tile_pixels.h"

namespace tersor::kernels {

#define ROW(isa, mr, nr)                                                          \
  namespace isa {                                                                 \
  void gemm_bf16_##mr##x##nr(const GemmF32Tile& t, int rows) noexcept;            \
  void winograd_bf16_transform(const WinogradBf16Block& b) noexcept;              \
  void winograd_bf16_restore(const WinogradBf16Block& b, int64_t panel) noexcept; \
  }
#include "kernels/winograd_bf16/rows.inc"
#undef ROW

namespace {

constexpr WinogradBf16Row kRows[] = {
#define ROW(isa, mr, nr)                  \
  {"winograd_bf16_" #isa "_" #mr "x" #nr, \
   base::Isa::isa,                        \
   mr,                                    \
   nr,                                    \
   isa::gemm_bf16_##mr##x##nr,            \
   isa::winograd_bf16_transform,          \
   isa::winograd_bf16_restore},
#include "kernels/winograd_bf16/rows.inc"
#undef ROW
};

// Pixels and products of a block are to stay in L2.
constexpr int64_t kBlockBytes = 512 << 10;

int64_t block_tiles(const WinogradBf16Weights& w, int64_t tiles) noexcept {
  const int64_t each = 16 * (2 * w.c + 4 * w.row->nr);
  return block_of(tiles, kBlockBytes / each, w.row->mr);
}

// Bytes of the pixels of a block, a multiple of a line of the cache.
int64_t input_bytes(const WinogradBf16Weights& w, int64_t tiles) noexcept {
  return (16 * (tiles * w.c + WinogradBf16Block::kGap) * 2 + 63) / 64 * 64;
}

// Three weights times G.
void times_g(const double (&g)[3], double (&r)[4]) noexcept {
  r[0] = g[0];
  r[1] = (g[0] + g[1] + g[2]) / 2;
  r[2] = (g[0] - g[1] + g[2]) / 2;
  r[3] = g[2];
}

// The 4 x 4 transformed of 3 x 3 weights, to[i] at to + i * stride.
void transform_weights(const float* g, simd::bfloat16* to, int64_t stride) noexcept {
  double half[4][3];
  for (int x = 0; x < 3; ++x) {
    double r[4];
    times_g({g[x], g[3 + x], g[6 + x]}, r);
    for (int y = 0; y < 4; ++y) half[y][x] = r[y];
  }
  for (int y = 0; y < 4; ++y) {
    double r[4];
    times_g(half[y], r);
    for (int x = 0; x < 4; ++x) simd::narrow(static_cast<float>(r[x]), to[(y * 4 + x) * stride]);
  }
}

// The products of a block with a panel of weights.
void multiply(const WinogradBf16Block& b, int64_t panel) noexcept {
  constexpr int kMostRows = 32;
  const WinogradBf16Weights& w = *b.weights;
  const int64_t tiles = b.tiles.size(), parts = (tiles + w.row->mr - 1) / w.row->mr;
  const int64_t nr = w.row->nr;
  const void* rows[kMostRows];
  GemmF32Tile t{};
  t.a = rows;
  t.positions = 1;
  t.k = w.c;
  t.cols = static_cast<int>(nr);
  t.out_stride = nr;
  t.min = -std::numeric_limits<float>::infinity();
  t.max = std::numeric_limits<float>::infinity();
  for (int64_t i = 0; i < 16; ++i) {
    t.b = w.data + (panel * 16 + i) * w.c * nr;
    for (int64_t part = 0; part < parts; ++part) {
      const int64_t begin = tiles * part / parts, end = tiles * (part + 1) / parts;
      for (int64_t m = begin; m < end; ++m)
        rows[m - begin] = b.inputs + i * b.input_stride() + m * w.c;
      t.out = b.outputs + i * b.output_stride() + begin * nr;
      w.row->tile(t, static_cast<int>(end - begin));
    }
  }
}

}  // namespace

std::span<const WinogradBf16Row> winograd_bf16_rows() noexcept { return kRows; }

bool winograd_bf16_fits(const ConvShape& s) noexcept { return is_plain_3x3(s) && s.c % 2 == 0; }

int64_t WinogradBf16Weights::tiles(const ConvShape& s) noexcept { return TileAt<2>::count(s); }

const WinogradBf16Row* select_winograd_bf16(const ConvShape& s, base::IsaSet isa) noexcept {
  if (!winograd_bf16_fits(s) || s.c < 16 || s.oc < 16 || s.oh < 1 || s.ow < 1) return nullptr;
  // Tiles multiply so fast that fewer products do not make up for the transforms.
  if (isa.has(base::Isa::amx)) return nullptr;
  const WinogradBf16Row* row = nullptr;
  for (const WinogradBf16Row& r : kRows)
    if (isa.has(r.isa)) row = &r;
  // Costs in products of the direct convolution, as measured; weights are read that are 16/9 as
  // large.
  const int64_t tiles = WinogradBf16Weights::tiles(s);
  const int64_t products = tiles * 16 * s.c * s.oc;
  const int64_t transforms = tiles * (120 * s.c + 100 * s.oc) + 80 * s.c * s.oc;
  return products + transforms < s.pixels() * 9 * s.c * s.oc ? row : nullptr;
}

size_t packed_bytes(const WinogradBf16Row& row, const ConvShape& s) noexcept {
  const WinogradBf16Weights w{&row, nullptr, s.c, s.oc};
  return static_cast<size_t>(w.panels() * 16 * s.c * row.nr) * sizeof(simd::bfloat16);
}

WinogradBf16Weights pack(const WinogradBf16Row& row, const ConvShape& s, const float* b,
                         std::byte* packed) noexcept {
  auto* to = reinterpret_cast<simd::bfloat16*>(packed);
  const WinogradBf16Weights w{&row, to, s.c, s.oc};
  const int64_t nr = row.nr;
  std::fill(to, to + w.panels() * 16 * s.c * nr, simd::bfloat16{});
  for (int64_t n = 0; n < s.oc; ++n)
    for (int64_t c = 0; c < s.c; ++c)
      transform_weights(b + (n * s.c + c) * 9,
                        to + (n / nr * 16 * s.c + c / 2 * 2) * nr + n % nr * 2 + c % 2, s.c * nr);
  return w;
}

size_t scratch_bytes(const WinogradBf16Weights& w, int64_t tiles) noexcept {
  const int64_t block = block_tiles(w, tiles);
  return static_cast<size_t>(input_bytes(w, block) +
                             16 * (block * w.row->nr + WinogradBf16Block::kGap) * 4);
}

void run(const WinogradBf16Weights& w, const GemmF32Call& call, Range tiles, Range panels,
         std::byte* scratch) noexcept {
  if (tiles.size() <= 0 || panels.size() <= 0) return;
  const int64_t size = block_tiles(w, tiles.size());
  WinogradBf16Block b;
  b.weights = &w;
  b.call = &call;
  b.inputs = reinterpret_cast<simd::bfloat16*>(scratch);
  b.outputs = reinterpret_cast<float*>(scratch + input_bytes(w, size));
  for (int64_t begin = tiles.begin; begin < tiles.end; begin += size) {
    b.tiles = {begin, std::min(begin + size, tiles.end)};
    w.row->transform(b);
    for (int64_t panel = panels.begin; panel < panels.end; ++panel) {
      multiply(b, panel);
      w.row->restore(b, panel);
    }
  }
}

}  // namespace tersor::kernels
