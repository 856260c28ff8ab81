// Views: Reshape (5, 13, 14), Flatten, Squeeze and Unsqueeze (axes: attribute, from 13 an input).
// The elements stay where they are.
#include <algorithm>

#include "ops/detail/arguments.h"
#include "ops/detail/bind.h"

namespace tersor::ops {
namespace {

using namespace detail;

void share(ComputeContext& c, Dims dims) { c.outputs[0] = c.in(0).reshaped(std::move(dims)); }

void keep_contents(InferContext& c) {
  if (auto v = elements(c, 0)) c.set_contents(0, *std::move(v));
}

// ---- Reshape: 0 copies the input's dimension (unless allowzero), one -1 takes what is left
// ---------

void reshape_infer(InferContext& c) {
  std::optional<std::vector<ir::Dim>> wanted = elements(c, 1);
  if (!c.has(1) && c.node.has("shape")) {  // before opset 5
    wanted.emplace();
    for (int64_t v : c.node.attr_ints("shape")) wanted->push_back(element(v));
  }
  if (!wanted) {
    std::optional<ir::Shape> shape;
    if (c.rank(1) == 1 && (*c.shape(1))[0].known() && (*c.shape(1))[0].value <= 64)
      shape.emplace(static_cast<size_t>((*c.shape(1))[0].value));
    c.out(0, c.elem(0), std::move(shape));
    return keep_contents(c);
  }
  const bool zero_is_zero = c.node.attr_int("allowzero", 0) != 0;
  ir::Shape out;
  std::optional<size_t> open;
  for (size_t i = 0; i < wanted->size(); ++i) {
    const ir::Dim& d = (*wanted)[i];
    const auto n = number(d);
    if (n && *n == -1) {
      if (open) base::fail_input("E14", "the shape of a Reshape has two elements -1");
      open = i;
      out.emplace_back();
    } else if (n && *n == 0 && !zero_is_zero) {
      if (c.shape(0) && i >= c.shape(0)->size())
        base::fail_input("E14",
                         "element {} of a Reshape's shape copies a dimension that is not there", i);
      out.push_back(c.shape(0) ? (*c.shape(0))[i] : ir::Dim());
    } else if (n && *n < 0) {
      base::fail_input("E14", "dimension {} in a Reshape", *n);
    } else {
      out.push_back(d);
    }
  }
  if (open && c.shape(0)) {
    ir::Shape rest;
    for (size_t i = 0; i < out.size(); ++i)
      if (i != *open) rest.push_back(out[i]);
    out[*open] = exact_quotient(*c.shape(0), rest);
  } else if (!open && c.shape(0)) {
    // One dimension without a name is what is left.
    const auto unknown = [](const ir::Dim& d) { return !d.known() && d.symbol.empty(); };
    if (std::ranges::count_if(out, unknown) == 1) {
      ir::Shape rest;
      for (const ir::Dim& d : out)
        if (!unknown(d)) rest.push_back(d);
      *std::ranges::find_if(out, unknown) = exact_quotient(*c.shape(0), rest);
    }
  }
  c.out(0, c.elem(0), std::move(out));
  keep_contents(c);
}

Dims reshaped_dims(const ComputeContext& c) {
  const Tensor& x = c.in(0);
  Dims dims = c.has(1) ? tensor::to_int64s(c.in(1)) : c.node.attr_ints("shape");
  const bool zero_is_zero = c.node.attr_int("allowzero", 0) != 0;
  int64_t known = 1;
  std::optional<size_t> open;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] == 0 && !zero_is_zero) {
      if (i >= x.dims().size())
        base::fail_input("E14",
                         "element {} of a Reshape's shape copies a dimension that is not there", i);
      dims[i] = x.dims()[i];
    }
    if (dims[i] == -1) {
      if (open) base::fail_input("E14", "the shape of a Reshape has two elements -1");
      open = i;
    } else {
      if (dims[i] < 0) base::fail_input("E14", "dimension {} in a Reshape", dims[i]);
      known = base::checked_mul(known, dims[i], "an element count");
    }
  }
  if (open) {
    if (known == 0 ? x.count() != 0 : x.count() % known != 0)
      base::fail_input("E14", "{} elements of shape {} cannot take shape {}", x.count(),
                       tensor::to_string(x.dims()), tensor::to_string(dims));
    dims[*open] = known == 0 ? 0 : x.count() / known;
  }
  return dims;
}

void reshape(ComputeContext& c) { share(c, reshaped_dims(c)); }

// ---- Flatten -----------------------------------------------------------------------------------

