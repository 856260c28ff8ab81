// Before: Transpose of [batch, rows, heads, columns] -> MatMul -> Transpose back
// After:  MatMul with the attributes "a_heads", "b_heads" (2: of columns and rows exchanged) and
//         "out_heads", each where there was a Transpose; ops/detail/matmul_step.h has their
//         meaning.
// When:   nobody else reads what was transposed, and it is not quantized anew on the way.
#include "engine/lower/lowering.h"

namespace tersor::engine {
namespace {

// 1: [0, 2, 1, 3]; 2: [0, 2, 3, 1]; 0: anything else.
int64_t kind_of(const ir::Node& node) {
  if (node.op != "Transpose" || !node.domain.empty()) return 0;
  const std::vector<int64_t> perm = node.attr_ints("perm");
  if (perm == std::vector<int64_t>{0, 2, 1, 3}) return 1;
  return perm == std::vector<int64_t>{0, 2, 3, 1} ? 2 : 0;
}

struct HeadsFuser {
  Lowering& l;
  ir::Graph& g = l.graph();
  std::vector<std::vector<ir::NodeId>> readers = g.consumers();
  std::vector<ir::NodeId> made = g.producers();
  std::vector<bool> dead = std::vector<bool>(g.nodes.size(), false);

  // Whether a Transpose only moves what it reads.
  bool moves(const ir::Node& node) {
    const auto facts = l.facts.find(l.key(node));
    if (facts == l.facts.end()) return true;
    const NodeFacts& f = facts->second;
    return (f.in_quant.empty() ? std::nullopt : f.in_quant[0]) == f.out_quant;
  }

  void fuse_input(ir::NodeId n, size_t i) {
    ir::Node& node = g.nodes[n];
    const ir::NodeId t = made[node.inputs[i]];
    if (t == ir::kNone || l.only_reader(node.inputs[i], readers) != n) return;
    const ir::Node& moved = g.nodes[t];
    const int64_t kind = kind_of(moved);
    if (kind == 0 || (i == 0 && kind == 2) || !moves(moved)) return;
    if (l.constraints.no_fuse.contains(l.key(moved))) return;
    node.set(i == 0 ? "a_heads" : "b_heads", kind);
    node.inputs[i] = moved.inputs[0];
    dead[t] = true;
  }

  void fuse_output(ir::NodeId n) {
    ir::Node& node = g.nodes[n];
    const ir::NodeId t = l.only_reader(node.outputs[0], readers);
    if (t == ir::kNone || kind_of(g.nodes[t]) != 1 || !moves(g.nodes[t])) return;
    if (l.constraints.no_fuse.contains(l.key(g.nodes[t]))) return;
    const NodeFacts facts = l.facts[l.key(node)];
    node.set("out_heads", int64_t{1});
    node.outputs[0] = g.nodes[t].outputs[0];
    l.facts[l.key(node)] = facts;
    dead[t] = true;
  }

  void run() {
    for (size_t i = 0; i < g.nodes.size(); ++i) {
      const auto n = static_cast<ir::NodeId>(i);
      const ir::Node& node = g.nodes[i];
      if (node.op != "MatMul" || !node.domain.empty() || node.inputs.size() != 2) continue;
      if (l.constraints.no_fuse.contains(l.key(node))) continue;
      const auto rank = [&](ir::ValueId id) { return g.values[id].type.rank(); };
      if (rank(node.inputs[0]) != 4 || rank(node.inputs[1]) != 4) continue;
      if (g.values[node.inputs[0]].constant || g.values[node.inputs[1]].constant) continue;
      fuse_input(n, 0);
      fuse_input(n, 1);
      fuse_output(n);
      if (!node.has("a_heads") && !node.has("b_heads") && !node.has("out_heads")) continue;
      NodeFacts& facts = l.facts[l.key(node)];
      facts.note += (facts.note.empty() ? "" : ", ") + std::string("heads where they lie");
    }
    g.erase_nodes(dead);
    g.sort();
  }
};

}  // namespace

void fuse_heads(Lowering& l) { HeadsFuser{l}.run(); }

}  // namespace tersor::engine
