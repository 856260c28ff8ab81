// Gather, GatherElements and GatherND: elements picked by indices. An index outside its axis is an
// Error.
#include "ops/detail/arguments.h"
#include "ops/detail/bind.h"
#include "ops/detail/move.h"
#include "ops/detail/walk.h"

namespace tersor::ops {
namespace {

using namespace detail;

// ---- Gather: y = x with axis replaced by the shape of the indices ------------------------------

void gather_infer(InferContext& c) {
  if (c.rank(0) < 0 || c.rank(1) < 0) return c.out(0, c.elem(0));
  const ir::Shape &x = *c.shape(0), &i = *c.shape(1);
  const int axis = normalize_axis(c.node.attr_int("axis", 0), c.rank(0));
  ir::Shape out(x.begin(), x.begin() + axis);
  out.insert(out.end(), i.begin(), i.end());
  out.insert(out.end(), x.begin() + axis + 1, x.end());
  c.out(0, c.elem(0), std::move(out));
  if (c.rank(0) != 1 || c.rank(1) > 1) return;
  const auto values = elements(c, 0);
  const auto indices = numbers(c, 1);
  if (!values || !indices) return;
  std::vector<ir::Dim> picked;
  for (int64_t k : *indices)
    picked.push_back(
        (*values)[static_cast<size_t>(checked_index(k, static_cast<int64_t>(values->size())))]);
  c.set_contents(0, std::move(picked));
}

void gather(ComputeContext& c) {
  const Tensor &x = c.in(0), &i = c.in(1);
  const int axis = normalize_axis(c.node.attr_int("axis", 0), x.rank());
  const AxisSplit s = split_at(x.dims(), axis);
  Dims dims(x.dims().begin(), x.dims().begin() + axis);
  dims.insert(dims.end(), i.dims().begin(), i.dims().end());
  dims.insert(dims.end(), x.dims().begin() + axis + 1, x.dims().end());
  std::vector<int64_t> indices = tensor::to_int64s(i);
  for (int64_t& k : indices) k = checked_index(k, s.length);
  Sink y(c, 0, x.dtype(), dims);
  if (y.count() == 0) return;
  const Source from(x);
  int64_t to = 0;
  for (int64_t o = 0; o < s.outer; ++o)
    for (int64_t k : indices) {
      y.copy(to, from, (o * s.length + k) * s.inner, s.inner);
      to += s.inner;
    }
}

// ---- GatherElements: y[..i..] = x[..indices[..i..]..] ------------------------------------------

void gather_elements_infer(InferContext& c) { c.out(0, c.elem(0), c.shape(1)); }

void gather_elements(ComputeContext& c) {
  const Tensor &x = c.in(0), &i = c.in(1);
  const int axis = normalize_axis(c.node.attr_int("axis", 0), x.rank());
  const auto a = static_cast<size_t>(axis);
  bool fits = i.rank() == x.rank();
  for (size_t d = 0; fits && d < x.dims().size(); ++d) fits = d == a || i.dims()[d] <= x.dims()[d];
  if (!fits)
    base::fail_input("E17", "indices of shape {} cannot pick from shape {}",
                     tensor::to_string(i.dims()), tensor::to_string(x.dims()));
  const std::vector<int64_t> indices = tensor::to_int64s(i);
  Sink y(c, 0, x.dtype(), i.dims());
  const Source from(x);
  Dims strides = strides_of(x.dims());
  const int64_t step = strides[a], length = x.dims()[a];
  strides[a] = 0;
  int64_t n = 0;
  walk<1>(i.dims(), {strides}, [&](const std::array<int64_t, 1>& o) {
    y.copy(n, from, o[0] + checked_index(indices[static_cast<size_t>(n)], length) * step);
    ++n;
  });
}

// ---- GatherND: the last axis of the indices is a position --------------------------------------

void gather_nd_infer(InferContext& c) {
  const auto batch = c.node.attr_int("batch_dims", 0);
  if (c.rank(0) < 1 || c.rank(1) < 1 || !c.shape(1)->back().known() || batch < 0 ||
      batch >= c.rank(1))
    return c.out(0, c.elem(0));
  const int64_t depth = c.shape(1)->back().value;
  if (depth > c.rank(0) - batch)
    base::fail_input("E22", "positions of {} elements in a tensor of rank {}", depth, c.rank(0));
  ir::Shape out(c.shape(1)->begin(), c.shape(1)->end() - 1);
  out.insert(out.end(), c.shape(0)->begin() + depth + batch, c.shape(0)->end());
  c.out(0, c.elem(0), std::move(out));
}

void gather_nd(ComputeContext& c) {
  const Tensor &x = c.in(0), &i = c.in(1);
  const int64_t batch = c.node.attr_int("batch_dims", 0);
  if (batch < 0 || i.rank() < 1 || batch >= i.rank() || i.dims().back() > x.rank() - batch)
    base::fail_input("E22", "positions of shape {} do not fit shape {}",
                     tensor::to_string(i.dims()), tensor::to_string(x.dims()));
  for (int64_t d = 0; d < batch; ++d)
    if (i.dims()[static_cast<size_t>(d)] != x.dims()[static_cast<size_t>(d)])
      base::fail_input("E17", "the batch axes of {} and {} differ", tensor::to_string(i.dims()),
                       tensor::to_string(x.dims()));
  const auto depth = static_cast<size_t>(i.dims().back()), b = static_cast<size_t>(batch);
  Dims dims(i.dims().begin(), i.dims().end() - 1);
  dims.insert(dims.end(), x.dims().begin() + static_cast<std::ptrdiff_t>(b + depth),
              x.dims().end());
  const Dims strides = strides_of(x.dims());
  const std::span<const int64_t> xd(x.dims());
  const int64_t run = base::element_count(xd.subspan(b + depth));
  const int64_t batches = base::element_count(xd.first(b));
  const int64_t batch_size = base::element_count(xd.subspan(b));
  const std::vector<int64_t> indices = tensor::to_int64s(i);
  const int64_t positions =
      base::element_count(std::span<const int64_t>(i.dims()).first(i.dims().size() - 1));
  Sink y(c, 0, x.dtype(), dims);
  if (y.count() == 0) return;
  const Source from(x);
  const int64_t per_batch = positions / batches;
  for (int64_t p = 0; p < positions; ++p) {
    int64_t at = p / per_batch * batch_size;
    for (size_t d = 0; d < depth; ++d)
      at += checked_index(indices[static_cast<size_t>(p) * depth + d], xd[b + d]) * strides[b + d];
    y.copy(p * run, from, at, run);
  }
}

constexpr Operator picks(const char* name, void (*infer)(InferContext&),
                         void (*reference)(ComputeContext&), decltype(Operator::bind) bind) {
  return {.name = name,
          .infer = infer,
          .reference = reference,
          .traits = {.quant = QuantClass::kMoves},
          .bind = bind};
}

}  // namespace

extern const Operator kGather = picks("Gather", gather_infer, gather, moves<gather>);
extern const Operator kGatherElements =
    picks("GatherElements", gather_elements_infer, gather_elements, moves<gather_elements>);
extern const Operator kGatherND = picks("GatherND", gather_nd_infer, gather_nd, moves<gather_nd>);

}  // namespace tersor::ops