int flatten_axis(const ir::Node& node, int rank) {
  const int64_t axis = node.attr_int("axis", 1);
  if (axis == rank) return rank;
  return normalize_axis(axis, rank);
}

void flatten_infer(InferContext& c) {
  if (c.rank(0) < 0) return c.out(0, c.elem(0), ir::Shape(2));
  const auto axis = static_cast<size_t>(flatten_axis(c.node, c.rank(0)));
  const std::span<const ir::Dim> dims(*c.shape(0));
  c.out(0, c.elem(0), ir::Shape{product(dims.first(axis)), product(dims.subspan(axis))});
}

void flatten(ComputeContext& c) {
  const std::span<const int64_t> dims(c.in(0).dims());
  const auto axis = static_cast<size_t>(flatten_axis(c.node, c.in(0).rank()));
  share(c, {base::element_count(dims.first(axis)), base::element_count(dims.subspan(axis))});
}

// ---- Squeeze -----------------------------------------------------------------------------------

void squeeze_infer(InferContext& c) {
  const auto list = ints(c, 1, "axes");
  const bool all = !c.has(1) && !c.node.has("axes");
  if (!c.shape(0) || (!list && !all)) {
    c.out(0, c.elem(0));
    return keep_contents(c);
  }
  const ir::Shape& x = *c.shape(0);
  ir::Shape out;
  if (all) {
    if (std::ranges::any_of(x, [](const ir::Dim& d) { return !d.known(); })) {
      c.out(0, c.elem(0));
      return keep_contents(c);
    }
    std::ranges::copy_if(x, std::back_inserter(out), [](const ir::Dim& d) { return d.value != 1; });
  } else {
    const auto axes = normalize_axes(*list, c.rank(0));
    for (size_t i = 0; i < x.size(); ++i) {
      if (!std::ranges::binary_search(axes, static_cast<int>(i)))
        out.push_back(x[i]);
      else if (x[i].known() && x[i].value != 1)
        base::fail_input("E14", "axis {} of {} elements cannot be squeezed", i, x[i].value);
    }
  }
  c.out(0, c.elem(0), std::move(out));
  keep_contents(c);
}

void squeeze(ComputeContext& c) {
  const Dims& x = c.in(0).dims();
  Dims out;
  if (!c.has(1) && !c.node.has("axes")) {
    std::ranges::copy_if(x, std::back_inserter(out), [](int64_t d) { return d != 1; });
  } else {
    const auto axes = normalize_axes(ints(c, 1, "axes"), c.in(0).rank());
    for (size_t i = 0; i < x.size(); ++i) {
      if (!std::ranges::binary_search(axes, static_cast<int>(i)))
        out.push_back(x[i]);
      else if (x[i] != 1)
        base::fail_input("E14", "axis {} of {} elements cannot be squeezed", i, x[i]);
    }
  }
  share(c, std::move(out));
}

// ---- Unsqueeze: axes name positions in the output ----------------------------------------------

template <typename D>
std::vector<D> with_ones(const std::vector<D>& x, const std::vector<int64_t>& list) {
  const size_t rank = x.size() + list.size();
  const auto axes = normalize_axes(list, static_cast<int>(rank));
  std::vector<D> out;
  size_t next = 0;
  for (size_t i = 0; i < rank; ++i)
    out.push_back(std::ranges::binary_search(axes, static_cast<int>(i)) ? D(int64_t{1})
                                                                        : x[next++]);
  return out;
}

void unsqueeze_infer(InferContext& c) {
  const auto list = ints(c, 1, "axes");
  if (!c.shape(0) || !list) {
    c.out(0, c.elem(0));
  } else {
    c.out(0, c.elem(0), with_ones(*c.shape(0), *list));
  }
  keep_contents(c);
}

void unsqueeze(ComputeContext& c) { share(c, with_ones(c.in(0).dims(), ints(c, 1, "axes"))); }

constexpr Operator view(const char* name, void (*infer)(InferContext&),
                        void (*reference)(ComputeContext&), decltype(Operator::bind) bind) {
  return {.name = name,
          .infer = infer,
          .reference = reference,
          .traits = {.quant = QuantClass::kMoves, .view = true},
          .bind = bind};
}

}  // namespace

extern const Operator kReshape = view("Reshape", reshape_infer, reshape, moves<reshape>);
extern const Operator kFlatten = view("Flatten", flatten_infer, flatten, moves<flatten>);
extern const Operator kSqueeze = view("Squeeze", squeeze_infer, squeeze, moves<squeeze>);
extern const Operator kUnsqueeze = view("Unsqueeze", unsqueeze_infer, unsqueeze, moves<unsqueeze>);

}  // namespace tersor::ops
