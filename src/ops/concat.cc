// Concat (4, 11, 13) and Split (2, 11, 13: sizes as attribute, input or equal parts; 18:
// num_outputs).
#include <algorithm>
#include <cstring>

#include "ops/detail/arguments.h"
#include "ops/detail/bind.h"
#include "ops/detail/move.h"
#include "ops/detail/walk.h"

namespace tersor::ops {
namespace {

using namespace detail;

// ---- Concat ------------------------------------------------------------------------------------

void concat_infer(InferContext& c) {
  ir::Shape out;
  bool known = c.input_count() > 0;
  for (size_t i = 0; i < c.input_count(); ++i) known &= c.rank(i) >= 0;
  if (!known) {
    for (size_t i = 0; i < c.input_count(); ++i)
      if (c.rank(i) > 0) return c.out(0, c.elem(0), ir::Shape(static_cast<size_t>(c.rank(i))));
    return c.out(0, c.elem(0));
  }
  const auto axis = static_cast<size_t>(normalize_axis(c.node.attr_int("axis", 1), c.rank(0)));
  out = *c.shape(0);
  for (size_t i = 1; i < c.input_count(); ++i) {
    if (c.rank(i) != c.rank(0))
      base::fail_input("E17", "tensors of rank {} and {} cannot be concatenated", c.rank(0),
                       c.rank(i));
    const ir::Shape& s = *c.shape(i);
    for (size_t d = 0; d < s.size(); ++d) {
      if (d == axis) {
        out[d] = add(out[d], s[d]);
      } else if (out[d].known() && s[d].known() && out[d] != s[d]) {
        base::fail_input("E17", "shapes {} and {} cannot be concatenated along axis {}",
                         ir::to_string(*c.shape(0)), ir::to_string(s), axis);
      } else if (!out[d].known()) {
        if (s[d].known() || out[d].symbol.empty()) out[d] = s[d];
      }
    }
  }
  c.out(0, c.elem(0), std::move(out));
  if (c.rank(0) != 1) return;
  std::vector<ir::Dim> all;
  for (size_t i = 0; i < c.input_count(); ++i) {
    const auto v = elements(c, i);
    if (v) {
      all.insert(all.end(), v->begin(), v->end());
    } else if (tensor::is_integer(c.elem(i)) && (*c.shape(i))[0].known() &&
               (*c.shape(i))[0].value <= 64) {
      all.resize(all.size() + static_cast<size_t>((*c.shape(i))[0].value));
    } else {
      return;
    }
  }
  c.set_contents(0, std::move(all));
}

void concat(ComputeContext& c) {
  const Tensor& first = c.in(0);
  const int axis = normalize_axis(c.node.attr_int("axis", 1), first.rank());
  const auto a = static_cast<size_t>(axis);
  Dims dims = first.dims();
  dims[a] = 0;
  for (size_t i = 0; i < c.inputs.size(); ++i) {
    const Tensor& x = c.in(i);
    if (x.dtype() != first.dtype())
      base::fail_input("E16", "the inputs have types {} and {}", tensor::name(first.dtype()),
                       tensor::name(x.dtype()));
    bool fits = x.rank() == first.rank();
    for (size_t d = 0; fits && d < dims.size(); ++d) fits = d == a || x.dims()[d] == dims[d];
    if (!fits)
      base::fail_input("E17", "shapes {} and {} cannot be concatenated along axis {}",
                       tensor::to_string(first.dims()), tensor::to_string(x.dims()), axis);
    dims[a] = base::checked_add(dims[a], x.dims()[a]);
  }
  Sink y(c, 0, first.dtype(), dims);
  if (y.count() == 0) return;
  const AxisSplit whole = split_at(dims, axis);
  int64_t at = 0;
  for (size_t i = 0; i < c.inputs.size(); ++i) {
    const Source x(c.in(i));
    const int64_t run = c.in(i).dims()[a] * whole.inner;
    for (int64_t o = 0; o < whole.outer; ++o)
      y.copy(o * whole.length * whole.inner + at, x, o * run, run);
    at += run;
  }
}

// A run of one input per outer index; tables where an 8-bit input has other parameters than the
// output.
std::optional<runtime::Bound> concat_bind(const ir::Node& node, const runtime::BindContext& c) {
  if (c.inputs.empty() || !c.has_output(0) || c.outputs[0].rank < 1) return {};
  const int rank = c.outputs[0].rank;
  int axis = normalize_axis(node.attr_int("axis", 1), rank);
  const bool last = channels_last(c.outputs[0]);
  if (last) axis = physical_axis(axis, rank);
  const DType dtype = c.outputs[0].dtype;
  if (tensor::bits(dtype) < 8) return {};
  const auto width = static_cast<size_t>(tensor::bits(dtype)) / 8;
  const auto out = byte_format(c.outputs[0]);
  std::vector<std::optional<ByteMap>> maps(c.inputs.size());
  std::vector<Tensor> constants(c.inputs.size());
  bool bytes = c.outputs[0].quant.has_value();
  for (size_t i = 0; i < c.inputs.size(); ++i) {
    if (!c.has(i)) return {};
    bytes |= c.in(i).quant.has_value();
    if (last && c.in(i).constant) {
      if (c.in(i).constant->rank() != rank) return {};
      constants[i] = physical(*c.in(i).constant, rank);
      if (constants[i].rank() != rank)
        constants[i] = constants[i].reshaped(Dims(static_cast<size_t>(rank), 1));
    }
  }
  for (size_t i = 0; bytes && i < c.inputs.size(); ++i) {
    const auto in = byte_format(c.in(i));
    if (!in || !out) return {};
    if (!(*in == *out)) maps[i].emplace(requantize_table(*in, *out), c.isa);
  }
  return runtime::Bound{
      [=, maps = std::move(maps), constants = std::move(constants)](runtime::StepContext& step) {
        return guarded([&] {
          const auto in = [&](size_t i) -> const Tensor& {
            return constants[i].defined() ? constants[i] : step.in(i);
          };
          const auto a = static_cast<size_t>(axis);
          Dims dims = in(0).dims();
          for (size_t i = 1; i < constants.size(); ++i) {
            bool fits = in(i).rank() == rank && in(0).rank() == rank;
            for (size_t d = 0; fits && d < dims.size(); ++d)
              fits = d == a || in(i).dims()[d] == dims[d];
            if (!fits)
              base::fail_input("E17", "shapes {} and {} cannot be concatenated along axis {}",
                               tensor::to_string(in(0).dims()), tensor::to_string(in(i).dims()),
                               axis);
            dims[a] = base::checked_add(dims[a], in(i).dims()[a]);
          }
          Tensor& y = step.make(0, dtype, dims);
          if (y.count() == 0) return;
          const AxisSplit whole = split_at(dims, axis);
          const int64_t line = whole.length * whole.inner;
          const int64_t grain = line > 0 ? std::max<int64_t>(1, 65536 / line) : 1;
          step.pool->parallel_for(whole.outer, grain, [&](int64_t begin, int64_t end, int) {
            int64_t at = 0;
            for (size_t i = 0; i < constants.size(); ++i) {
              const int64_t run = in(i).dims()[a] * whole.inner;
              if (run == 0) continue;
              for (int64_t o = begin; o < end; ++o) {
                std::byte* to = y.raw_mutable() + static_cast<size_t>(o * line + at) * width;
                const std::byte* from = in(i).raw() + static_cast<size_t>(o * run) * width;
                if (maps[i])
                  (*maps[i])(from, to, run);
                else
                  std::memcpy(to, from, static_cast<size_t>(run) * width);
              }
              at += run;
            }
          });
        });
      },
      bytes ? "concat_u8" : "concat", bytes};
}

// ---- Split -------------------------------------------------------------------------------------

// Lengths of the parts of an axis of `length` elements; the last may be shorter from opset 18 on.
std::vector<int64_t> equal_parts(const ir::Node& node, int64_t length, size_t outputs) {
  const auto n = node.attr_int("num_outputs", static_cast<int64_t>(outputs));
  if (n <= 0 || n != static_cast<int64_t>(outputs))
    base::fail_input("E22", "num_outputs is {}, the node has {} outputs", n, outputs);
  const int64_t part = length / n + (length % n != 0);
  std::vector<int64_t> parts(outputs, part);
  if (length % n != 0) {
    if (!node.has("num_outputs"))
      base::fail_input("E22", "an axis of {} elements cannot be split in {} equal parts", length,
                       n);
    parts.back() = length - part * (n - 1);
    if (parts.back() < 0)
      base::fail_input("E22", "an axis of {} elements cannot be split in {} parts", length, n);
  }
  return parts;
}

void split_infer(InferContext& c) {
  const size_t n = c.output_count();
  const bool given = c.has(1) || c.node.has("split");
  const auto sizes = given ? ints(c, 1, "split") : std::nullopt;
  for (size_t i = 0; i < n; ++i) c.out(i, c.elem(0));
  if (!c.shape(0)) return;
  const auto axis = static_cast<size_t>(normalize_axis(c.node.attr_int("axis", 0), c.rank(0)));
  const ir::Dim whole = (*c.shape(0))[axis];
  std::vector<ir::Dim> parts(n);
  if (sizes) {
    if (sizes->size() != n)
      base::fail_input("E22", "{} sizes for the {} outputs of a Split", sizes->size(), n);
    for (size_t i = 0; i < n; ++i) parts[i] = ir::Dim((*sizes)[i]);
  } else if (!given && whole.known() && n > 0) {
    // What does not come out may stand in a branch that is never taken: an Error only when it runs.
    const auto count = static_cast<int64_t>(n);
    const int64_t part = whole.value / count + (whole.value % count != 0);
    const int64_t rest = whole.value - part * (count - 1);
    if (rest == part || (rest >= 0 && c.node.has("num_outputs"))) {
      parts.assign(n, ir::Dim(part));
      parts.back() = ir::Dim(rest);
    }
  }
  const auto contents = c.rank(0) == 1 ? elements(c, 0) : std::nullopt;
  size_t at = 0;
  for (size_t i = 0; i < n; ++i) {
    ir::Shape s = *c.shape(0);
    s[axis] = parts[i];
    c.out(i, c.elem(0), std::move(s));
    if (!contents || !parts[i].known()) continue;
    const auto len = static_cast<size_t>(parts[i].value);
    if (at + len > contents->size()) continue;
    const auto first = contents->begin() + static_cast<std::ptrdiff_t>(at);
    c.set_contents(i, {first, first + static_cast<std::ptrdiff_t>(len)});
    at += len;
  }
}

void split(ComputeContext& c) {
  const Tensor& x = c.in(0);
  const int axis = normalize_axis(c.node.attr_int("axis", 0), x.rank());
  const AxisSplit whole = split_at(x.dims(), axis);
  const size_t n = c.outputs.size();
  const bool given = c.has(1) || c.node.has("split");
  const auto parts = given ? ints(c, 1, "split") : equal_parts(c.node, whole.length, n);
  int64_t total = 0;
  for (int64_t p : parts) {
    if (p < 0) base::fail_input("E22", "a part of {} elements in a Split", p);
    total = base::checked_add(total, p);
  }
  if (parts.size() != n || total != whole.length)
    base::fail_input("E22", "sizes {} do not split an axis of {} elements in {} parts",
                     tensor::to_string(parts), whole.length, n);
  const Source from(x);
  int64_t at = 0;
  for (size_t i = 0; i < n; ++i) {
    const int64_t run = x.count() == 0 ? 0 : parts[i] * whole.inner;
    if (c.wants(i)) {
      Dims dims = x.dims();
      dims[static_cast<size_t>(axis)] = parts[i];
      Sink y(c, i, x.dtype(), dims);
      for (int64_t o = 0; run > 0 && o < whole.outer; ++o)
        y.copy(o * run, from, o * whole.length * whole.inner + at, run);
    }
    at += run;
  }
}

std::optional<runtime::Bound> split_bind(const ir::Node& node, const runtime::BindContext& c) {
  if (!c.has(0)) return {};
  Adapted as{node};
  const int rank = c.in(0).rank;
  if (channels_last(c.in(0)))
    as.node.set("axis",
                int64_t{physical_axis(normalize_axis(node.attr_int("axis", 0), rank), rank)});
  return bind_moves(node, c, split, "split", std::move(as));
}

}  // namespace

extern const Operator kConcat{
    .name = "Concat",
    .since = 4,
    .infer = concat_infer,
    .reference = concat,
    .traits = {.quant = QuantClass::kCombines, .variadic = true, .layout = LayoutClass::kAware},
    .bind = concat_bind};
extern const Operator kSplit{.name = "Split",
                             .since = 2,
                             .infer = split_infer,
                             .reference = split,
                             .traits = {.quant = QuantClass::kMoves, .layout = LayoutClass::kAware},
                             .bind = split_bind};

}  // namespace tersor::ops
