// Geometry of sliding windows: convolutions and pooling, any number of spatial axes.
#pragma once

#include <algorithm>
#include <optional>
#include <span>
#include <vector>

#include "ops/operator.h"

namespace tersor::ops::detail {

// One spatial axis of a placed window. Output o and tap k meet input o * stride - begin + k *
// dilation.
struct WindowAxis {
  int64_t in = 1, out = 1, kernel = 1, stride = 1, dilation = 1;
  int64_t begin = 0, end = 0;  // padding in front and behind
  // The taps [first, last) of output o that lie inside the input.
  int64_t first_tap(int64_t o) const {
    const int64_t at = o * stride - begin;
    return at >= 0 ? 0 : (-at + dilation - 1) / dilation;
  }
  int64_t last_tap(int64_t o) const {
    const int64_t room = in - (o * stride - begin);
    return room <= 0 ? 0 : std::min(kernel, (room + dilation - 1) / dilation);
  }
};

// The attributes of a window; lists have one element per spatial axis.
struct Window {
  enum class AutoPad : uint8_t { kNotSet, kValid, kSameUpper, kSameLower };
  Dims kernel, strides, dilations, begin, end;
  AutoPad auto_pad = AutoPad::kNotSet;
  bool ceil_mode = false;

  size_t rank() const { return kernel.size(); }
  // Elements from the first to the last tap of an axis.
  int64_t extent(size_t axis) const;
  // An Error if the window does not fit an input of these spatial dimensions.
  std::vector<WindowAxis> place(std::span<const int64_t> spatial) const;
  WindowAxis place_axis(size_t axis, int64_t in) const;
  // The output's spatial dimensions; numbers where the input's are numbers.
  ir::Shape infer(std::span<const ir::Dim> spatial) const;
};

// Reads strides, dilations, pads, auto_pad, ceil_mode. `kernel`: the spatial dimensions of the
// weight, or empty to take kernel_shape. An Error (E22) if lists have other lengths or elements out
// of range.
Window window_of(const ir::Node& node, Dims kernel);

// The same for ConvTranspose, where output o = input i * stride - begin + k * dilation.
// WindowAxis::in and out are those of the ConvTranspose.
struct TransposedWindow {
  Window window;
  Dims output_padding, output_shape;  // output_shape: empty if absent
  std::vector<WindowAxis> place(std::span<const int64_t> spatial) const;
  WindowAxis place_axis(size_t axis, int64_t in) const;
  ir::Shape infer(std::span<const ir::Dim> spatial) const;
};
TransposedWindow transposed_window_of(const ir::Node& node, Dims kernel);

// Calls f(span index) for all indices of `dims` in row-major order.
template <typename F>
void for_each_index(std::span<const int64_t> dims, F&& f) {
  for (int64_t d : dims)
    if (d == 0) return;
  Dims index(dims.size(), 0);
  for (;;) {
    f(std::span<const int64_t>(index));
    size_t axis = dims.size();
    for (;;) {
      if (axis == 0) return;
      --axis;
      if (++index[axis] < dims[axis]) break;
      index[axis] = 0;
    }
  }
}

// A tap inside the input: its number in the kernel and the offset of the input element, both
// row-major over the spatial axes.
struct Tap {
  int64_t tap, offset;
};
// The taps of the output at `index`, in row-major order.
void taps_at(std::span<const WindowAxis> axes, std::span<const int64_t> index,
             std::vector<Tap>& taps);

Dims outputs_of(std::span<const WindowAxis> axes);

}  // namespace tersor::ops::detail
