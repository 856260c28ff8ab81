// Unique (11): the distinct elements, or slices along an axis, sorted or in order of appearance;
// with the index of the first occurrence, the inverse map and counts.
#include <algorithm>
#include <functional>
#include <numeric>
#include <string_view>

#include "ops/detail/arguments.h"
#include "ops/detail/dispatch.h"
#include "ops/detail/move.h"
#include "ops/detail/walk.h"

namespace tersor::ops {
namespace {

using namespace detail;

void infer(InferContext& c) {
  std::optional<ir::Shape> shape = ir::Shape(1);
  if (c.node.has("axis")) {
    shape = c.shape(0);
    if (shape)
      (*shape)[static_cast<size_t>(normalize_axis(c.node.attr_int("axis", 0), c.rank(0)))] =
          ir::Dim();
  }
  c.out(0, c.elem(0), std::move(shape));
  for (size_t i = 1; i < 4; ++i) c.out(i, DType::kInt64, ir::Shape(1));
}

// The sign of a - b for slices a and b, lexicographically.
using Compare = std::function<int(int64_t, int64_t)>;

template <typename Get>
Compare comparison(const AxisSplit& s, Get get) {
  return [s, get](int64_t a, int64_t b) {
    for (int64_t o = 0; o < s.outer; ++o)
      for (int64_t i = 0; i < s.inner; ++i) {
        const auto p = get((o * s.length + a) * s.inner + i);
        const auto q = get((o * s.length + b) * s.inner + i);
        if (p < q) return -1;
        if (q < p) return 1;
      }
    return 0;
  };
}

Compare comparison(const Tensor& x, const AxisSplit& s) {
  if (x.dtype() == DType::kString) {
    const std::string* p = x.strings().data();
    return comparison(s, [p](int64_t i) { return std::string_view(p[i]); });
  }
  if (x.dtype() == DType::kBool) {
    const uint8_t* p = bool_bytes(x).data();
    return comparison(s, [p](int64_t i) { return p[i] != 0; });
  }
  return dispatch_numeric(x.dtype(), [&]<typename T>() -> Compare {
    const T* p = x.data<T>().data();
    return comparison(s, [p](int64_t i) { return load(p[i]); });
  });
}

void reference(ComputeContext& c) {
  const Tensor& x = c.in(0);
  const bool flat = !c.node.has("axis");
  const int axis = flat ? 0 : normalize_axis(c.node.attr_int("axis", 0), x.rank());
  Dims dims = flat ? Dims{x.count()} : x.dims();
  const AxisSplit s = split_at(dims, axis);
  const Compare compare = comparison(x, s);
  std::vector<int64_t> order(static_cast<size_t>(s.length));
  std::iota(order.begin(), order.end(), int64_t{0});
  std::ranges::stable_sort(order, [&](int64_t a, int64_t b) { return compare(a, b) < 0; });
  // Groups of equal slices; each starts with its first occurrence.
  std::vector<int64_t> first, group(order.size()), counts;
  for (size_t i = 0; i < order.size(); ++i) {
    if (i == 0 || compare(order[i - 1], order[i]) != 0) {
      first.push_back(order[i]);
      counts.push_back(0);
    }
    ++counts.back();
    group[static_cast<size_t>(order[i])] = static_cast<int64_t>(first.size()) - 1;
  }
  std::vector<int64_t> rank(first.size());
  std::iota(rank.begin(), rank.end(), int64_t{0});
  if (c.node.attr_int("sorted", 1) == 0)
    std::ranges::sort(rank, {}, [&](int64_t g) { return first[static_cast<size_t>(g)]; });
  std::vector<int64_t> place(first.size());
  for (size_t i = 0; i < rank.size(); ++i)
    place[static_cast<size_t>(rank[i])] = static_cast<int64_t>(i);
  const auto n = static_cast<int64_t>(first.size());
  dims[static_cast<size_t>(axis)] = n;
  Sink y(c, 0, x.dtype(), dims);
  const Source from(x);
  for (int64_t o = 0; o < s.outer; ++o)
    for (int64_t k = 0; k < n; ++k)
      y.copy((o * n + k) * s.inner, from,
             (o * s.length + first[static_cast<size_t>(rank[static_cast<size_t>(k)])]) * s.inner,
             s.inner);
  const auto list = [&](size_t index, int64_t size, auto value) {
    if (!c.wants(index)) return;
    const auto out = c.out(index, DType::kInt64, {size}).mutable_data<int64_t>();
    for (size_t i = 0; i < out.size(); ++i) out[i] = value(i);
  };
  list(1, n, [&](size_t i) { return first[static_cast<size_t>(rank[i])]; });
  list(2, s.length, [&](size_t i) { return place[static_cast<size_t>(group[i])]; });
  list(3, n, [&](size_t i) { return counts[static_cast<size_t>(rank[i])]; });
}

}  // namespace

extern const Operator kUnique{.name = "Unique",
                              .since = 11,
                              .infer = infer,
                              .reference = reference,
                              .traits = {.data_inputs = 0}};

}  // namespace tersor::ops
