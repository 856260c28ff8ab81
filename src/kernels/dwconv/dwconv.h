// Depthwise convolution, channels-last: groups == c == oc, any kernel, stride and dilation.
//   f32   (pixels and results may be f16 or bf16 in memory)
//         out[m][c] = clamp(bias[c] + sum over p of A[p][m][c] * W[p][c], min, max)
//   u8s8  acc[m][c] = bias[c] + sum over p of (A[p][m][c] - za) * (W[p][c] - zw[c]), exact, then
//   the
//         epilogues of gemm_u8s8
// How to call:
//   at bind   row = select_dwconv_f32(isa); packed of packed_bytes(row, shape); pack(row, shape, w,
//   packed)
//             (w: ONNX [C, 1, kh, kw]); only shape.c, kh, kw matter here
//             u8s8 also: w int8 or uint8 with zero points zw; zw is subtracted when packing, so it
//             must fit: dwconv_u8s8_fits(...) tells whether every W - zw is within [-128, 127] (if
//             not, use the interpreter's reference or gemm_u8s8); constants go into a
//             DwconvU8S8Constants
//   at run    run(row, shape, packed, call, rows, scratch): rows is a range of output rows of
//             n * oh (not pixels), to share among threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "base/isa.h"
#include "kernels/conv_common/conv.h"
#include "kernels/gemm_u8s8/gemm_u8s8.h"
#include "kernels/halves/halves.h"

