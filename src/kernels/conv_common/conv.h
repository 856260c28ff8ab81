// What convolutions share: their shape, and where the rows of the left operand of the "indirect
// product" lie. gemm_f32 and gemm_u8s8 compute
//   out[m][n] = epilogue(sum over p < positions, k < K of A[p][m][k] * W[p][k][n])
// where A[p][m] is a pointer to K contiguous elements. A matrix product has one position; a
// convolution has kh * kw, rows m are output pixels in N, OH, OW order, and K = channels of a
// group. Activations are channels-last (NHWC), dense.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tersor::kernels {

// A 2-D convolution (1-D: h = kh = oh = 1). Bottom and right padding show only in oh and ow.
struct ConvShape {
  int64_t n = 1, h = 1, w = 1, c = 1;  // input; c over all groups
  int64_t oh = 1, ow = 1, oc = 1;      // output; oc over all groups
  int64_t groups = 1;
  int64_t kh = 1, kw = 1;
  int64_t stride_h = 1, stride_w = 1;
  int64_t dilation_h = 1, dilation_w = 1;
  int64_t pad_top = 0, pad_left = 0;
  int64_t pixel = 0;  // elements from pixel to pixel of the input; 0: c

  int64_t pixel_stride() const noexcept { return pixel > 0 ? pixel : c; }
  int64_t positions() const noexcept { return kh * kw; }
  int64_t pixels() const noexcept { return n * oh * ow; }
  int64_t group_inputs() const noexcept { return c / groups; }
  int64_t group_outputs() const noexcept { return oc / groups; }
  bool depthwise() const noexcept { return groups == c && groups == oc && groups > 1; }
  // The rows are the input's own pixels: treat it as a matrix product (RowSource::dense).
  bool pointwise() const noexcept {
    return pixel_stride() == c && kh == 1 && kw == 1 && stride_h == 1 && stride_w == 1 &&
           pad_top == 0 && pad_left == 0 && oh == h && ow == w;
  }
};

// Few channels per group (a stem): the positions are gathered into one dense row of kh * kw *
// channels. Weights are then packed with MatrixLayout::flatten. Depends on what is known when
// weights are packed.
bool wants_im2col(int64_t group_inputs, int64_t positions) noexcept;

// Asks for kBytes of packed weights some way behind `at`, what is being multiplied: the first rows
// of all meet weights that lie beyond L2, and what is left of the time until then is longer than
// the way from DRAM.
template <int kBytes>
[[gnu::always_inline]] inline void fetch_ahead(const void* at) noexcept {
  constexpr int kAhead = 8192;
#pragma GCC unroll 4
  for (int line = 0; line < kBytes; line += 64)
    __builtin_prefetch(static_cast<const char*>(at) + kAhead + line, 0, 2);
}

// Where the rows A[p][m] lie. `data` and `padding` point to elements of the family's type.
struct RowSource {
  const void* data = nullptr;
  int64_t stride = 0;               // elements from row m to row m + 1; dense rows only
  const ConvShape* conv = nullptr;  // set: rows are output pixels of this convolution
  const void* padding = nullptr;    // conv->c / groups elements, all equal to the zero (zero point)
  bool im2col = false;              // gather positions into scratch; needs `flatten`ed weights
  bool lines = false;               // see joined_lines

  static RowSource dense(const void* data, int64_t stride) noexcept {
    RowSource s;
    s.data = data;
    s.stride = stride;
    return s;
  }
  static RowSource pixels(const void* data, const ConvShape& conv, const void* padding,
                          bool im2col) noexcept {
    RowSource s;
    s.data = data;
    s.conv = &conv;
    s.padding = padding;
    s.im2col = im2col;
    return s;
  }
  // conv has kw 1 and no padding, and lines of c elements, at most kLineBytes; the kh lines of a
  // pixel are one row of kh * c elements. kLineBytes may be read from where a line begins.
  static RowSource joined_lines(const void* data, const ConvShape& conv) noexcept {
    RowSource s;
    s.data = data;
    s.conv = &conv;
    s.lines = true;
    return s;
  }
  static constexpr int64_t kLineBytes = 32;
};

