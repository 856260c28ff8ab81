// What products by tiles (AMX) have in common, of whatever operands: 16 rows of 64 bytes of k times
// 16 columns by one instruction, two tiles of rows times two of columns at a time. For the
// families. Weights are packed in panels of 16 columns, so that the tiles of a panel lie one behind
// the other; two panels are met at a time.
//
// Rows are read where they lie if they are equally far apart. Other rows, those of a convolution
// and the last ones, are copied together first. Lengths are in bytes.
#pragma once

#include <algorithm>

#include "kernels/conv_common/conv.h"

namespace tersor::kernels {

// Rows of A, times some panels.
struct TilesPanel {
  int64_t rows;
  // Line i of row m is the line_bytes bytes, a multiple of 64, from
  // prepared + m * prepared_bytes + offsets[i] on; rows up to a multiple of 16 can be read but for
  // `again`.
  const std::byte* prepared;
  int64_t prepared_bytes;
  int64_t line_bytes, lines;
  const int64_t* offsets;  // [lines]; there is one in any case
  // Of `stretch + gap` rows, `stretch` are results; the first one is the row `at` of them.
  int64_t stretch, gap, at;
  // Nothing can be read behind the rows, which are 32 or more: the last tiles compute some of those
  // before them again.
  bool again;
  // So many pairs of panels of equal width follow each other; of the last one there may be one
  // panel only, by the number of columns. by_rows: rows meet all of them before the next rows do,
  // instead of a pair all rows.
  int64_t panel_pairs;
  bool by_rows;
};

// Rows to be copied together, all positions one after the other without gaps.
struct TilesCopy {
  const uint8_t* const* a;  // [positions][rows]
  int64_t rows, positions, k;
  int64_t apart;  // not 0 for joined lines (conv.h), which lie so far apart; a is [rows]
  std::byte* to;
  int64_t pitch;  // from row to row
};

// What a row of a family has of its own for its tiles.
struct TilesCalls {
  void (*copy)(const TilesCopy&) noexcept = nullptr;
  // Before and after what one thread does.
  void (*open)() noexcept = nullptr;
  void (*close)() noexcept = nullptr;
};

namespace tiles {

constexpr int64_t kRows = 16, kRowBytes = 64;  // of a tile
constexpr int64_t kColumns = 32;               // that are met at a time

// Of `columns` those that are met at once. Tells the panel how often.
inline int pair_up(int64_t columns, TilesPanel& p) noexcept {
  p.panel_pairs = std::max<int64_t>(1, columns / kColumns);
  return static_cast<int>(std::min(columns, kColumns));
}

// Whether tiles are faster than vectors. Where rows are short there is little but results, which
// vectors have at hand; for few columns tiles are mostly empty. Sizes of 0: not known.
inline bool pays(const MatrixLayout& l) noexcept {
  const int64_t length = l.packed_positions() * l.packed_k();
  return (length == 0 || length >= 32) && (l.n == 0 || l.n > 16);
}

// The length of a packed row.
constexpr int64_t row_bytes(int64_t positions, int64_t k) noexcept {
  return (positions * k + kRowBytes - 1) / kRowBytes * kRowBytes;
}

// A product.
struct Shape {
  int64_t positions, k;  // as packed; bytes of k
  int64_t taps;          // positions before flattening
  int64_t n;             // columns
  int64_t result;        // bytes of one
  int64_t panels, mr;
  bool far;    // weights come from beyond L2
  bool clean;  // rows must not go on into what follows in memory: times zero it may not be zero
};

WorkSplit split(const Shape& shape, int64_t m, int threads) noexcept;

// How many panels all blocks of rows meet before they meet the next ones: weights from afar, if
// there is more than one block, in parts that stay in L2.
inline int64_t panels_at_once(const Shape& s, bool blocks) noexcept {
  constexpr int64_t kPart = 768 << 10, kAll = int64_t{1} << 40;
  if (!s.far || !blocks) return kAll;
  const int64_t pair = kColumns * row_bytes(s.positions, s.k);
  return std::max<int64_t>(1, kPart / pair) * 2;
}

// The left operand of a call, block by block.
class Rows {
 public:
  // `source` in elements of one byte, rows up to `end`. copies: rows have to be copied in any case.
  // twice: results may be computed and written twice. Scratch: scratch_bytes(shape), from a
  // multiple of 64 on.
  Rows(const Shape& shape, const RowSource& source, int64_t end, const TilesCalls& calls,
       bool copies, bool twice, std::byte* scratch) noexcept;
  static int64_t scratch_bytes(const Shape& shape) noexcept;
  // The most rows of a block.
  static int64_t block(const Shape& shape) noexcept;

  // Tells a panel where some rows from m0 on lie, of the group whose channels begin at `offset`.
  // Returns the end of them.
  int64_t next(int64_t m0, int64_t offset, TilesPanel& p) noexcept;
  // What was copied one by one last.
  const TilesCopy& copied() const noexcept { return copy_; }

 private:
  // dense: a matrix, read where it lies. padded: the input of a convolution is copied with its
  // padding, for strides as so many images as there are ways to begin: every other pixel of every
  // other line, say. Then the rows of all outputs are equally far apart for each position of the
  // kernel, if the pixels at the ends of lines where it reaches around count as outputs, too.
  // plain: a convolution of stride 1 without padding, read so where it lies.
  enum class Way { copied, dense, plain, padded };

  // Lays the parts of the scratch; returns their size.
  int64_t cut(std::byte* scratch) noexcept;
  const ConvShape* conv() const noexcept { return source_.conv; }
  const std::byte* data() const noexcept { return static_cast<const std::byte*>(source_.data); }
  bool fits_padded() const noexcept;
  int64_t most_lines() const noexcept;
  int64_t within(int64_t rows, int64_t some, TilesPanel& p) const noexcept;
  void lie_at(const std::byte* rows, int64_t pitch, int64_t count, TilesPanel& p) const noexcept;
  int64_t dense(int64_t m0, int64_t offset, TilesPanel& p) const noexcept;
  bool fits_plain() const noexcept;
  int64_t plain(int64_t m0, TilesPanel& p) const noexcept;
  int64_t padded(int64_t m0, TilesPanel& p) const noexcept;
  void lie_in_lines(const std::byte* rows, int64_t m0, int64_t gap, TilesPanel& p) const noexcept;
  void lay(const std::byte* from, int64_t y, int64_t x, int64_t lines,
           std::byte* to) const noexcept;
  int64_t copy(int64_t m0, int64_t offset, TilesPanel& p) noexcept;

  Shape s_;
  RowSource source_;
  int64_t end_;
  TilesCalls calls_;
  bool twice_;
  const void** pointers_;
  int64_t* offsets_;
  std::byte* rows_;
  TilesCopy copy_{};
  Way way_ = Way::copied;
};

}  // namespace tiles
}  // namespace tersor::kernels
