#include "ops/cost.h"

#include <limits>

namespace tersor::ops {
namespace {

int64_t size_of(const ir::Dim& d) { return d.known() ? d.value : 1; }

// Saturates: a report is no place for an overflow.
int64_t times(int64_t a, int64_t b) {
  int64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? std::numeric_limits<int64_t>::max() : product;
}

int64_t elements(const ir::Shape& shape, size_t from = 0) {
  int64_t n = 1;
  for (size_t i = from; i < shape.size(); ++i) n = times(n, size_of(shape[i]));
  return n;
}

const ir::Shape* shape_of(const ir::Graph& g, ir::ValueId id) {
  if (id == ir::kNone || !g.values[id].type.shape) return nullptr;
  return &*g.values[id].type.shape;
}

}  // namespace

int64_t multiply_accumulates(const ir::Graph& g, const ir::Node& node) {
  if (!node.domain.empty() && node.domain != "ai.onnx") return 0;
  const ir::Shape* x = shape_of(g, node.input(0));
  const ir::Shape* w = shape_of(g, node.input(1));
  const ir::Shape* y = shape_of(g, node.output(0));
  if (!x || !w || !y) return 0;
  if (node.op == "Conv" && w->size() >= 2) return times(elements(*y), elements(*w, 1));
  if (node.op == "ConvTranspose" && w->size() >= 2) return times(elements(*x), elements(*w, 1));
  if (node.op == "Gemm" && w->size() == 2 && x->size() == 2)
    return times(elements(*y), size_of((*x)[node.attr_int("transA", 0) != 0 ? 0 : 1]));
  if (node.op == "MatMul" && !x->empty()) return times(elements(*y), size_of(x->back()));
  return 0;
}

}  // namespace tersor::ops
