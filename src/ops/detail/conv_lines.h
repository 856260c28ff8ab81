// Convolutions of few channels (a stem): the pixels under one line of the kernel lie side by side
// in a channels-last image, so that, once the padding is written out, they are one row of kw * c
// elements. The kernel then has kh positions of long rows instead of kh * kw of very short ones.
// Or, joined, one of kh * kw * c elements, which is copied together for each tile. Or, folded: each
// stride_h x stride_w pixels become one of as many times the channels; the convolution then has
// stride 1 and ceil(kh / stride_h) positions, and its rows overlap where they lie.
#pragma once

#include <vector>

#include "kernels/conv_common/conv.h"
#include "ops/operator.h"

namespace tersor::ops::detail {

class ConvLines {
 public:
  static bool wanted(const kernels::ConvShape& shape);
  // Whether the rows of `wanted` ones, folded, are at most so many elements long.
  static bool folds(const kernels::ConvShape& shape, int64_t most);
  enum class Form { apart, joined, folded };
  // `unit`: rows are a multiple of so many elements long; weights stand against the excess as
  // zeros. Lines are joined only where they are short enough, of elements of one byte.
  ConvLines(const kernels::ConvShape& shape, int64_t unit, Form form = Form::apart);

  kernels::MatrixLayout layout() const;
  // Weights [oc, c, kh, kw] in the order of layout().
  template <typename T>
  std::vector<T> weights(const T* w) const;

  // The image with its padding, and its shape as layout() wants it. `pixel`: one pixel of padding.
  struct Padded {
    Tensor memory;
    kernels::ConvShape shape;
    bool joined;
    kernels::RowSource source() const {
      return joined ? kernels::RowSource::joined_lines(memory.raw(), shape)
                    : kernels::RowSource::pixels(memory.raw(), shape, nullptr, false);
    }
  };
  Padded pad(runtime::StepContext& c, const void* x, const kernels::ConvShape& shape,
             const void* pixel, int64_t element) const;

 private:
  int64_t c_, oc_, kh_, kw_;
  int64_t fold_h_ = 1, fold_w_ = 1;
  bool joined_;
  int64_t row_;  // of a line
  int64_t k_;    // of a position

  // Of the kernel, in folded pixels.
  int64_t lines() const { return (kh_ + fold_h_ - 1) / fold_h_; }
  int64_t columns() const { return (kw_ + fold_w_ - 1) / fold_w_; }
  int64_t pixel() const { return fold_h_ * fold_w_ * c_; }
};

}  // namespace tersor::ops::detail
