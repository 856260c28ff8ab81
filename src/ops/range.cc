// Range (11), OneHot (9, 11), EyeLike (9), Trilu (14), NonZero (9, 13), CumSum (11, 14) and
// CumProd (26).
#include <algorithm>
#include <cmath>

#include "ops/detail/arguments.h"
#include "ops/detail/bind.h"
#include "ops/detail/dispatch.h"
#include "ops/detail/move.h"
#include "ops/detail/walk.h"

namespace tersor::ops {
namespace {

using namespace detail;

// ---- Range -------------------------------------------------------------------------------------

void range_infer(InferContext& c) {
  ir::Dim n;
  const auto start = elements(c, 0), limit = elements(c, 1), delta = elements(c, 2);
  if (start && limit && delta && start->size() == 1 && limit->size() == 1 && delta->size() == 1) {
    const auto a = number((*start)[0]), b = number((*limit)[0]), d = number((*delta)[0]);
    if (a && b && d && *d != 0 && std::abs(*a) < INT32_MAX && std::abs(*b) < INT32_MAX) {
      const int64_t count = *d > 0 ? (*b - *a + *d - 1) / *d : (*a - *b - *d - 1) / -*d;
      n = ir::Dim(std::max<int64_t>(count, 0));
      if (n.value <= 4096) {
        c.out(0, c.elem(0), ir::Shape{n});
        std::vector<ir::Dim> v;
        for (int64_t i = 0; i < n.value; ++i) v.push_back(element(*a + i * *d));
        return c.set_contents(0, std::move(v));
      }
    } else if (a && *a == 0 && d && *d == 1 && !b) {
      n = (*limit)[0];
    }
  }
  const Tensor *a = c.constant(0), *b = c.constant(1), *d = c.constant(2);
  if (!n.known() && a && b && d && tensor::is_float(c.elem(0))) {
    const double count =
        std::ceil((tensor::as_double(*b, 0) - tensor::as_double(*a, 0)) / tensor::as_double(*d, 0));
    if (count < 1e12) n = ir::Dim(std::max<int64_t>(0, static_cast<int64_t>(count)));
  }
  c.out(0, c.elem(0), ir::Shape{n});
}

// `make` gives the output of so many elements.
template <typename Make>
void fill_range(const Tensor& start, const Tensor& limit, const Tensor& delta, Make make) {
  for (const Tensor* t : {&start, &limit, &delta})
    if (t->count() != 1 || t->dtype() != start.dtype())
      base::fail_input("E22", "a Range takes three single numbers of one type");
  dispatch<kFloatTypes | kSignedTypes>(start.dtype(), [&]<typename T>() {
    const auto a = load(start.data<T>()[0]), b = load(limit.data<T>()[0]),
               d = load(delta.data<T>()[0]);
    if (d == 0) base::fail_input("E22", "a Range has step 0");
    const double count =
        std::ceil((static_cast<double>(b) - static_cast<double>(a)) / static_cast<double>(d));
    if (!(count < 1e12)) base::fail(ErrorKind::kLimit, "E60", "a Range of {} elements", count);
    Tensor& y = make(std::max<int64_t>(0, static_cast<int64_t>(count)));
    const auto out = y.mutable_data<T>();
    for (size_t i = 0; i < out.size(); ++i) {
      using A = arithmetic_t<T>;
      out[i] = store<T>(static_cast<A>(a + static_cast<A>(static_cast<A>(i) * d)));
    }
  });
}

void range(ComputeContext& c) {
  fill_range(c.in(0), c.in(1), c.in(2),
             [&](int64_t n) -> Tensor& { return c.out(0, c.in(0).dtype(), {n}); });
}

std::optional<runtime::Bound> range_bind(const ir::Node&, const runtime::BindContext&) {
  return runtime::Bound{[](runtime::StepContext& s) {
                          return guarded([&] {
                            fill_range(s.in(0), s.in(1), s.in(2), [&](int64_t n) -> Tensor& {
                              return s.make(0, s.in(0).dtype(), {n});
                            });
                          });
                        },
                        "range"};
}

// ---- OneHot ------------------------------------------------------------------------------------

void one_hot_infer(InferContext& c) {
  if (c.rank(0) < 0) return c.out(0, c.elem(2));
  const int axis = normalize_axis(c.node.attr_int("axis", -1), c.rank(0) + 1);
  ir::Shape out = *c.shape(0);
  ir::Dim depth;
  if (const Tensor* t = c.constant(1); t && t->count() == 1)
    depth = ir::Dim(tensor::as_int64(*t, 0));
  else if (const auto v = elements(c, 1); v && v->size() == 1)
    depth = (*v)[0];
  out.insert(out.begin() + axis, depth);
  c.out(0, c.elem(2), std::move(out));
}

// Indices outside [-depth, depth) give a line without a one.
void one_hot(ComputeContext& c) {
  const Tensor &x = c.in(0), &values = c.in(2);
  const int axis = normalize_axis(c.node.attr_int("axis", -1), x.rank() + 1);
  const int64_t depth = scalar_int(c, 1, 0);
  if (depth < 0) base::fail_input("E22", "a OneHot of depth {}", depth);
  if (values.count() != 2) base::fail_input("E22", "the values of OneHot are two elements");
  Dims dims = x.dims();
  dims.insert(dims.begin() + axis, depth);
  const AxisSplit s = split_at(dims, axis);
  const std::vector<int64_t> indices = tensor::to_int64s(x);
  const Source from(values);
  Sink y(c, 0, values.dtype(), dims);
  y.fill(0, y.count(), from, 0);
  for (int64_t o = 0; o < s.outer; ++o)
    for (int64_t i = 0; i < s.inner; ++i) {
      int64_t k = indices[static_cast<size_t>(o * s.inner + i)];
      if (k < -depth || k >= depth) continue;
      if (k < 0) k += depth;
      y.copy((o * depth + k) * s.inner + i, from, 1);
    }
}

// ---- EyeLike -----------------------------------------------------------------------------------

DType eye_type(const ir::Node& node, DType like) {
  return node.has("dtype") ? static_cast<DType>(node.attr_int("dtype", 1)) : like;
}

void eye_like_infer(InferContext& c) { c.out(0, eye_type(c.node, c.elem(0)), c.shape(0)); }

void eye_like(ComputeContext& c) {
  const Tensor& x = c.in(0);
  if (x.rank() != 2) base::fail_input("E22", "EyeLike takes a matrix, not rank {}", x.rank());
  const DType type = eye_type(c.node, x.dtype());
  const int64_t k = c.node.attr_int("k", 0), rows = x.dim(0), columns = x.dim(1);
  const Tensor one = tensor::cast(Tensor::scalar(1.0f), type);
  Sink y(c, 0, type, x.dims());
  y.clear();
  for (int64_t r = 0; r < rows; ++r)
    if (k >= -r && k < columns - r) y.copy(r * columns + r + k, Source(one), 0);
}

// ---- Trilu -------------------------------------------------------------------------------------

void trilu(ComputeContext& c) {
  const Tensor& x = c.in(0);
  if (x.rank() < 2) base::fail_input("E22", "Trilu takes matrices, not rank {}", x.rank());
  const bool upper = c.node.attr_int("upper", 1) != 0;
  const int64_t rows = x.dims()[x.dims().size() - 2], columns = x.dims().back();
  const int64_t k = std::clamp(scalar_int(c, 1, 0), -rows - 1, columns + 1);
  Sink y(c, 0, x.dtype(), x.dims());
  y.clear();
  const Source from(x);
  for (int64_t line = 0; columns > 0 && line < x.count() / columns; ++line) {
    const int64_t border = std::clamp<int64_t>(line % rows + k + (upper ? 0 : 1), 0, columns);
    if (upper)
      y.copy(line * columns + border, from, line * columns + border, columns - border);
    else
      y.copy(line * columns, from, line * columns, border);
  }
}

// ---- NonZero: the positions, one column each ---------------------------------------------------

void non_zero_infer(InferContext& c) {
  c.out(0, DType::kInt64,
        ir::Shape{c.rank(0) < 0 ? ir::Dim() : ir::Dim(std::max(c.rank(0), 1)), ir::Dim()});
}

void non_zero(ComputeContext& c) {
  const Tensor& x = c.in(0);
  std::vector<int64_t> found;
  for (int64_t i = 0; i < x.count(); ++i)
    if (tensor::as_double(x, i) != 0) found.push_back(i);
  const Dims strides = strides_of(x.dims());
  const auto n = static_cast<int64_t>(found.size());
  const int64_t rank = std::max(x.rank(), 1);
  Tensor& y = c.out(0, DType::kInt64, {rank, n});
  const auto out = y.mutable_data<int64_t>();
  for (size_t i = 0; i < found.size(); ++i) {
    int64_t rest = found[i];
    for (size_t d = 0; d < static_cast<size_t>(rank); ++d) {
      const int64_t stride = d < strides.size() ? strides[d] : 1;
      out[d * found.size() + i] = rest / stride;
      rest %= stride;
    }
  }
}

// ---- CumSum, CumProd
// ------------------------------------------------------------------------------------

template <bool kProduct>
void cumulate(ComputeContext& c) {
  const Tensor& x = c.in(0);
  const bool exclusive = c.node.attr_int("exclusive", 0) != 0;
  const bool reverse = c.node.attr_int("reverse", 0) != 0;
  const int axis = normalize_axis(scalar_int(c, 1, 0), x.rank());
  const AxisSplit s = split_at(x.dims(), axis);
  dispatch_numeric(x.dtype(), [&]<typename T>() {
    using A = arithmetic_t<T>;
    using W = std::conditional_t<std::is_integral_v<A>, uint64_t, A>;
    Tensor& y = c.out(0, x.dtype(), x.dims());
    const auto in = x.data<T>();
    const auto out = y.mutable_data<T>();
    for (int64_t o = 0; o < s.outer; ++o)
      for (int64_t i = 0; i < s.inner; ++i) {
        W sum = kProduct;
        for (int64_t k = 0; k < s.length; ++k) {
          const int64_t at = reverse ? s.length - 1 - k : k;
          const auto p = static_cast<size_t>((o * s.length + at) * s.inner + i);
          const W v = static_cast<W>(load(in[p]));
          const W next = static_cast<W>(kProduct ? sum * v : sum + v);
          out[p] = store<T>(static_cast<A>(exclusive ? sum : next));
          sum = next;
        }
      }
  });
}

}  // namespace

extern const Operator kRange{.name = "Range",
                             .since = 11,
                             .infer = range_infer,
                             .reference = range,
                             .traits = {.data_inputs = 0},
                             .bind = range_bind};
extern const Operator kOneHot{.name = "OneHot",
                              .since = 9,
                              .infer = one_hot_infer,
                              .reference = one_hot,
                              .traits = {.data_inputs = 0}};
extern const Operator kEyeLike{.name = "EyeLike",
                               .since = 9,
                               .infer = eye_like_infer,
                               .reference = eye_like,
                               .traits = {.data_inputs = 0}};
extern const Operator kTrilu{.name = "Trilu", .since = 14, .infer = infer_same, .reference = trilu};
extern const Operator kNonZero{.name = "NonZero",
                               .since = 9,
                               .infer = non_zero_infer,
                               .reference = non_zero,
                               .traits = {.data_inputs = 0}};
extern const Operator kCumSum{
    .name = "CumSum", .since = 11, .infer = infer_same, .reference = cumulate<false>};
extern const Operator kCumProd{
    .name = "CumProd", .since = 26, .infer = infer_same, .reference = cumulate<true>};

}  // namespace tersor::ops
