#include "engine/lower/layouts.h"

#include <algorithm>
#include <map>

namespace tersor::engine {
namespace {

using runtime::Layout;

class Assigner {
 public:
  explicit Assigner(Lowering& l) : l_(l), g_(l.graph()), layout_(g_.values.size(), Layout::kRows) {}

  Layouts run() {
    find_spread();
    std::vector<ir::Node> placed;
    placed.reserve(g_.nodes.size());
    for (ir::Node& node : g_.nodes) {
      const Layout want = choose(node);
      for (size_t i = 0; i < node.inputs.size(); ++i) {
        const ir::ValueId id = node.inputs[i];
        if (id == ir::kNone || g_.values[id].constant) continue;
        const bool data =
            want == Layout::kChannelsLast && is_data(node, i) && rank(id) >= 3 && !lays_out(node);
        const Layout need = data ? Layout::kChannelsLast : Layout::kRows;
        node.inputs[i] = converted(id, need, placed);
      }
      for (ir::ValueId id : node.outputs)
        if (id != ir::kNone && want == Layout::kChannelsLast) layout_[id] = want;
      placed.push_back(std::move(node));
      for (const auto& body : ir::subgraphs(placed.back())) need_rows(*body, placed);
    }
    for (ir::ValueId& id : g_.outputs) id = converted(id, Layout::kRows, placed);
    g_.nodes = std::move(placed);
    return {std::move(layout_), std::move(captured_rows_)};
  }

 private:
  int rank(ir::ValueId id) const { return g_.values[id].type.rank(); }

  bool is_data(const ir::Node& node, size_t i) const {
    const ops::Operator* op = l_.op(node);
    return op && (op->traits.variadic || (i < 32 && (op->traits.data_inputs >> i & 1)));
  }

  // Values that operators which want channels-last read and nobody else.
  void find_spread() {
    wanted_last_.assign(g_.values.size(), true);
    std::vector<bool> read(g_.values.size(), false);
    for (const ir::Node& node : g_.nodes) {
      const ops::Operator* op = l_.op(node);
      const bool wants = op && op->bind && !l_.constraints.rows_only.contains(l_.key(node)) &&
                         op->traits.layout == ops::LayoutClass::kChannelsLast;
      for (size_t i = 0; i < node.inputs.size(); ++i) {
        const ir::ValueId id = node.inputs[i];
        if (id == ir::kNone) continue;
        read[id] = true;
        if (!wants || !is_data(node, i)) wanted_last_[id] = false;
      }
      for (const auto& body : ir::subgraphs(node))
        for (const std::string& name : ir::captured_names(*body))
          if (const ir::ValueId id = g_.find(name); id != ir::kNone) wanted_last_[id] = false;
    }
    for (ir::ValueId id : g_.outputs) wanted_last_[id] = false;
    for (size_t id = 0; id < read.size(); ++id) wanted_last_[id] = wanted_last_[id] && read[id];
  }

  // The node reads rows and writes channels-last.
  bool lays_out(const ir::Node& node) const {
    const ops::Operator* op = l_.op(node);
    const ir::ValueId x = node.input(0), y = node.output(0);
    return op && op->traits.lays_out && x != ir::kNone && y != ir::kNone && rank(y) >= 3 &&
           static_cast<size_t>(y) < wanted_last_.size() && wanted_last_[y] &&
           layout_[x] == Layout::kRows;
  }

  Layout choose(const ir::Node& node) const {
    const ops::Operator* op = l_.op(node);
    if (!op || !op->bind || l_.constraints.rows_only.contains(l_.key(node))) return Layout::kRows;
    if (lays_out(node)) return Layout::kChannelsLast;
    if (op->traits.layout == ops::LayoutClass::kRows || node.outputs.empty()) return Layout::kRows;
    const ir::ValueId out = node.output(0);
    if (out == ir::kNone || rank(out) < 3) return Layout::kRows;
    if (op->traits.layout == ops::LayoutClass::kChannelsLast) {
      const ir::ValueId x = node.input(0);
      return x != ir::kNone && rank(x) >= 3 && rank(x) == rank(out) ? Layout::kChannelsLast
                                                                    : Layout::kRows;
    }
    bool any = false;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const ir::ValueId id = node.inputs[i];
      if (id == ir::kNone || !is_data(node, i)) continue;
      if (!g_.values[id].constant && layout_[id] == Layout::kChannelsLast) any = true;
      const int r = rank(id);
      const bool scalar =
          r == 0 || (g_.values[id].constant && g_.values[id].constant->count() == 1);
      if (g_.values[id].constant ? r > rank(out) : !scalar && r != rank(out)) return Layout::kRows;
    }
    return any ? Layout::kChannelsLast : Layout::kRows;
  }

  ir::ValueId converted(ir::ValueId id, Layout need, std::vector<ir::Node>& placed) {
    if (layout_[id] == need || rank(id) < 3) return id;
    const auto known = conversions_.find(id);
    if (known != conversions_.end()) return known->second;
    const bool last = need == Layout::kChannelsLast;
    const std::string name =
        g_.fresh_name(g_.values[id].name + (last ? "/channels_last" : "/rows"));
    const ir::ValueId made = g_.add_value(name, g_.values[id].type);
    layout_.push_back(need);
    ir::Node node;
    node.name = name;
    node.op = kConvertLayout;
    node.domain = "tersor.plan";
    node.inputs = {id};
    node.outputs = {made};
    node.set("to", std::string(last ? "channels_last" : "rows"));
    placed.push_back(std::move(node));
    conversions_[id] = made;
    conversions_[made] = id;
    return made;
  }

  // What a body captures must lie in rows: the body is compiled on its own.
  void need_rows(const ir::Graph& body, std::vector<ir::Node>& placed) {
    for (const std::string& name : ir::captured_names(body)) {
      const ir::ValueId id = g_.find(name);
      if (id == ir::kNone || layout_[id] == Layout::kRows) continue;
      const ir::Node reader = std::move(placed.back());
      placed.pop_back();
      captured_rows_[name] = converted(id, Layout::kRows, placed);
      placed.push_back(reader);
    }
  }

  Lowering& l_;
  ir::Graph& g_;
  std::vector<Layout> layout_;
  std::vector<bool> wanted_last_;
  std::map<ir::ValueId, ir::ValueId> conversions_;
  std::unordered_map<std::string, ir::ValueId> captured_rows_;
};

}  // namespace

Layouts assign_layouts(Lowering& l) { return Assigner(l).run(); }

}  // namespace tersor::engine