// Where the weights W[g][p][k][n] lie before packing: element strides, any sign and order. K and N
// are per group.
//   ONNX Conv [OC, C/g, kh, kw]: {groups, kh*kw, C/g, OC/g, group: OC/g*C/g*kh*kw, p: 1, k: kh*kw,
//                                 n: C/g*kh*kw}  (conv_layout makes it)
//   MatMul / Gemm B [K, N]:      {1, 1, K, N, 0, 0, k: N, n: 1};  transposed [N, K]: k: 1, n: K
struct MatrixLayout {
  int64_t groups = 1, positions = 1, k = 0, n = 0;
  int64_t group_stride = 0, position_stride = 0, k_stride = 0, n_stride = 0;
  bool flatten = false;  // the positions become part of k (im2col)

  static MatrixLayout rows(int64_t k, int64_t n, bool transposed) noexcept {
    MatrixLayout l;
    l.k = k;
    l.n = n;
    l.k_stride = transposed ? 1 : n;
    l.n_stride = transposed ? k : 1;
    return l;
  }
  // Inner length after flattening, and the positions left.
  int64_t packed_k() const noexcept { return flatten ? positions * k : k; }
  int64_t packed_positions() const noexcept { return flatten ? 1 : positions; }
};
MatrixLayout conv_layout(const ConvShape& shape) noexcept;  // flatten by wants_im2col

// A half-open range.
struct Range {
  int64_t begin = 0, end = 0;
  int64_t size() const noexcept { return end - begin; }
};

// Work of a product of m rows and `panels` column panels, cut for `threads`: tasks() pieces of
// similar cost. Piece i covers rows(i) and columns(i). `unit`: rows that cost no more than one, of
// which pieces are multiples. `far`: weights take longer to read than to multiply, each is to be
// read for one piece only.
struct WorkSplit {
  int64_t m = 0, panels = 0, m_chunk = 1, panel_chunk = 1;
  int64_t m_tasks() const noexcept { return (m + m_chunk - 1) / m_chunk; }
  int64_t panel_tasks() const noexcept { return (panels + panel_chunk - 1) / panel_chunk; }
  int64_t tasks() const noexcept { return m_tasks() * panel_tasks(); }
  Range rows(int64_t task) const noexcept;
  Range columns(int64_t task) const noexcept;
};
WorkSplit split_work(int64_t m, int64_t panels, int mr, int threads, int unit = 1,
                     bool far = false) noexcept;

// For the families. Fills pointers[p * mr + i], i < rows, for rows m0 + i; `element` is the element
// size, `offset` the first channel of the group. Under im2col gathers into `gather` (rows of
// positions * channels elements, one after the other) and fills one position.
void fill_rows(const RowSource& source, int64_t m0, int rows, int mr, int element, int64_t offset,
               const void** pointers, std::byte* gather) noexcept;

// Rows a multiple of 4 KiB apart share one set of the L1 cache and evict each other. If the rows of
// this tile do, and `uses` products will read them, copies them to `to` (room for mr * positions
// pitches of copied_pitch(row_bytes)) and points there.
size_t copied_pitch(size_t row_bytes) noexcept;
void spread_rows(const void** pointers, int rows, int mr, int64_t positions, size_t row_bytes,
                 int64_t uses, std::byte* to) noexcept;

// Asks for the rows of the next tile while this one is computed, `share` of `shares` of them:
// streams that cross pages are not fetched ahead by the hardware. One position, dense rows.
void prefetch_rows(const RowSource& source, int64_t m0, int rows, int element, int64_t offset,
                   size_t row_bytes, int64_t share, int64_t shares) noexcept;

}  // namespace tersor::kernels
