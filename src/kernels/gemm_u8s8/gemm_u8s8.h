// 8-bit product and convolution with exact int32 accumulation:
//   acc[m][n] = sum over p, k of (A[p][m][k] - za) * (W[p][k][n] - zw[n]) + bias[n]
// A is uint8 or int8, W int8 or uint8. The result leaves as
//   u8, s8   saturate(rint(float(acc) * scale[n]) + zero), in [qmin, qmax], half to even
//   f32      clamp(float(acc) * scale[n] + fbias[n] + residual[m][n], min, max)
//   s32      acc
// How to call:
//   at bind   layout, row = select_gemm_u8s8({m or -1, layout}, isa) as for gemm_f32;
//             packed = 64-byte aligned buffer of packed_bytes(row, layout);
//             pack(row, layout, b, b_is_signed, packed, column_sums);       // int32 [groups * n]
//             weights = GemmU8S8Weights(row, layout, packed);
//             fold_zero_points(weights, column_sums, za, zw (or null), bias or null, folded);
//               za and zw as the model has them; pass `folded` as call.bias
//   at run    call.a_signed; call.a (padding elements are za); call.b_zero = the array
//   fold_zero_points
//             filled if any zw is not zero, else null; kind and what it needs; then run() as for
//             f32.
// A uint8 W is packed as W - 128 (zw - 128). The sums wrap modulo 2^32; they do not overflow while
// 255 * 128 * positions * K + |bias| < 2^31, that is for sums of up to 65,000 products. Every row
// is exact: none of them saturates on the way. Quads of k are padded with zeros. Rows have one of
// four forms:
//   quads       A is unsigned, an int8 A flipped to A + 128 (za + 128 in the folded bias), and read
//               where it lies. Packed: [group][N / NR][position][ceil(K / 4)][NR][4]
//   fours       the same, but four products are added in 16 bits where these weights prove that it
//               cannot overflow (fours.h), for the processors of `magnitudes`
//   magnitudes  for processors whose products of bytes saturate in 16 bits (magnitudes.h). A is
//               signed, a uint8 A flipped to A - 128. Quads go on from one position to the next.
//   tiles       for processors that multiply tiles of 16 rows of 64 bytes (kernels/tiles). A as it
//               is.
//               Quads go on from one position to the next, to a whole number of tiles.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "base/isa.h"
#include "kernels/conv_common/conv.h"
#include "kernels/tiles/tiles.h"

namespace tersor::kernels {

enum class GemmOutput : uint8_t { s32, f32, u8, s8 };
constexpr int element_bytes(GemmOutput kind) noexcept {
  return kind == GemmOutput::s32 || kind == GemmOutput::f32 ? 4 : 1;
}

struct GemmU8S8Epilogue {
  GemmOutput kind = GemmOutput::s32;
  const int32_t* bias = nullptr;    // [groups * n], from fold_zero_points; null: zeros
  const int32_t* b_zero = nullptr;  // [groups * n], from fold_zero_points; null: all zero
  const float* scale = nullptr;     // [groups * n]; not for s32
  const float* fbias = nullptr;     // [groups * n]; f32 only; null: zeros
  const float* residual = nullptr;  // f32 only; may be the output itself
  int64_t residual_stride = 0;
  float min = -std::numeric_limits<float>::infinity();  // f32 only
  float max = std::numeric_limits<float>::infinity();
  int32_t zero = 0, qmin = 0, qmax = 255;  // u8, s8 only
  // Promises that every scale is at most kSmallScale, so that float(acc) * scale is an int32.
  bool small_scales = false;

