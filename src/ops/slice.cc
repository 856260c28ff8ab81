// Slice (1: attributes; 10, 11, 13: inputs with steps).
#include <algorithm>

#include "ops/detail/arguments.h"
#include "ops/detail/bind.h"
#include "ops/detail/move.h"
#include "ops/detail/walk.h"

namespace tersor::ops {
namespace {

using namespace detail;

struct Range {
  int64_t start = 0, step = 1, count = 0;
};

// The elements of one axis that [start, end) in steps selects, clamped as the operator defines it.
Range clamped(int64_t start, int64_t end, int64_t step, int64_t size) {
  if (step == 0) base::fail_input("E22", "a Slice has step 0");
  if (step == INT64_MIN) step = -INT64_MAX;
  if (start < 0) start += size;
  if (end < 0) end = end < -size ? -1 : end + size;
  if (step > 0) {
    start = std::clamp<int64_t>(start, 0, size);
    end = std::clamp<int64_t>(end, 0, size);
    return {start, step, end > start ? (end - start - 1) / step + 1 : 0};
  }
  start = std::clamp<int64_t>(start, size > 0 ? 0 : -1, size - 1);
  end = std::clamp<int64_t>(end, -1, size - 1);
  return {start, step, start > end ? (start - end - 1) / -step + 1 : 0};
}

struct Lists {
  std::vector<int64_t> starts, ends, axes, steps;
};

// Fills absent axes and steps, and checks the lengths.
void complete(Lists& l, int rank) {
  if (l.axes.empty())
    for (size_t i = 0; i < l.starts.size(); ++i) l.axes.push_back(static_cast<int64_t>(i));
  if (l.steps.empty()) l.steps.assign(l.starts.size(), 1);
  if (l.ends.size() != l.starts.size() || l.axes.size() != l.starts.size() ||
      l.steps.size() != l.starts.size())
    base::fail_input("E22", "a Slice has {} starts, {} ends, {} axes and {} steps", l.starts.size(),
                     l.ends.size(), l.axes.size(), l.steps.size());
  for (int64_t& a : l.axes) a = normalize_axis(a, rank);
}

void infer(InferContext& c) {
  if (!c.shape(0)) return c.out(0, c.elem(0));
  const bool attributes = c.version < 10;
  const auto starts = attributes ? std::optional(c.node.attr_ints("starts")) : numbers(c, 1);
  auto axes = attributes ? std::optional(c.node.attr_ints("axes"))
              : c.has(3) ? numbers(c, 3)
                         : std::vector<int64_t>();
  const auto steps = c.has(4) ? numbers(c, 4) : std::optional(std::vector<int64_t>());
  std::optional<std::vector<ir::Dim>> ends;
  if (attributes) {
    ends.emplace();
    for (int64_t e : c.node.attr_ints("ends")) ends->push_back(element(e));
  } else {
    ends = elements(c, 2);
  }
  ir::Shape out = *c.shape(0);
  if (!axes) return c.out(0, c.elem(0), ir::Shape(out.size()));
  if (axes->empty() && c.rank(0) >= 0) {
    size_t n = out.size();
    if (starts)
      n = starts->size();
    else if (c.rank(1) == 1 && (*c.shape(1))[0].known())
      n = static_cast<size_t>((*c.shape(1))[0].value);
    for (size_t i = 0; i < std::min(n, out.size()); ++i) axes->push_back(static_cast<int64_t>(i));
  }
  std::optional<Range> first;  // along axis 0, for the contents of a vector
  for (size_t i = 0; i < axes->size(); ++i) {
    const auto a = static_cast<size_t>(normalize_axis((*axes)[i], c.rank(0)));
    const ir::Dim size = out[a];
    out[a] = ir::Dim();
    if (!starts || !steps || !ends || i >= starts->size() || i >= ends->size()) continue;
    if (!steps->empty() && i >= steps->size()) continue;
    const int64_t start = (*starts)[i], step = steps->empty() ? 1 : (*steps)[i];
    const ir::Dim& end = (*ends)[i];
    const auto e = number(end);
    if (e && size.known()) {
      const Range r = clamped(start, *e, step, size.value);
      out[a] = ir::Dim(r.count);
      if (a == 0) first = r;
    } else if (step == 1 && e && *e >= INT32_MAX && start == 0) {
      out[a] = size;
    } else if (step == 1 && e && *e >= INT32_MAX && start > 0) {
      out[a] = ir::Dim();  // size - start, unless the axis is shorter than that
    } else if (step == 1 && start == 0 && !e && end == size) {
      out[a] = size;
    } else if (step == 1 && start == 0 && !e && size.known()) {
      out[a] = ir::Dim();
    }
  }
  c.out(0, c.elem(0), std::move(out));
  const auto v = c.rank(0) == 1 ? elements(c, 0) : std::nullopt;
  if (!v || !first) return;
  std::vector<ir::Dim> kept;
  for (int64_t i = 0; i < first->count; ++i)
    kept.push_back((*v)[static_cast<size_t>(first->start + i * first->step)]);
  c.set_contents(0, std::move(kept));
}

void reference(ComputeContext& c) {
  const Tensor& x = c.in(0);
  Lists l;
  if (c.version < 10) {
    l = {c.node.attr_ints("starts"), c.node.attr_ints("ends"), c.node.attr_ints("axes"), {}};
  } else {
    l.starts = tensor::to_int64s(c.in(1));
    l.ends = tensor::to_int64s(c.in(2));
    if (c.has(3)) l.axes = tensor::to_int64s(c.in(3));
    if (c.has(4)) l.steps = tensor::to_int64s(c.in(4));
  }
  complete(l, x.rank());
  Dims dims = x.dims(), strides = strides_of(x.dims());
  int64_t at = 0;
  for (size_t i = 0; i < l.axes.size(); ++i) {
    const auto a = static_cast<size_t>(l.axes[i]);
    const Range r = clamped(l.starts[i], l.ends[i], l.steps[i], x.dims()[a]);
    dims[a] = r.count;
    if (r.count > 0) at += r.start * strides[a];
    // One element needs no step, and an unbounded one could overflow.
    if (r.count > 1) strides[a] *= r.step;
  }
  Sink y(c, 0, x.dtype(), dims);
  y.strided(Source(x), at, strides);
}

std::optional<runtime::Bound> bind(const ir::Node& node, const runtime::BindContext& c) {
  if (!c.has(0)) return {};
  Adapted as{node};
  if (channels_last(c.in(0))) {
    const int rank = c.in(0).rank;
    std::vector<int64_t> axes;
    if (c.version < 10) {
      axes = node.attr_ints("axes");
      if (axes.empty()) axes.resize(node.attr_ints("starts").size(), -1);
    } else if (c.has(3)) {
      if (!c.in(3).constant) return {};
      axes = tensor::to_int64s(*c.in(3).constant);
    } else {
      if (!c.in(1).constant) return {};
      axes.resize(static_cast<size_t>(c.in(1).constant->count()), -1);
    }
    const bool listed = c.version < 10 ? node.has("axes") : c.has(3);
    for (size_t i = 0; i < axes.size(); ++i)
      axes[i] = physical_axis(
          listed ? normalize_axis(axes[i], rank) : normalize_axis(static_cast<int64_t>(i), rank),
          rank);
    if (c.version < 10)
      as.node.set("axes", axes);
    else
      as.replaced.emplace_back(3, Tensor::vector(axes));
  }
  return bind_moves(node, c, reference, "slice", std::move(as));
}

}  // namespace

extern const Operator kSlice{.name = "Slice",
                             .infer = infer,
                             .reference = reference,
                             .traits = {.quant = QuantClass::kMoves, .layout = LayoutClass::kAware},
                             .bind = bind};

}  // namespace tersor::ops
