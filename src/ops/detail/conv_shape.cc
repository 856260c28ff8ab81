#include "ops/detail/conv_shape.h"

#include <algorithm>

#include "base/checked.h"
#include "base/error.h"

namespace tersor::ops::detail {
namespace {

// Larger numbers in windows are refused, so that positions cannot overflow.
constexpr int64_t kLargest = int64_t{1} << 31;

Dims list_of(const ir::Node& node, const char* name, size_t length, int64_t otherwise,
             int64_t least) {
  Dims list = node.attr_ints(name);
  if (list.empty()) return Dims(length, otherwise);
  if (list.size() != length)
    base::fail_input("E22", "attribute {} has {} elements, {} are needed", name, list.size(),
                     length);
  for (int64_t v : list)
    if (v < least || v >= kLargest) base::fail_input("E22", "attribute {} holds {}", name, v);
  return list;
}

// Splits a padding for SAME: the odd element goes behind for upper, in front for lower.
void split(WindowAxis& a, int64_t total, bool upper) {
  total = std::max<int64_t>(total, 0);
  a.begin = upper ? total / 2 : total - total / 2;
  a.end = total - a.begin;
}

Window basic_window(const ir::Node& node, Dims kernel) {
  Window w;
  const Dims named = node.attr_ints("kernel_shape");
  if (kernel.empty())
    kernel = named;
  else if (!named.empty() && named != kernel)
    base::fail_input("E22", "kernel_shape {} contradicts a weight of {}", tensor::to_string(named),
                     tensor::to_string(kernel));
  for (int64_t k : kernel)
    if (k < 1 || k >= kLargest)
      base::fail_input("E22", "a kernel of shape {}", tensor::to_string(kernel));
  const size_t n = kernel.size();
  w.kernel = std::move(kernel);
  w.strides = list_of(node, "strides", n, 1, 1);
  w.dilations = list_of(node, "dilations", n, 1, 1);
  const std::string mode = node.attr_string("auto_pad", "NOTSET");
  if (mode == "VALID")
    w.auto_pad = Window::AutoPad::kValid;
  else if (mode == "SAME_UPPER")
    w.auto_pad = Window::AutoPad::kSameUpper;
  else if (mode == "SAME_LOWER")
    w.auto_pad = Window::AutoPad::kSameLower;
  else if (mode != "NOTSET" && !mode.empty())
    base::fail_input("E22", "attribute auto_pad is {}", base::quoted(mode));
  Dims pads = list_of(node, "pads", 2 * n, 0, 0);
  if (w.auto_pad != Window::AutoPad::kNotSet) pads.assign(2 * n, 0);
  w.begin.assign(pads.begin(), pads.begin() + static_cast<int64_t>(n));
  w.end.assign(pads.begin() + static_cast<int64_t>(n), pads.end());
  w.ceil_mode = node.attr_int("ceil_mode", 0) != 0;
  return w;
}

void check_rank(size_t have, size_t want) {
  if (have != want)
    base::fail_input("E17", "a window of {} axes over an input of {} spatial axes", want, have);
}

}  // namespace

int64_t Window::extent(size_t axis) const {
  return base::checked_add(base::checked_mul(kernel[axis] - 1, dilations[axis]), int64_t{1});
}

Window window_of(const ir::Node& node, Dims kernel) {
  return basic_window(node, std::move(kernel));
}

WindowAxis Window::place_axis(size_t i, int64_t in) const {
  if (in >= kLargest) base::fail_input("E60", "a spatial axis of {} elements", in);
  WindowAxis a{in, 0, kernel[i], strides[i], dilations[i], begin[i], end[i]};
  if (auto_pad == AutoPad::kSameUpper || auto_pad == AutoPad::kSameLower) {
    a.out = (in + a.stride - 1) / a.stride;
    split(a, base::checked_add((a.out - 1) * a.stride, extent(i)) - in,
          auto_pad == AutoPad::kSameUpper);
    return a;
  }
  const int64_t room = in + a.begin + a.end - extent(i);
  if (room < 0)
    base::fail_input("E17", "a window of {} elements over {} elements with padding {}", extent(i),
                     in, a.begin + a.end);
  a.out = room / a.stride + 1;
  if (ceil_mode && room % a.stride != 0) {
    ++a.out;
    // A window that would start behind the input and its front padding does not count.
    if ((a.out - 1) * a.stride >= in + a.begin) --a.out;
  }
  return a;
}

std::vector<WindowAxis> Window::place(std::span<const int64_t> spatial) const {
  check_rank(spatial.size(), rank());
  std::vector<WindowAxis> axes;
  for (size_t i = 0; i < rank(); ++i) axes.push_back(place_axis(i, spatial[i]));
  return axes;
}

ir::Shape Window::infer(std::span<const ir::Dim> spatial) const {
  check_rank(spatial.size(), rank());
  ir::Shape out;
  for (size_t i = 0; i < rank(); ++i) {
    if (spatial[i].known()) {
      out.emplace_back(place_axis(i, spatial[i].value).out);
      continue;
    }
    const bool same = auto_pad == AutoPad::kSameUpper || auto_pad == AutoPad::kSameLower;
    const int64_t lost = extent(i) - 1 - begin[i] - end[i];
    if (strides[i] == 1) {
      out.push_back(same        ? spatial[i]
                    : lost >= 0 ? sub(spatial[i], ir::Dim(lost))
                                : add(spatial[i], ir::Dim(-lost)));
    } else if (same || ceil_mode) {
      out.emplace_back();
    } else {
      // floor((in - lost - 1) / stride) + 1 = floor((in - lost - 1 + stride) / stride)
      const int64_t more = strides[i] - lost - 1;
      out.push_back(
          div(more >= 0 ? add(spatial[i], ir::Dim(more)) : sub(spatial[i], ir::Dim(-more)),
              ir::Dim(strides[i])));
    }
  }
  return out;
}

TransposedWindow transposed_window_of(const ir::Node& node, Dims kernel) {
  TransposedWindow t;
  t.window = basic_window(node, std::move(kernel));
  const size_t n = t.window.rank();
  t.output_padding = list_of(node, "output_padding", n, 0, 0);
  t.output_shape = node.attr_ints("output_shape");
  if (t.output_shape.size() == n + 2)
    t.output_shape.erase(t.output_shape.begin(), t.output_shape.begin() + 2);
  if (!t.output_shape.empty() && t.output_shape.size() != n)
    base::fail_input("E22", "attribute output_shape has {} elements, {} are needed",
                     t.output_shape.size(), n);
  for (int64_t v : t.output_shape)
    if (v < 1 || v >= kLargest) base::fail_input("E22", "attribute output_shape holds {}", v);
  return t;
}

WindowAxis TransposedWindow::place_axis(size_t i, int64_t in) const {
  if (in >= kLargest) base::fail_input("E60", "a spatial axis of {} elements", in);
  using AutoPad = Window::AutoPad;
  const Window& w = window;
  WindowAxis a{in, 0, w.kernel[i], w.strides[i], w.dilations[i], w.begin[i], w.end[i]};
  const int64_t reach = in > 0 ? base::checked_mul(in - 1, a.stride) : 0;
  const int64_t full = base::checked_add(base::checked_add(reach, output_padding[i]), w.extent(i));
  const bool same = w.auto_pad == AutoPad::kSameUpper || w.auto_pad == AutoPad::kSameLower;
  if (!output_shape.empty() || same) {
    a.out = output_shape.empty() ? base::checked_mul(in, a.stride) : output_shape[i];
    split(a, full - a.out, w.auto_pad == AutoPad::kSameUpper);
    return a;
  }
  a.out = full - a.begin - a.end;
  if (a.out < 0)
    base::fail_input("E17", "padding {} crops an axis of {} elements", a.begin + a.end, full);
  return a;
}

std::vector<WindowAxis> TransposedWindow::place(std::span<const int64_t> spatial) const {
  check_rank(spatial.size(), window.rank());
  std::vector<WindowAxis> axes;
  for (size_t i = 0; i < spatial.size(); ++i) axes.push_back(place_axis(i, spatial[i]));
  return axes;
}

ir::Shape TransposedWindow::infer(std::span<const ir::Dim> spatial) const {
  check_rank(spatial.size(), window.rank());
  ir::Shape out;
  for (size_t i = 0; i < spatial.size(); ++i) {
    if (spatial[i].known() || !output_shape.empty()) {
      out.emplace_back(place_axis(i, spatial[i].known() ? spatial[i].value : 1).out);
      continue;
    }
    const ir::Dim grown = mul(spatial[i], ir::Dim(window.strides[i]));
    if (window.auto_pad == Window::AutoPad::kSameUpper ||
        window.auto_pad == Window::AutoPad::kSameLower) {
      out.push_back(grown);
      continue;
    }
    const int64_t more =
        output_padding[i] + window.extent(i) - window.strides[i] - window.begin[i] - window.end[i];
    out.push_back(more >= 0 ? add(grown, ir::Dim(more)) : sub(grown, ir::Dim(-more)));
  }
  return out;
}

void taps_at(std::span<const WindowAxis> axes, std::span<const int64_t> index,
             std::vector<Tap>& taps) {
  taps.assign(1, {0, 0});
  for (size_t i = 0; i < axes.size(); ++i) {
    const WindowAxis& a = axes[i];
    const int64_t first = a.first_tap(index[i]), last = a.last_tap(index[i]);
    if (last <= first) {
      taps.clear();
      return;
    }
    const size_t before = taps.size();
    std::vector<Tap> next;
    next.reserve(before * static_cast<size_t>(last - first));
    for (const Tap& t : taps)
      for (int64_t k = first; k < last; ++k)
        next.push_back({t.tap * a.kernel + k,
                        t.offset * a.in + index[i] * a.stride - a.begin + k * a.dilation});
    taps.swap(next);
  }
}

Dims outputs_of(std::span<const WindowAxis> axes) {
  Dims out;
  for (const WindowAxis& a : axes) out.push_back(a.out);
  return out;
}

}  // namespace tersor::ops::detail
