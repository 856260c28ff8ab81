#include "kernels/dwconv/dwconv.h"

#include <algorithm>
#include <cstring>

#include "kernels/dwconv/columns.h"
#include "kernels/dwconv/pairs.h"
#include "kernels/dwconv/slide.h"

namespace tersor::kernels {

#define ROW(isa, mr, block, lanes, most)                                     \
  namespace isa {                                                            \
  void dwconv_f32_##mr##x##block(const DwconvF32Tile& t, int rows) noexcept; \
  void dwconv_f32_line(const DwconvF32Line& t) noexcept;                     \
  void dwconv_f32_slide(const DwconvF32Line& t) noexcept;                    \
  }
#include "kernels/dwconv/rows_f32.inc"
#undef ROW
#define ROW(isa, mr, block)                                                    \
  namespace isa {                                                              \
  void dwconv_u8s8_##mr##x##block(const DwconvU8S8Tile& t, int rows) noexcept; \
  void dwconv_u8s8_line_##block(const DwconvU8S8Line& t) noexcept;             \
  }
#define PAIRS(isa, mr, block)                                                  \
  namespace isa {                                                              \
  void dwconv_u8s8_##mr##x##block(const DwconvU8S8Tile& t, int rows) noexcept; \
  void dwconv_u8s8_pairs_##block(const DwconvTwoRows& t) noexcept;             \
  }
#define SLIDE(isa, mr, block)                                      \
  ROW(isa, mr, block)                                              \
  namespace isa {                                                  \
  void dwconv_u8s8_slide_##block(const DwconvTwoRows& t) noexcept; \
  }
#include "kernels/dwconv/rows_u8s8.inc"
#undef ROW
#undef PAIRS
#undef SLIDE

namespace {

constexpr DwconvF32Row kF32Rows[] = {
#define ROW(isa, mr, block, lanes, most)  \
  {"dwconv_f32_" #isa "_" #mr "x" #block, \
   base::Isa::isa,                        \
   mr,                                    \
   block,                                 \
   isa::dwconv_f32_##mr##x##block,        \
   isa::dwconv_f32_line,                  \
   lanes,                                 \
   isa::dwconv_f32_slide,                 \
   most},
#include "kernels/dwconv/rows_f32.inc"
#undef ROW
};

constexpr DwconvU8S8Row kU8S8Rows[] = {
#define ROW(isa, mr, block)                \
  {"dwconv_u8s8_" #isa "_" #mr "x" #block, \
   base::Isa::isa,                         \
   mr,                                     \
   block,                                  \
   isa::dwconv_u8s8_##mr##x##block,        \
   isa::dwconv_u8s8_line_##block},
#define PAIRS(isa, mr, block)                    \
  {"dwconv_u8s8_" #isa "_pairs_" #mr "x" #block, \
   base::Isa::isa,                               \
   mr,                                           \
   block,                                        \
   isa::dwconv_u8s8_##mr##x##block,              \
   nullptr,                                      \
   isa::dwconv_u8s8_pairs_##block},
#define SLIDE(isa, mr, block)              \
  {"dwconv_u8s8_" #isa "_" #mr "x" #block, \
   base::Isa::isa,                         \
   mr,                                     \
   block,                                  \
   isa::dwconv_u8s8_##mr##x##block,        \
   isa::dwconv_u8s8_line_##block,          \
   nullptr,                                \
   isa::dwconv_u8s8_slide_##block},
#include "kernels/dwconv/rows_u8s8.inc"
#undef ROW
#undef PAIRS
#undef SLIDE
};

int64_t quads(const ConvShape& s) noexcept { return (s.positions() + 3) / 4; }

// Calls tile(first pixel, pixels, pointers) on pieces of at most mr pixels of an output row, the
// pointers of their positions filled; positions beyond the kernel's (up to a multiple of four)
// repeat the first.
template <typename F>
void for_tiles(const RowSource& source, int mr, int element, int64_t positions, int64_t y,
               std::byte* scratch, F tile) noexcept {
  const ConvShape& s = *source.conv;
  auto** pointers = reinterpret_cast<const void**>(scratch);
  for (int64_t x = 0; x < s.ow; x += mr) {
    const int rows = static_cast<int>(std::min<int64_t>(mr, s.ow - x));
    fill_rows(source, y * s.ow + x, rows, mr, element, 0, pointers, nullptr);
    for (int64_t p = s.positions(); p < positions; ++p)
      std::copy(pointers, pointers + rows, pointers + p * mr);
    tile(y * s.ow + x, rows, static_cast<const void* const*>(pointers));
  }
}

// One group of all channels: a row is a whole pixel.
ConvShape ungrouped(const ConvShape& s) noexcept {
  ConvShape one = s;
  one.groups = 1;
  return one;
}

bool has_line_kernel(const ConvShape& s) noexcept {
  return (s.kw == 3 || s.kw == 5) && (s.stride_w == 1 || s.stride_w == 2) && s.dilation_w == 1;
}

// All columns but two at either end are pixels of the image.
bool slides(const ConvShape& s) noexcept {
  return square_window(s, 3) && s.stride_w == 1 && s.pad_left <= 2 && s.ow <= s.pad_left + s.w;
}

template <typename Row>
const Row& best(std::span<const Row> rows, base::IsaSet isa) noexcept {
  const Row* chosen = rows.data();
  for (const Row& row : rows)
    if (isa.has(row.isa)) chosen = &row;
  return *chosen;
}

}  // namespace

std::span<const DwconvF32Row> dwconv_f32_rows() noexcept { return kF32Rows; }
std::span<const DwconvU8S8Row> dwconv_u8s8_rows() noexcept { return kU8S8Rows; }
const DwconvF32Row& select_dwconv_f32(base::IsaSet isa) noexcept {
  return best(dwconv_f32_rows(), isa);
}
const DwconvU8S8Row& select_dwconv_u8s8(int64_t channels, base::IsaSet isa) noexcept {
  const DwconvU8S8Row *chosen = kU8S8Rows, *half = nullptr;
  // A vector longer than there are channels takes the slow way through partial loads.
  for (const DwconvU8S8Row& row : kU8S8Rows)
    if (isa.has(row.isa) && row.block <= std::max<int64_t>(channels, 32)) {
      half = row.isa == chosen->isa && 2 * chosen->block == row.block ? chosen : nullptr;
      chosen = &row;
    }
  // A last block that is mostly computed twice: one of 64 channels costs 1.55 of 32, as measured.
  if (half && 155 * blocks(channels, chosen->block) > 100 * blocks(channels, half->block))
    return *half;
  return *chosen;
}

size_t packed_bytes(const DwconvF32Row& row, const ConvShape& s) noexcept {
  return static_cast<size_t>(blocks(s.c, row.block) * row.block * s.positions()) * sizeof(float);
}

void pack(const DwconvF32Row& row, const ConvShape& s, const float* w, float* packed) noexcept {
  const int64_t padded = blocks(s.c, row.block) * row.block;
  for (int64_t p = 0; p < s.positions(); ++p)
    for (int64_t c = 0; c < padded; ++c)
      packed[p * padded + c] = c < s.c ? w[c * s.positions() + p] : 0.0f;
}

size_t scratch_bytes(const DwconvF32Row& row, const ConvShape& s) noexcept {
  return static_cast<size_t>(
             std::max(row.mr * s.positions(), (s.kh + row.most_rows - 1) * line_width(s, s.ow))) *
         sizeof(void*);
}

namespace {

void run_lines(const DwconvF32Row& row, const ConvShape& s, const float* packed,
               const DwconvF32Call& call, Range output_rows, const void** columns) noexcept {
  DwconvF32Line l;
  const int element = element_bytes(call.type);
  l.type = call.type;
  l.columns = columns;
  l.width = line_width(s, s.ow);
  l.kh = static_cast<int>(s.kh);
  l.kw = static_cast<int>(s.kw);
  l.stride = static_cast<int>(s.stride_w);
  l.count = s.ow;
  l.channels = s.c;
  l.w = packed;
  l.padded = blocks(s.c, row.block) * row.block;
  l.bias = call.bias;
  l.min = call.min;
  l.max = call.max;
  const int64_t piece = channel_piece(s, l.width, row.lanes, element);
  const bool sliding = slides(s);
  for (int64_t c = 0; c < s.c; c += piece) {
    l.piece = {c, std::min(c + piece, s.c)};
    for (int64_t y = output_rows.begin; y < output_rows.end; y += l.rows) {
      // All of one image.
      const int64_t left = std::min(output_rows.end - y, s.oh - y % s.oh);
      l.rows = !sliding ? 1 : left >= row.most_rows ? row.most_rows : left >= 2 ? 2 : 1;
      with_elements(call.type, call.in, [&]<typename T>(const T* in) {
        find_columns(s, in, static_cast<const T*>(call.padding), y, s.kh + l.rows - 1, l.width,
                     reinterpret_cast<const T**>(columns));
      });
      l.out = static_cast<std::byte*>(call.out) + y * s.ow * s.c * element;
      (sliding ? row.slide : row.line)(l);
    }
  }
}

}  // namespace

void run(const DwconvF32Row& row, const ConvShape& s, const float* packed,
         const DwconvF32Call& call, Range output_rows, std::byte* scratch) noexcept {
  if (s.ow <= 0) return;
  if (has_line_kernel(s) && s.c >= row.lanes) {
    return run_lines(row, s, packed, call, output_rows, reinterpret_cast<const void**>(scratch));
  }
  const int element = element_bytes(call.type);
  DwconvF32Tile t;
  t.type = call.type;
  t.positions = s.positions();
  t.channels = s.c;
  t.w = packed;
  t.bias = call.bias;
  t.min = call.min;
  t.max = call.max;
  const ConvShape one = ungrouped(s);
  const RowSource source = RowSource::pixels(call.in, one, call.padding, false);
  for (int64_t y = output_rows.begin; y < output_rows.end; ++y)
    for_tiles(source, row.mr, element, s.positions(), y, scratch,
              [&](int64_t m, int rows, const void* const* a) {
                t.a = a;
                t.out = static_cast<std::byte*>(call.out) + m * s.c * element;
                row.tile(t, rows);
              });
}

bool dwconv_u8s8_fits(const ConvShape& s, const void* w, const DwconvU8S8Constants& k) noexcept {
  for (int64_t c = 0; c < s.c; ++c)
    for (int64_t p = 0; p < s.positions(); ++p) {
      const int32_t value = weight(w, k, s.positions(), c, p);
      if (value < -128 || value > 127) return false;
    }
  return true;
}

namespace {

// The parts of a packed block.
struct BlockLayout {
  BlockLayout(const DwconvU8S8Row& row, const ConvShape& s) noexcept
      : tile_bytes(quads(s) * 4 * row.block), constant_bytes(3 * 4 * row.block) {
    if (!row.line || !has_line_kernel(s)) return;
    group = dwconv_group(static_cast<int>(s.kw), static_cast<int>(s.stride_w), row.block >= 64);
    line_bytes = s.kh * group.quads * group.outputs * 4 * row.block;
  }
  int64_t bytes() const noexcept { return tile_bytes + constant_bytes + line_bytes; }
  int64_t tile_bytes, constant_bytes, line_bytes = 0;
  DwconvGroup group{1, 1};
};

// Blocks taken together along a line: all of them where their weights stay in L1 beside the pixels.
int64_t blocks_at_once(const ConvShape& s, const DwconvU8S8Row& row, const BlockLayout& layout,
                       int64_t width) noexcept {
  constexpr int64_t kWeightBytes = 16 << 10;
  const int64_t all = blocks(s.c, row.block), one = layout.constant_bytes + layout.line_bytes;
  const int64_t fit = all * one <= kWeightBytes ? all : std::max<int64_t>(1, kWeightBytes / one);
  return std::clamp<int64_t>(channel_piece(s, width, row.block, 1) / row.block, 1, fit);
}

int64_t line_width(const ConvShape& s, const DwconvGroup& group) noexcept {
  return (std::max<int64_t>(s.ow, group.outputs) - group.outputs) * s.stride_w + 4 * group.quads;
}

void pack_channel(const ConvShape& s, const void* w, const DwconvU8S8Constants& k, int64_t c,
                  const BlockLayout& layout, int64_t block, int64_t place,
                  std::byte* out) noexcept {
  const int64_t vector = block, four = 4 * vector;
  const int32_t a_zero = k.za + (k.a_signed ? 128 : 0);
  std::byte* line = out + layout.tile_bytes + layout.constant_bytes + place * 4;
  int32_t bias = k.bias ? k.bias[c] : 0;
  for (int64_t p = 0; p < s.positions(); ++p) {
    const int32_t value = weight(w, k, s.positions(), c, p);
    out[p / 4 * four + place * 4 + p % 4] = static_cast<std::byte>(value);
    bias =
        static_cast<int32_t>(static_cast<uint32_t>(bias) - static_cast<uint32_t>(a_zero * value));
    if (layout.line_bytes == 0) continue;
    for (int64_t g = 0; g < layout.group.outputs; ++g) {
      const int64_t column = p % s.kw + g * s.stride_w;
      const int64_t quad = p / s.kw * layout.group.quads + column / 4;
      line[(quad * layout.group.outputs + g) * four + column % 4] = static_cast<std::byte>(value);
    }
  }
  const float scale = k.scale ? k.scale[c] : 0.0f, fbias = k.fbias ? k.fbias[c] : 0.0f;
  std::byte* constants = out + layout.tile_bytes + place * 4;
  std::memcpy(constants, &bias, 4);
  std::memcpy(constants + four, &scale, 4);
  std::memcpy(constants + 2 * four, &fbias, 4);
}

}  // namespace

size_t packed_bytes(const DwconvU8S8Row& row, const ConvShape& s) noexcept {
  if (dw_pairs::fits(row, s)) return dw_pairs::packed_bytes(row, s);
  if (dw_slide::fits(row, s)) return dw_slide::packed_bytes(row, s);
  return static_cast<size_t>(blocks(s.c, row.block) * BlockLayout(row, s).bytes());
}

void pack(const DwconvU8S8Row& row, const ConvShape& s, const void* w, const DwconvU8S8Constants& k,
          std::byte* packed) noexcept {
  if (dw_pairs::fits(row, s)) return dw_pairs::pack(row, s, w, k, packed);
  if (dw_slide::fits(row, s)) return dw_slide::pack(row, s, w, k, packed);
  const BlockLayout layout(row, s);
  const int64_t block = row.block;
  std::memset(packed, 0, packed_bytes(row, s));
  for (int64_t b = 0; b < blocks(s.c, block); ++b) {
    const int64_t start = std::max<int64_t>(0, std::min(b * block, s.c - block));
    for (int64_t x = 0; x < std::min(block, s.c); ++x)
      pack_channel(s, w, k, start + x, layout, block, zip_place(x, block),
                   packed + b * layout.bytes());
  }
}

size_t scratch_bytes(const DwconvU8S8Row& row, const ConvShape& s) noexcept {
  if (dw_pairs::fits(row, s)) return dw_pairs::scratch_bytes(s);
  if (dw_slide::fits(row, s)) return dw_slide::scratch_bytes(s);
  return static_cast<size_t>(
             std::max(row.mr * quads(s) * 4, s.kh * line_width(s, BlockLayout(row, s).group))) *
         sizeof(void*);
}

void run(const DwconvU8S8Row& row, const ConvShape& s, const std::byte* packed,
         const DwconvU8S8Call& call, Range output_rows, std::byte* scratch) noexcept {
  if (s.ow <= 0) return;
  const BlockLayout layout(row, s);
  DwconvU8S8Tile t;
  t.quads = quads(s);
  t.channels = s.c;
  t.a_signed = call.a_signed;
  t.packed = packed;
  t.block_bytes = layout.bytes();
  t.kind = call.kind;
  t.min = call.min;
  t.max = call.max;
  t.zero = call.zero;
  t.qmin = call.qmin;
  t.qmax = call.qmax;
  t.small_scales = call.small_scales;
  t.clamps = call.kind == GemmOutput::u8 ? call.qmin > 0 || call.qmax < 255
                                         : call.qmin > -128 || call.qmax < 127;
  if (dw_pairs::fits(row, s)) return dw_pairs::run(row, s, t, call, output_rows, scratch);
  if (dw_slide::fits(row, s)) return dw_slide::run(row, s, t, call, output_rows, scratch);
  const int element = element_bytes(call.kind);
  const auto* in = static_cast<const uint8_t*>(call.in);
  const auto* padding = static_cast<const uint8_t*>(call.padding);
  const auto pixel = [&](int64_t m) {
    return static_cast<std::byte*>(call.out) + m * s.c * element;
  };
  if (layout.line_bytes > 0 && s.c >= row.block) {
    const auto** columns = reinterpret_cast<const uint8_t**>(scratch);
    DwconvU8S8Line l;
    l.columns = columns;
    l.width = line_width(s, layout.group);
    l.kh = static_cast<int>(s.kh);
    l.kw = static_cast<int>(s.kw);
    l.stride = static_cast<int>(s.stride_w);
    l.count = s.ow;
    l.tile_bytes = layout.tile_bytes;
    const int64_t all = blocks(s.c, row.block);
    const int64_t piece = blocks_at_once(s, row, layout, l.width);
    for (int64_t b = 0; b < all; b += piece) {
      l.blocks = {b, std::min(b + piece, all)};
      for (int64_t y = output_rows.begin; y < output_rows.end; ++y) {
        find_columns(s, in, padding, y, s.kh, l.width, columns);
        t.out = pixel(y * s.ow);
        l.common = t;
        row.line(l);
      }
    }
    return;
  }
  const ConvShape one = ungrouped(s);
  const RowSource source = RowSource::pixels(in, one, padding, false);
  for (int64_t y = output_rows.begin; y < output_rows.end; ++y)
    for_tiles(source, row.mr, 1, t.quads * 4, y, scratch,
              [&](int64_t m, int rows, const void* const* a) {
                t.a = reinterpret_cast<const uint8_t* const*>(a);
                t.out = pixel(m);
                row.tile(t, rows);
              });
}

}  // namespace tersor::kernels
