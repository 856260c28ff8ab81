// TopK (1: k as attribute; 10, 11: as input), ArgMax and ArgMin (1, 11, 12, 13).
#include <algorithm>
#include <numeric>

#include "ops/detail/arguments.h"
#include "ops/detail/dispatch.h"
#include "ops/detail/walk.h"

namespace tersor::ops {
namespace {

using namespace detail;

// ---- TopK: of equal elements the one of lower index comes first
// ----------------------------------

void topk_infer(InferContext& c) {
  std::optional<ir::Shape> shape = c.shape(0);
  if (shape) {
    const auto axis = static_cast<size_t>(normalize_axis(c.node.attr_int("axis", -1), c.rank(0)));
    const auto k = c.version < 10 ? std::optional(std::vector{ir::Dim(c.node.attr_int("k", 0))})
                                  : elements(c, 1);
    (*shape)[axis] = k && k->size() == 1 ? (*k)[0] : ir::Dim();
  }
  c.out(0, c.elem(0), shape);
  c.out(1, DType::kInt64, std::move(shape));
}

void topk(ComputeContext& c) {
  const Tensor& x = c.in(0);
  const int axis = normalize_axis(c.node.attr_int("axis", -1), x.rank());
  const int64_t k = c.version < 10 ? c.node.attr_int("k", 0) : scalar_int(c, 1, 0);
  const AxisSplit s = split_at(x.dims(), axis);
  if (k < 0 || k > s.length)
    base::fail_input("E22", "the {} largest of an axis of {} elements", k, s.length);
  const bool largest = c.node.attr_int("largest", 1) != 0;
  Dims dims = x.dims();
  dims[static_cast<size_t>(axis)] = k;
  dispatch_numeric(x.dtype(), [&]<typename T>() {
    const auto in = x.data<T>();
    const auto values = c.out(0, x.dtype(), dims).mutable_data<T>();
    int64_t* index = c.out(1, DType::kInt64, dims).mutable_data<int64_t>().data();
    std::vector<int64_t> order(static_cast<size_t>(s.length));
    for (int64_t o = 0; o < s.outer; ++o)
      for (int64_t i = 0; i < s.inner; ++i) {
        const auto value = [&](int64_t at) {
          return load(in[static_cast<size_t>((o * s.length + at) * s.inner + i)]);
        };
        std::iota(order.begin(), order.end(), int64_t{0});
        // NaN counts as the largest, so that the order stays total.
        const auto before = [&](int64_t p, int64_t q) {
          const auto a = value(p), b = value(q);
          const bool na = a != a, nb = b != b;
          if (na || nb) return na && nb ? p < q : (largest ? na : nb);
          if (a == b) return p < q;
          return largest ? a > b : a < b;
        };
        std::partial_sort(order.begin(), order.begin() + k, order.end(), before);
        for (int64_t j = 0; j < k; ++j) {
          const int64_t to = (o * k + j) * s.inner + i, at = order[static_cast<size_t>(j)];
          values[static_cast<size_t>(to)] =
              in[static_cast<size_t>((o * s.length + at) * s.inner + i)];
          index[to] = at;
        }
      }
  });
}

// ---- ArgMax, ArgMin ----------------------------------------------------------------------------

void arg_infer(InferContext& c) {
  std::optional<ir::Shape> shape = c.shape(0);
  if (shape) {
    const int axis = normalize_axis(c.node.attr_int("axis", 0), c.rank(0));
    if (c.node.attr_int("keepdims", 1) != 0)
      (*shape)[static_cast<size_t>(axis)] = ir::Dim(1);
    else
      shape->erase(shape->begin() + axis);
  }
  c.out(0, DType::kInt64, std::move(shape));
}

template <bool kLargest>
void arg(ComputeContext& c) {
  const Tensor& x = c.in(0);
  const int axis = normalize_axis(c.node.attr_int("axis", 0), x.rank());
  const bool last = c.node.attr_int("select_last_index", 0) != 0;
  const AxisSplit s = split_at(x.dims(), axis);
  if (s.length == 0) base::fail_input("E22", "the extreme of an empty axis");
  Dims dims = x.dims();
  if (c.node.attr_int("keepdims", 1) != 0)
    dims[static_cast<size_t>(axis)] = 1;
  else
    dims.erase(dims.begin() + axis);
  Tensor& y = c.out(0, DType::kInt64, dims);
  const auto out = y.mutable_data<int64_t>();
  dispatch_numeric(x.dtype(), [&]<typename T>() {
    const T* in = x.data<T>().data();
    for (int64_t o = 0; o < s.outer; ++o)
      for (int64_t i = 0; i < s.inner; ++i) {
        const T* line = in + o * s.length * s.inner + i;
        int64_t best = 0;
        auto value = load(line[0]);
        for (int64_t k = 1; k < s.length; ++k) {
          const auto v = load(line[k * s.inner]);
          const bool better = kLargest ? v > value : v < value;
          if (better || (last && v == value)) {
            best = k;
            value = v;
          }
        }
        out[static_cast<size_t>(o * s.inner + i)] = best;
      }
  });
}

}  // namespace

extern const Operator kTopK{.name = "TopK", .infer = topk_infer, .reference = topk};
extern const Operator kArgMax{.name = "ArgMax", .infer = arg_infer, .reference = arg<true>};
extern const Operator kArgMin{.name = "ArgMin", .infer = arg_infer, .reference = arg<false>};

}  // namespace tersor::ops