namespace tersor::kernels {

struct DwconvF32Tile {
  FloatType type;        // of a and out
  const void* const* a;  // [positions][mr]
  int64_t positions, channels;
  const float* w;  // [positions][channels rounded up to the row's block]
  void* out;
  const float* bias;  // may be null
  float min, max;
};
// A piece of one output row for the common windows. Each column of the input is loaded once for all
// outputs that read it.
struct DwconvF32Line {
  FloatType type;              // of the pixels and out
  const void* const* columns;  // [kh][width]: the pixels of the rows read, padding ones included
  int64_t width;               // (count - 1) * stride + kw
  int kh, kw, stride;
  int64_t count;  // outputs
  int64_t channels;
  Range piece;     // of the channels; a multiple of lanes unless it ends at the last
  const float* w;  // as in the tile
  int64_t padded;  // its row length
  void* out;
  const float* bias;  // may be null
  float min, max;
  int rows;  // `slide` only: so many rows of outputs, of which columns has all pixels
};
struct DwconvF32Row {
  const char* name;
  base::Isa isa;
  int mr, block;
  void (*tile)(const DwconvF32Tile&, int rows) noexcept;
  void (*line)(const DwconvF32Line&) noexcept;  // kw 3 or 5, stride 1 or 2, channels >= lanes
  int lanes;
  // The same for 3 x 3, stride 1, in dense rows; the columns from 2 to count - 1 lie evenly apart.
  void (*slide)(const DwconvF32Line&) noexcept;
  int most_rows;  // that slide takes at once
};
std::span<const DwconvF32Row> dwconv_f32_rows() noexcept;  // best last
const DwconvF32Row& select_dwconv_f32(base::IsaSet isa) noexcept;
size_t packed_bytes(const DwconvF32Row& row, const ConvShape& shape) noexcept;
void pack(const DwconvF32Row& row, const ConvShape& shape, const float* w, float* packed) noexcept;
struct DwconvF32Call {
  FloatType type = FloatType::f32;  // of in, padding and out
  const void* in = nullptr;         // dense NHWC
  const void* padding = nullptr;    // c zeros
  void* out = nullptr;              // dense NHWC
  const float* bias = nullptr;
  float min = -std::numeric_limits<float>::infinity();
  float max = std::numeric_limits<float>::infinity();
};
size_t scratch_bytes(const DwconvF32Row& row, const ConvShape& shape) noexcept;
void run(const DwconvF32Row& row, const ConvShape& shape, const float* packed,
         const DwconvF32Call& call, Range output_rows, std::byte* scratch) noexcept;
// Of f32.
void reference(const ConvShape& shape, const float* w, const DwconvF32Call& call) noexcept;

// Packed, per block of channels (the bytes of a vector; the last block overlaps the one before it
// so as to be whole): [position quad][4 vectors] of weights for the tile, a vector holding the four
// weights of each of its channels; 3 * 4 vectors of constants in the order of the accumulators:
// int32 folded bias, f32 scale, f32 fbias; then, for the windows that have a line kernel, its
// weights [ky][quad of columns] [output of the group][4 vectors].
struct DwconvU8S8Constants {
  bool a_signed = false, w_signed = true;
  int32_t za = 0;
  const int32_t* zw = nullptr;    // [zw_count]
  int64_t zw_count = 0;           // 0 (zeros), 1 or c
  const int32_t* bias = nullptr;  // [c] or null
  const float* scale = nullptr;   // [c]; null for s32 output
  const float* fbias = nullptr;   // [c] or null
};
bool dwconv_u8s8_fits(const ConvShape& shape, const void* w, const DwconvU8S8Constants& k) noexcept;

struct DwconvU8S8Tile {
  const uint8_t* const* a;  // [position quads * 4][mr]
  int64_t quads, channels;
  bool a_signed;
  const std::byte* packed;
  int64_t block_bytes;  // of packed
  void* out;            // rows of `channels` elements
  GemmOutput kind;
  float min, max;
  int32_t zero, qmin, qmax;
  bool small_scales, clamps;  // as in GemmU8S8Epilogue
};
// Neighbouring outputs that read the same quads of columns: a window slides inside a quad by
// weights shifted with it.
struct DwconvGroup {
  int outputs, quads;
};
constexpr DwconvGroup dwconv_group(int kw, int stride, bool wide) noexcept {
  if (kw == 3) return stride == 1 ? DwconvGroup{2, 1} : DwconvGroup{1, 1};
  return stride == 1 && wide ? DwconvGroup{4, 2} : DwconvGroup{2, 2};
}
// One output row.
struct DwconvU8S8Line {
  DwconvU8S8Tile common;          // all but a and quads
  const uint8_t* const* columns;  // [kh][width]
  int64_t width;                  // (max(count, outputs of a group) - those) * stride + 4 * quads
  int kh, kw, stride;
  int64_t count;  // outputs
  Range blocks;
  int64_t tile_bytes;  // of a block: where the constants are
};
// One or two output rows, for the forms `pairs` and `slide` (pairs.h, slide.h).
struct DwconvTwoRows {
  DwconvU8S8Tile common;          // all but a, quads and out
  const uint8_t* const* columns;  // [k + stride][width]
  int64_t width;                  // that the outputs read
  int k, stride;
  int64_t count;  // outputs in a row
  Range blocks;
  std::byte* out[2];  // the second is null if there is one row only
};
// Where channel i of a block lies in its accumulators.
constexpr int dw_pairs_place(int i, int lanes) noexcept {
  return i / 4 % 2 * lanes + i / 8 * 4 + i % 4;
}
struct DwconvU8S8Row {
  const char* name;
  base::Isa isa;
  int mr, block;
  void (*tile)(const DwconvU8S8Tile&, int rows) noexcept;
  void (*line)(const DwconvU8S8Line&) noexcept;  // kw 3 or 5, stride 1 or 2, channels >= block
  void (*pairs)(const DwconvTwoRows&) noexcept = nullptr;  // in place of line
  void (*slide)(const DwconvTwoRows&) noexcept = nullptr;  // in place of line for 3 x 3
};
std::span<const DwconvU8S8Row> dwconv_u8s8_rows() noexcept;  // best last
const DwconvU8S8Row& select_dwconv_u8s8(int64_t channels, base::IsaSet isa) noexcept;
size_t packed_bytes(const DwconvU8S8Row& row, const ConvShape& shape) noexcept;
void pack(const DwconvU8S8Row& row, const ConvShape& shape, const void* w,
          const DwconvU8S8Constants& constants, std::byte* packed) noexcept;
struct DwconvU8S8Call {
  const void* in = nullptr;       // dense NHWC, uint8 or int8
  const void* padding = nullptr;  // c elements equal to za
  bool a_signed = false;
  void* out = nullptr;  // dense NHWC
  GemmOutput kind = GemmOutput::u8;
  float min = -std::numeric_limits<float>::infinity();  // f32 output only
  float max = std::numeric_limits<float>::infinity();
  int32_t zero = 0, qmin = 0, qmax = 255;  // u8, s8 output only
  bool small_scales = false;               // as in GemmU8S8Epilogue
};
size_t scratch_bytes(const DwconvU8S8Row& row, const ConvShape& shape) noexcept;
void run(const DwconvU8S8Row& row, const ConvShape& shape, const std::byte* packed,
         const DwconvU8S8Call& call, Range output_rows, std::byte* scratch) noexcept;
void reference(const ConvShape& shape, const void* w, const DwconvU8S8Constants& constants,
               const DwconvU8S8Call& call) noexcept;

}  // namespace tersor::kernels
