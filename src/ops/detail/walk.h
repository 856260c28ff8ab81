// Iteration over strided N-d tensors. Strides are in elements.
#pragma once

#include <array>
#include <span>

#include "base/checked.h"
#include "tensor/tensor.h"

namespace tersor::ops::detail {

// Row-major strides. Those of a tensor without elements may wrap; nobody uses them.
inline Dims strides_of(std::span<const int64_t> dims) {
  Dims s(dims.size(), 1);
  for (size_t i = dims.size(); i-- > 1;)
    s[i - 1] = static_cast<int64_t>(static_cast<uint64_t>(s[i]) *
                                    static_cast<uint64_t>(dims[i] > 0 ? dims[i] : 1));
  return s;
}

// Strides that read a tensor of shape `dims` as if it had the shape `out` (numpy broadcasting): 0
// where it repeats. `dims` must broadcast to `out`.
inline Dims broadcast_strides(std::span<const int64_t> dims, std::span<const int64_t> out) {
  const Dims own = strides_of(dims);
  Dims s(out.size(), 0);
  const size_t skip = out.size() - dims.size();
  for (size_t i = 0; i < dims.size(); ++i) s[skip + i] = dims[i] == 1 ? 0 : own[i];
  return s;
}

// Calls f(std::array<int64_t, N> offsets) for every index of `dims` in row-major order: the offset
// of that index in each of N operands.
template <size_t N, typename F>
void walk(std::span<const int64_t> dims, const std::array<Dims, N>& strides, F&& f) {
  if (base::element_count(dims) == 0) return;
  std::array<int64_t, N> at{};
  if (dims.empty()) {
    f(at);
    return;
  }
  const size_t last = dims.size() - 1;
  Dims index(dims.size(), 0);
  for (;;) {
    std::array<int64_t, N> o = at;
    for (int64_t i = 0; i < dims[last]; ++i) {
      f(o);
      for (size_t k = 0; k < N; ++k) o[k] += strides[k][last];
    }
    size_t axis = last;
    while (axis > 0) {
      --axis;
      for (size_t k = 0; k < N; ++k) at[k] += strides[k][axis];
      if (++index[axis] < dims[axis]) break;
      for (size_t k = 0; k < N; ++k) at[k] -= strides[k][axis] * dims[axis];
      index[axis] = 0;
      if (axis == 0) return;
    }
    if (last == 0) return;
  }
}

// A tensor as [outer, dims[axis], inner] around one axis.
struct AxisSplit {
  int64_t outer = 1, length = 1, inner = 1;
};
inline AxisSplit split_at(std::span<const int64_t> dims, int axis) {
  const auto a = static_cast<size_t>(axis);
  return {base::element_count(dims.subspan(0, a)), dims[a],
          base::element_count(dims.subspan(a + 1))};
}

}  // namespace tersor::ops::detail
