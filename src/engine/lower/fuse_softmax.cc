// The scaling and the mask in front of a Softmax become part of it, so that the scores of an
// attention are read and written once.
//
//   before   Softmax(Where(mask, fill, s)), Softmax(Where(mask, s, fill)), Softmax(s + addend) or
//            Softmax(s), where s may be x * number or x / number; over the last axis, in float32
//            or a 16-bit float
//   after    tersor.plan MaskedSoftmax(x, mask, addend)
//   when     nobody else reads what is in between; s has the shape of the result
//   exact    but for a division that becomes a multiplication by the reciprocal; 16-bit floats are
//            rounded once, at the end
#include <algorithm>
#include <cmath>

#include "engine/lower/lowering.h"

namespace tersor::engine {
namespace {

bool is_standard(const ir::Node& node, const char* op) {
  return node.op == op && (node.domain.empty() || node.domain == "ai.onnx");
}

class Fuser {
 public:
  explicit Fuser(Lowering& l)
      : l_(l), g_(l.graph()), readers_(g_.consumers()), made_(g_.producers()) {
    dead_.assign(g_.nodes.size(), false);
  }

  void run() {
    for (size_t n = 0; n < g_.nodes.size(); ++n) fuse(static_cast<ir::NodeId>(n));
    g_.erase_nodes(dead_);
  }

 private:
  const std::optional<ir::Shape>& shape(ir::ValueId id) const { return g_.values[id].type.shape; }

  // The node that makes `id` and whose result nobody but `reader` reads; kNone if there is none.
  ir::NodeId inner(ir::ValueId id, ir::NodeId reader) const {
    if (id == ir::kNone || made_[id] == ir::kNone || l_.only_reader(id, readers_) != reader)
      return ir::kNone;
    return l_.constraints.no_fuse.contains(l_.key(g_.nodes[made_[id]])) ? ir::kNone : made_[id];
  }
  std::optional<float> number(ir::ValueId id) const {
    const Tensor* t = id == ir::kNone ? nullptr : g_.constant(id);
    if (!t || t->count() != 1 || !computes_in_f32(t->dtype())) return {};
    return static_cast<float>(tensor::as_double(*t, 0));
  }
  bool same_shape(ir::ValueId a, ir::ValueId b) const {
    const auto &x = shape(a), &y = shape(b);
    return x && y && x->size() == y->size() && std::ranges::equal(*x, *y);
  }

  void fuse(ir::NodeId n) {
    ir::Node& node = g_.nodes[n];
    if (!is_standard(node, "Softmax") || l_.model.opset(node.domain) < 13) return;
    if (l_.constraints.no_fuse.contains(l_.key(node))) return;
    const ir::ValueId in = node.input(0);
    const int rank = g_.values[in].type.rank();
    const int64_t axis = node.attr_int("axis", -1);
    if (rank < 2 || (axis != -1 && axis != rank - 1)) return;
    if (!computes_in_f32(g_.values[in].type.elem)) return;
    ir::Node made;
    ir::ValueId x = in, mask = ir::kNone, addend = ir::kNone;
    std::vector<ir::NodeId> gone;
    ir::NodeId reader = n;
    if (const ir::NodeId where = inner(x, reader);
        where != ir::kNone && is_standard(g_.nodes[where], "Where")) {
      const ir::Node& w = g_.nodes[where];
      const bool fills_true = number(w.input(1)).has_value();
      const auto fill = number(w.input(fills_true ? 1 : 2));
      const ir::ValueId scores = w.input(fills_true ? 2 : 1);
      if (fill && !g_.values[scores].constant && same_shape(scores, in)) {
        made.set("fill", *fill);
        made.set("masked_where", int64_t{fills_true});
        mask = w.input(0);
        x = scores;
        gone.push_back(reader = where);
      }
    } else if (where != ir::kNone && is_standard(g_.nodes[where], "Add")) {
      const ir::Node& add = g_.nodes[where];
      for (size_t i : {0, 1}) {
        const ir::ValueId scores = add.input(i), other = add.input(1 - i);
        if (g_.values[scores].constant || !same_shape(scores, in)) continue;
        if (same_shape(other, in) && !g_.values[other].constant) continue;
        addend = other;
        x = scores;
        gone.push_back(reader = where);
        break;
      }
    }
    if (const ir::NodeId scaled = inner(x, reader); scaled != ir::kNone) {
      const ir::Node& s = g_.nodes[scaled];
      const bool divides = is_standard(s, "Div");
      if (divides || is_standard(s, "Mul")) {
        const size_t at = divides || number(s.input(1)) ? 1 : 0;
        const auto factor = number(s.input(at));
        if (factor && *factor != 0 && same_shape(s.input(1 - at), x)) {
          made.set("scale", divides ? 1 / *factor : *factor);
          x = s.input(1 - at);
          gone.push_back(scaled);
        }
      }
    }
    if (gone.empty()) return;
    made.name = node.name;
    made.op = "MaskedSoftmax";
    made.domain = "tersor.plan";
    made.inputs = {x, mask, addend};
    made.outputs = node.outputs;
    NodeFacts facts = l_.facts[l_.key(node)];
    for (ir::NodeId i : gone) {
      facts.note += (facts.note.empty() ? "with " : ", ") + g_.nodes[i].op;
      dead_[i] = true;
    }
    g_.nodes[n] = std::move(made);
    l_.facts[l_.key(g_.nodes[n])] = std::move(facts);
  }

  Lowering& l_;
  ir::Graph& g_;
  std::vector<std::vector<ir::NodeId>> readers_;
  std::vector<ir::NodeId> made_;
  std::vector<bool> dead_;
};

}  // namespace

void fuse_softmax(Lowering& l) { Fuser(l).run(); }

}  // namespace tersor::engine
