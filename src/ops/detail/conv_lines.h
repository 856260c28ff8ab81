// Convolutions of few channels (a stem): the pixels under one line of the kernel lie side by side
// in a channels-last image, so that, once the padding is written out, they are one row of kw * c
// elements. The kernel then has kh positions of long rows instead of kh * kw of very short ones;
// or, joined, one of kh * kw * c elements, which is copied together for each tile.
#pragma once

#include <vector>

#include "kernels/conv_common/conv.h"
#include "ops/operator.h"

namespace tersor::ops::detail {

class ConvLines {
 public:
  static bool wanted(const kernels::ConvShape& shape);
  // `unit`: rows are a multiple of so many elements long; weights stand against the excess as
  // zeros. `join`: where lines are short enough, for elements of one byte.
  ConvLines(const kernels::ConvShape& shape, int64_t unit, bool join = false);

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
  bool joined_;
  int64_t row_;  // of a line
  int64_t k_;    // of a position
};

}  // namespace tersor::ops::detail
