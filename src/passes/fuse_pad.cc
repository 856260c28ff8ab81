// Zeros put around an image go into the padding of the operator that reads it.
//
//   before   y = Conv<pads p>(Pad<constant 0, q>(x), ...)   or AveragePool
//   after    y = Conv<pads p + q>(x, ...)
//   when     q pads spatial axes only, by constants that are not negative; explicit padding in the
//   reader; AveragePool
//            counts its padding or has none of its own, does not round up, and no pad reaches the
//            window's size
//   exact    a convolution reads 0 outside its input; AveragePool then counts the padding, as it
//   did count the zeros
#include <algorithm>

#include "passes/constants.h"
#include "passes/editor.h"
#include "passes/passes.h"

namespace tersor::passes {
namespace {

// The pads of the spatial axes, all begins and then all ends.
std::optional<std::vector<int64_t>> spatial_pads(const Editor& g, const ir::Node& pad) {
  if (pad.attr_string("mode", "constant") != "constant") return {};
  std::optional<std::vector<int64_t>> pads;
  if (pad.inputs.size() > 1) {
    const Tensor* value = g.constant(pad.input(2));
    if (pad.input(2) != ir::kNone && (!value || single(value) != 0.0)) return {};
    pads = integers(g.constant(pad.input(1)));
    if (pad.input(3) != ir::kNone) {
      // Only for some axes: the others are 0.
      const auto axes = integers(g.constant(pad.input(3)));
      const int rank = g.type(pad.input(0)).rank();
      if (!pads || !axes || rank < 0 || pads->size() != 2 * axes->size()) return {};
      std::vector<int64_t> all(2 * static_cast<size_t>(rank), 0);
      for (size_t i = 0; i < axes->size(); ++i) {
        const int64_t axis = (*axes)[i] < 0 ? (*axes)[i] + rank : (*axes)[i];
        if (axis < 0 || axis >= rank) return {};
        all[static_cast<size_t>(axis)] = (*pads)[i];
        all[static_cast<size_t>(axis + rank)] = (*pads)[i + axes->size()];
      }
      pads = all;
    }
  } else {
    if (pad.attr_float("value", 0.0F) != 0.0F) return {};
    pads = pad.attr_ints("pads");
  }
  if (!pads || pads->size() < 6 || pads->size() % 2 != 0) return {};
  if (std::ranges::any_of(*pads, [](int64_t p) { return p < 0 || p > (int64_t{1} << 24); }))
    return {};
  const size_t rank = pads->size() / 2;
  for (size_t i : {size_t{0}, size_t{1}, rank, rank + 1})
    if ((*pads)[i] != 0) return {};
  std::vector<int64_t> spatial(pads->begin() + 2, pads->begin() + static_cast<int64_t>(rank));
  spatial.insert(spatial.end(), pads->begin() + static_cast<int64_t>(rank) + 2, pads->end());
  return spatial;
}

bool fuse(Editor& g, ir::NodeId n, PassContext& context) {
  const bool conv = g.is(n, "Conv");
  if (!conv && !g.is(n, "AveragePool")) return false;
  const ir::NodeId pad = g.made_by(g.node(n).input(0), "Pad");
  if (pad == ir::kNone) return false;
  const ir::Node& node = g.node(n);
  const std::string mode = node.attr_string("auto_pad", "NOTSET");
  if (mode != "NOTSET" && mode != "VALID") return false;
  std::optional<std::vector<int64_t>> pads = spatial_pads(g, g.node(pad));
  if (!pads) return false;
  std::vector<int64_t> own = mode == "VALID" ? std::vector<int64_t>{} : node.attr_ints("pads");
  if (own.empty()) own.resize(pads->size(), 0);
  if (own.size() != pads->size()) return false;
  if (!conv) {
    const bool padded = std::ranges::any_of(own, [](int64_t p) { return p != 0; });
    if (node.attr_int("ceil_mode", 0) != 0 ||
        (padded && node.attr_int("count_include_pad", 0) == 0))
      return false;
    const std::vector<int64_t> window = node.attr_ints("kernel_shape");
    if (2 * window.size() != pads->size()) return false;
    for (size_t i = 0; i < pads->size(); ++i)
      if ((*pads)[i] + own[i] >= window[i % window.size()]) return false;
  } else {
    const Tensor* w = g.constant(node.input(1));
    const int rank = w ? w->rank() : g.type(node.input(1)).rank();
    if (2 * (rank - 2) != static_cast<int>(pads->size())) return false;
  }
  if (!context.step()) return false;
  for (size_t i = 0; i < pads->size(); ++i) own[i] += (*pads)[i];
  g.set_input(n, 0, g.node(pad).input(0));
  g.node(n).erase("auto_pad");
  g.node(n).set("pads", std::move(own));
  if (!conv) g.node(n).set("count_include_pad", int64_t{1});
  g.node(n).origin = "fuse_pad";
  return true;
}

}  // namespace

int fuse_pad(ir::Model& model, PassContext& context) {
  return edit_graphs(model, [&](Editor& g) {
    int rewrites = 0;
    for (ir::NodeId n = 0; n < g.count(); ++n) rewrites += fuse(g, n, context);
    return rewrites;
  });
}

}  // namespace tersor::passes
