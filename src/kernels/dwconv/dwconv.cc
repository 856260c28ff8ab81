#include "kernels/dwconv/dwconv.h"

#include <algorithm>
#include <cstring>

namespace tersor::kernels {

#define ROW(isa, mr, block)                                                  \
  namespace isa {                                                            \
  void dwconv_f32_##mr##x##block(const DwconvF32Tile& t, int rows) noexcept; \
  }
#include "kernels/dwconv/rows_f32.inc"
#undef ROW
#define ROW(isa, mr, block)                                                    \
  namespace isa {                                                              \
  void dwconv_u8s8_##mr##x##block(const DwconvU8S8Tile& t, int rows) noexcept; \
  }
#include "kernels/dwconv/rows_u8s8.inc"
#undef ROW

namespace {

constexpr DwconvF32Row kF32Rows[] = {
#define ROW(isa, mr, block)                                          \
  {"dwconv_f32_" #isa "_" #mr "x" #block, base::Isa::isa, mr, block, \
   isa::dwconv_f32_##mr##x##block},
#include "kernels/dwconv/rows_f32.inc"
#undef ROW
};

constexpr DwconvU8S8Row kU8S8Rows[] = {
#define ROW(isa, mr, block)                                           \
  {"dwconv_u8s8_" #isa "_" #mr "x" #block, base::Isa::isa, mr, block, \
   isa::dwconv_u8s8_##mr##x##block},
#include "kernels/dwconv/rows_u8s8.inc"
#undef ROW
};

int64_t blocks(int64_t channels, int64_t block) noexcept { return (channels + block - 1) / block; }

int64_t quads(const ConvShape& s) noexcept { return (s.positions() + 3) / 4; }

// Channel x of a block lies at this place of the accumulators.
int64_t zip_place(int64_t x, int64_t block) noexcept {
  return x % 16 / 4 * (block / 4) + x / 16 * 4 + x % 4;
}

int32_t weight(const void* w, const DwconvU8S8Constants& k, int64_t positions, int64_t c,
               int64_t p) noexcept {
  const int64_t at = c * positions + p;
  const int32_t zw = k.zw_count == 0 ? 0 : k.zw[k.zw_count == 1 ? 0 : c];
  return (k.w_signed ? int32_t{static_cast<const int8_t*>(w)[at]}
                     : int32_t{static_cast<const uint8_t*>(w)[at]}) -
         zw;
}

// Calls tile(first pixel, pixels) on pieces of at most mr pixels of one output row, the pointers of
// its positions filled; positions beyond the kernel's (up to a multiple of four) repeat the first.
template <typename T, typename F>
void for_tiles(const ConvShape& s, const T* in, const T* padding, int mr, int64_t positions,
               Range output_rows, std::byte* scratch, F tile) noexcept {
  RowSource source = RowSource::pixels(in, s, padding, false);
  ConvShape one = s;  // one group of all channels: a row is a whole pixel
  one.groups = 1;
  source.conv = &one;
  auto** pointers = reinterpret_cast<const void**>(scratch);
  for (int64_t y = output_rows.begin; y < output_rows.end; ++y)
    for (int64_t x = 0; x < s.ow; x += mr) {
      const int rows = static_cast<int>(std::min<int64_t>(mr, s.ow - x));
      fill_rows(source, y * s.ow + x, rows, mr, sizeof(T), 0, pointers, nullptr);
      for (int64_t p = s.positions(); p < positions; ++p)
        std::copy(pointers, pointers + rows, pointers + p * mr);
      tile(y * s.ow + x, rows, reinterpret_cast<const T* const*>(pointers));
    }
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
const DwconvU8S8Row& select_dwconv_u8s8(base::IsaSet isa) noexcept {
  return best(dwconv_u8s8_rows(), isa);
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
  return static_cast<size_t>(row.mr * s.positions()) * sizeof(void*);
}

void run(const DwconvF32Row& row, const ConvShape& s, const float* packed,
         const DwconvF32Call& call, Range output_rows, std::byte* scratch) noexcept {
  DwconvF32Tile t;
  t.positions = s.positions();
  t.channels = s.c;
  t.w = packed;
  t.bias = call.bias;
  t.min = call.min;
  t.max = call.max;
  for_tiles(s, call.in, call.padding, row.mr, s.positions(), output_rows, scratch,
            [&](int64_t m, int rows, const float* const* a) {
              t.a = a;
              t.out = call.out + m * s.c;
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

size_t packed_bytes(const DwconvU8S8Row& row, const ConvShape& s) noexcept {
  return static_cast<size_t>(blocks(s.c, row.block) * row.block * 4 * (quads(s) + 3));
}

void pack(const DwconvU8S8Row& row, const ConvShape& s, const void* w, const DwconvU8S8Constants& k,
          std::byte* packed) noexcept {
  const int64_t block = row.block, size = block * 4 * (quads(s) + 3);
  std::memset(packed, 0, packed_bytes(row, s));
  for (int64_t c = 0; c < s.c; ++c) {
    std::byte* out = packed + c / block * size;
    const int64_t place = zip_place(c % block, block);
    const int32_t a_zero = k.za + (k.a_signed ? 128 : 0);
    int32_t bias = k.bias ? k.bias[c] : 0;
    for (int64_t p = 0; p < s.positions(); ++p) {
      const int32_t value = weight(w, k, s.positions(), c, p);
      out[p / 4 * 4 * block + place * 4 + p % 4] = static_cast<std::byte>(value);
      bias =
          static_cast<int32_t>(static_cast<uint32_t>(bias) - static_cast<uint32_t>(a_zero * value));
    }
    const float scale = k.scale ? k.scale[c] : 0.0f, fbias = k.fbias ? k.fbias[c] : 0.0f;
    std::byte* constants = out + quads(s) * 4 * block + place * 4;
    std::memcpy(constants, &bias, 4);
    std::memcpy(constants + 4 * block, &scale, 4);
    std::memcpy(constants + 8 * block, &fbias, 4);
  }
}

size_t scratch_bytes(const DwconvU8S8Row& row, const ConvShape& s) noexcept {
  return static_cast<size_t>(row.mr * quads(s) * 4) * sizeof(void*);
}

void run(const DwconvU8S8Row& row, const ConvShape& s, const std::byte* packed,
         const DwconvU8S8Call& call, Range output_rows, std::byte* scratch) noexcept {
  DwconvU8S8Tile t;
  t.quads = quads(s);
  t.channels = s.c;
  t.a_signed = call.a_signed;
  t.packed = packed;
  t.kind = call.kind;
  t.min = call.min;
  t.max = call.max;
  t.zero = call.zero;
  t.qmin = call.qmin;
  t.qmax = call.qmax;
  const int element = call.kind == GemmOutput::s32 || call.kind == GemmOutput::f32 ? 4 : 1;
  for_tiles(s, static_cast<const uint8_t*>(call.in), static_cast<const uint8_t*>(call.padding),
            row.mr, t.quads * 4, output_rows, scratch,
            [&](int64_t m, int rows, const uint8_t* const* a) {
              t.a = a;
              t.out = static_cast<std::byte*>(call.out) + m * s.c * element;
              row.tile(t, rows);
            });
}

}  // namespace tersor::kernels