  static constexpr float kSmallScale = 0.5f;
  // Whether [qmin, qmax] is narrower than the type.
  bool clamps() const noexcept {
    return kind == GemmOutput::u8 ? qmin > 0 || qmax < 255 : qmin > -128 || qmax < 127;
  }
};

struct GemmU8S8Tile {
  const uint8_t* const* a;  // [positions][mr]; no byte beyond k of a row is read
  int64_t positions, k;
  const int8_t* b;
  bool a_signed;
  int cols;
  void* out;  // of the tile's first element
  int64_t out_stride;
  int64_t n0;               // the tile's first column in the arrays of the epilogue
  const float* residual;    // of the tile's first element; may be null
  const int32_t* row_sums;  // [rows], of the flipped A; set if and only if epilogue->b_zero is
  const GemmU8S8Epilogue* epilogue;
};

// Rows of A on their way to a form of products of bytes (magnitudes.h), all positions one after the
// other without gaps: [tile of mr rows][vector of k][mr], two vectors each.
enum class GemmU8S8Preparation : uint8_t { signs, splits };
struct GemmU8S8Rows {
  const uint8_t* const* a;  // [positions][pitch]
  int64_t pitch, positions, k;
  Range rows;  // to be prepared; the first is the first of a tile
  bool a_signed;
  GemmU8S8Preparation preparation;
  uint8_t base;   // splits
  uint8_t* line;  // [mr][whole quads of positions * k]: room
  std::byte* prepared;
  int64_t prepared_bytes;  // of each tile
  int32_t *starts, *sums;  // signs: [rows] and up to 3 more; sums, of the flipped A, may be null
  int32_t* high;        // splits: [tile][high_stride]: receives a number and so many quads, those
  int64_t high_stride;  //   in which any of the rows has a high digit
};
// Rows times one panel, for the forms that take them so; for tiles, times some of `cols` columns,
// and without a, positions, k of the tile.
struct GemmU8S8Panel : TilesPanel {
  GemmU8S8Tile tile;   // its first one
  const int8_t* next;  // what is read after this panel, to be fetched meanwhile
  int64_t next_bytes;
  // fours: tile.a is [positions][pitch].
  int64_t pitch;
  const int32_t* runs;  // of the panel's quads (fours.h)
  // magnitudes: prepared rows, tile by tile; a, positions, k, a_signed of the tile are not used.
  GemmU8S8Preparation preparation;
  uint8_t base;
  const int32_t *starts, *high;
  int64_t high_stride;
  const int32_t* order;    // offsets in `prepared` of the quads of b
  int64_t pairs, singles;  // of quads: those to sum in 16 bits two by two come first
  const int32_t* places;   // offsets in b of the quads
  const int32_t* sums;     // [nr], of the weights
};

enum class GemmU8S8Form : uint8_t { quads, fours, magnitudes, tiles };
struct GemmU8S8Row {
  const char* name;
  base::Isa isa;
  GemmU8S8Form form;
  int mr, nr;
  void (*tile)(const GemmU8S8Tile&, int rows) noexcept;     // quads: rows in 1..mr
  void (*panel)(const GemmU8S8Panel&) noexcept = nullptr;   // all but quads
  void (*prepare)(const GemmU8S8Rows&) noexcept = nullptr;  // magnitudes
  TilesCalls tiles = {};
  bool magnitudes() const noexcept { return form == GemmU8S8Form::magnitudes; }
};
std::span<const GemmU8S8Row> gemm_u8s8_rows() noexcept;  // best last

struct GemmU8S8Shape {
  int64_t m = -1;  // -1: not known yet
  MatrixLayout layout;
  bool constant = true;  // W is packed once
  bool fours = false;    // most of W adds up in fours (adds_in_fours); of constants
};
const GemmU8S8Row& select_gemm_u8s8(const GemmU8S8Shape& shape, base::IsaSet isa) noexcept;

// The same for constants that are at hand: finds out about `fours`.
const GemmU8S8Row& select_gemm_u8s8(GemmU8S8Shape shape, const void* b, bool b_signed,
                                    base::IsaSet isa) noexcept;
// Whether four products at a time fit 16 bits for so much of these weights that the form `fours` is
// the fastest. Looks at some of the columns.
bool adds_in_fours(const MatrixLayout& layout, const void* b, bool b_signed) noexcept;

struct GemmU8S8Weights {
  const GemmU8S8Row* row = nullptr;
  const int8_t* data = nullptr;
  int64_t groups = 1, positions = 1, k = 0, n = 0;  // as packed; n per group
  int64_t taps = 1;                                 // positions before flattening
  bool b_signed = true;

  GemmU8S8Weights() = default;
  GemmU8S8Weights(const GemmU8S8Row& r, const MatrixLayout& l, const int8_t* packed,
                  bool b_is_signed = true) noexcept
      : row(&r),
        data(packed),
        groups(l.groups),
        positions(l.packed_positions()),
        k(l.packed_k()),
        n(l.n),
        taps(l.positions),
        b_signed(b_is_signed) {}
  int64_t group_panels() const noexcept { return (n + row->nr - 1) / row->nr; }
  int64_t panels() const noexcept { return groups * group_panels(); }
};

// Work of `m` rows, as the row likes it.
WorkSplit split_work(const GemmU8S8Weights& weights, int64_t m, int threads) noexcept;

size_t packed_bytes(const GemmU8S8Row& row, const MatrixLayout& layout) noexcept;
// Of one of its panels.
int64_t packed_panel_bytes(const GemmU8S8Row& row, int64_t positions, int64_t k) noexcept;
// `b` holds int8 or uint8 elements. column_sums may be null; else the sums over p and k of what was
// packed (a uint8 W less 128).
void pack(const GemmU8S8Row& row, const MatrixLayout& layout, const void* b, bool b_signed,
          int8_t* packed, int32_t* column_sums) noexcept;
void pack_panels(const GemmU8S8Row& row, const MatrixLayout& layout, const void* b, bool b_signed,
                 Range panels, int8_t* packed, int32_t* column_sums) noexcept;

// folded[n] = bias[n] - za * column_sums[n] + K * za * zw[n] and b_zero[n] = zw[n], all in the
// domain of the row's form, for groups * n columns. `zw` has zw_count elements: 0 (zeros), 1 or
// groups * n. Returns whether any b_zero is not zero: if not, leave the epilogue's b_zero null (and
// b_zero may be null here if zw is known to be zero and W is int8).
bool fold_zero_points(const GemmU8S8Weights& weights, const int32_t* column_sums, bool a_signed,
                      int32_t za, const int32_t* zw, int64_t zw_count, const int32_t* bias,
                      int32_t* folded, int32_t* b_zero) noexcept;

struct GemmU8S8Call {
  RowSource a;
  bool a_signed = false;
  int32_t a_zero = 0;  // its zero point: most of A is near it; speed only
  void* out = nullptr;
  int64_t out_stride = 0;  // elements from row to row, >= groups * n
  GemmU8S8Epilogue epilogue;
};

// Bytes of scratch one thread needs, 64-byte aligned.
size_t scratch_bytes(const GemmU8S8Weights& weights) noexcept;
void run(const GemmU8S8Weights& weights, const GemmU8S8Call& call, Range m, Range panels,
         std::byte* scratch) noexcept;

// The specification: a triple loop. epilogue.bias is the plain bias here, zero points are given
// apart.
struct GemmU8S8Zeros {
  int32_t za = 0;
  const int32_t* zw = nullptr;  // [zw_count]
  int64_t zw_count = 0;
};
void reference(const MatrixLayout& layout, const void* b, bool b_signed, const GemmU8S8Zeros& zeros,
               const GemmU8S8Call& call, int64_t m) noexcept;

}  // namespace tersor::kernels
