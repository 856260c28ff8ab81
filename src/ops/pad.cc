// Pad (2: attributes; 11, 13: inputs; 18: axes; 19: wrap). Modes constant, reflect, edge, wrap;
// negative pads crop. Each output axis reads the input at a table of positions, -1 standing for the
// constant.
#include <algorithm>

#include "ops/detail/arguments.h"
#include "ops/detail/bind.h"
#include "ops/detail/move.h"
#include "ops/detail/walk.h"

namespace tersor::ops {
namespace {

using namespace detail;

// Full list of begin and end pads for `rank` axes from the given ones.
std::vector<int64_t> spread(const std::vector<int64_t>& pads,
                            const std::optional<std::vector<int64_t>>& axes, int rank) {
  const size_t n = axes ? axes->size() : static_cast<size_t>(rank);
  if (pads.size() != 2 * n) base::fail_input("E22", "{} pads for {} axes", pads.size(), n);
  if (!axes) return pads;
  const auto r = static_cast<size_t>(rank);
  std::vector<int64_t> full(2 * r, 0);
  for (size_t i = 0; i < n; ++i) {
    const auto a = static_cast<size_t>(normalize_axis((*axes)[i], rank));
    full[a] = pads[i];
    full[r + a] = pads[n + i];
  }
  return full;
}

void infer(InferContext& c) {
  if (!c.shape(0)) return c.out(0, c.elem(0));
  const char* attribute = c.node.has("paddings") ? "paddings" : "pads";
  const auto pads = c.version < 11 ? std::optional(c.node.attr_ints(attribute)) : numbers(c, 1);
  const auto axes = c.has(3) ? numbers(c, 3) : std::nullopt;
  if (!pads || (c.has(3) && !axes)) return c.out(0, c.elem(0), ir::Shape(c.shape(0)->size()));
  const auto full = spread(*pads, axes, c.rank(0));
  ir::Shape out = *c.shape(0);
  const size_t r = out.size();
  for (size_t i = 0; i < r; ++i)
    out[i] = element_add(out[i], element(base::checked_add(full[i], full[r + i])));
  for (const ir::Dim& d : out)
    if (const auto n = number(d); n && *n < 0)
      base::fail_input("E22", "the pads {} crop more than there is", tensor::to_string(full));
  c.out(0, c.elem(0), std::move(out));
}

int64_t padded(int64_t size, int64_t before, int64_t after, const std::string& mode) {
  const int64_t out = base::checked_add(base::checked_add(size, before), after);
  if (out < 0)
    base::fail_input("E22", "pads {} and {} crop an axis of {} elements", before, after, size);
  if (mode != "constant" && size == 0 && out > 0)
    base::fail_input("E22", "an empty axis cannot be padded with mode {}", base::quoted(mode));
  return out;
}

// Where the `out` positions of one axis read the input.
std::vector<int64_t> positions(int64_t size, int64_t before, int64_t out, const std::string& mode) {
  std::vector<int64_t> from(static_cast<size_t>(out));
  for (int64_t i = 0; i < out; ++i) {
    int64_t p = i - before;
    if (mode == "constant") {
      if (p < 0 || p >= size) p = -1;
    } else if (mode == "edge") {
      p = std::clamp<int64_t>(p, 0, size - 1);
    } else if (mode == "wrap") {
      p = ((p % size) + size) % size;
    } else {
      const int64_t period = size == 1 ? 1 : 2 * (size - 1);
      p = ((p % period) + period) % period;
      if (p >= size) p = period - p;
    }
    from[static_cast<size_t>(i)] = p;
  }
  return from;
}

Tensor pad_value(const ComputeContext& c) {
  if (c.has(2)) {
    if (c.in(2).count() != 1 || c.in(2).dtype() != c.in(0).dtype())
      base::fail_input("E22", "the pad value is one element of the type of the data");
    return c.in(2);
  }
  if (c.in(0).dtype() == DType::kString) return Tensor::of_strings({}, {std::string()});
  return tensor::cast(Tensor::scalar(c.version < 11 ? c.node.attr_float("value", 0) : 0.0f),
                      c.in(0).dtype());
}

void reference(ComputeContext& c) {
  const Tensor& x = c.in(0);
  const std::string mode = c.node.attr_string("mode", "constant");
  if (mode != "constant" && mode != "reflect" && mode != "edge" && mode != "wrap")
    base::fail_input("E22", "the mode of a Pad is {}", base::quoted(mode));
  const char* attribute = c.node.has("paddings") ? "paddings" : "pads";
  const auto pads = c.version < 11 ? c.node.attr_ints(attribute) : tensor::to_int64s(c.in(1));
  const auto axes =
      c.has(3) ? std::optional(tensor::to_int64s(c.in(3))) : std::optional<std::vector<int64_t>>();
  const auto full = spread(pads, axes, x.rank());
  const size_t r = x.dims().size();
  const Dims strides = strides_of(x.dims());
  Dims dims;
  for (size_t i = 0; i < r; ++i) dims.push_back(padded(x.dims()[i], full[i], full[r + i], mode));
  const Tensor value = pad_value(c);
  const Source source(x), filler(value);
  Sink y(c, 0, x.dtype(), dims);
  if (r == 0) return y.copy(0, source, 0);
  if (y.count() == 0) return;
  std::vector<std::vector<int64_t>> from;
  for (size_t i = 0; i < r; ++i) from.push_back(positions(x.dims()[i], full[i], dims[i], mode));
  // Lines along the last axis; the index of the axes before it counts up like a clock.
  const std::vector<int64_t>& last = from.back();
  Dims index(r, 0);
  const int64_t lines = y.count() / dims.back();
  for (int64_t line = 0, to = 0; line < lines; ++line) {
    int64_t base = 0;
    bool inside = true;
    for (size_t d = 0; d + 1 < r; ++d) {
      const int64_t p = from[d][static_cast<size_t>(index[d])];
      inside &= p >= 0;
      base += p * strides[d];
    }
    if (!inside) {
      y.fill(to, dims.back(), filler);
      to += dims.back();
    } else {
      for (size_t i = 0, end; i < last.size(); i = end) {
        // A run of neighbours, or of the constant.
        const int64_t step = last[i] < 0 ? 0 : 1;
        for (end = i + 1; end < last.size() && last[end] == last[end - 1] + step; ++end) {
        }
        const auto n = static_cast<int64_t>(end - i);
        if (last[i] < 0)
          y.fill(to, n, filler);
        else
          y.copy(to, source, base + last[i], n);
        to += n;
      }
    }
    for (size_t d = r - 1; d-- > 0;) {
      if (++index[d] < dims[d]) break;
      index[d] = 0;
    }
  }
}

// Pads and value made explicit: pads of all axes in physical order, the value as a code of the
// input.
std::optional<runtime::Bound> bind(const ir::Node& node, const runtime::BindContext& c) {
  if (!c.has(0)) return {};
  Adapted as{node};
  const auto format = byte_format(c.in(0));
  if (c.in(0).quant && !format) return {};
  if (format) {
    // The pad value is real; where it is no code of the input, a table cannot express it.
    float value = c.version < 11 ? node.attr_float("value", 0) : 0;
    if (c.has(2)) {
      if (!c.in(2).constant || c.in(2).constant->count() != 1) return {};
      value = static_cast<float>(tensor::as_double(*c.in(2).constant, 0));
    }
    const auto out = byte_format(c.outputs[0]);
    if (!out || out->code(format->real(format->code(value))) != out->code(value)) return {};
    const uint8_t code[] = {format->code(value)};
    Tensor t = Tensor::of<uint8_t>({}, std::span<const uint8_t>(code));
    as.replaced.emplace_back(2, t.reinterpreted(c.in(0).dtype));
  }
  if (channels_last(c.in(0)) || (format && c.version < 11)) {
    const int rank = c.in(0).rank;
    std::vector<int64_t> pads;
    std::optional<std::vector<int64_t>> axes;
    if (c.version < 11) {
      pads = node.attr_ints(node.has("paddings") ? "paddings" : "pads");
    } else {
      if (!c.in(1).constant || (c.has(3) && !c.in(3).constant)) return {};
      pads = tensor::to_int64s(*c.in(1).constant);
      if (c.has(3)) axes = tensor::to_int64s(*c.in(3).constant);
    }
    pads = spread(pads, axes, rank);
    if (channels_last(c.in(0))) {
      const std::vector<int64_t> logical = pads;
      for (int i = 0; i < rank; ++i) {
        const auto p = static_cast<size_t>(physical_axis(i, rank));
        pads[p] = logical[static_cast<size_t>(i)];
        pads[static_cast<size_t>(rank) + p] = logical[static_cast<size_t>(rank + i)];
      }
    }
    if (c.version < 11)
      as.node.set(node.has("paddings") ? "paddings" : "pads", pads);
    else
      as.replaced.emplace_back(1, Tensor::vector(pads));
    if (c.has(3)) as.replaced.emplace_back(3, Tensor());
  }
  return bind_moves(node, c, reference, "pad", std::move(as));
}

}  // namespace

extern const Operator kPad{.name = "Pad",
                           .infer = infer,
                           .reference = reference,
                           .traits = {.quant = QuantClass::kMoves, .layout = LayoutClass::kAware},
                           .bind = bind};

}  // namespace tersor::ops
