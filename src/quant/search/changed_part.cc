#include "quant/search/changed_part.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <type_traits>

namespace tersor::quant {
namespace {

using ir::kNone;
using ir::ValueId;

// Equal contents get equal numbers, in whatever graph they are.
class Numbers {
 public:
  int of(const std::string& key) {
    return by_key_.try_emplace(key, static_cast<int>(by_key_.size()) + 1).first->second;
  }
  int fresh() { return of(fmt::format("only {}", by_key_.size())); }

  // Takes over the memory of an equal constant that was seen before.
  int of(Tensor& t) {
    if (t.dtype() == DType::kString) return fresh();
    const std::string kind =
        fmt::format("constant {} {}", tensor::name(t.dtype()), tensor::to_string(t.dims()));
    std::vector<Tensor>& alike = constants_[kind];
    auto it = std::ranges::find_if(alike, [&](const Tensor& known) {
      return (known.buffer() == t.buffer() && known.offset() == t.offset()) ||
             tensor::same(known, t);
    });
    if (it == alike.end()) it = alike.insert(alike.end(), t);
    t = *it;
    return of(fmt::format("{} {}", kind, it - alike.begin()));
  }

 private:
  std::map<std::string, int> by_key_;
  std::map<std::string, std::vector<Tensor>> constants_;
};

// What a node computes from its inputs; empty if that cannot be told from its attributes.
std::string formula(const ir::Node& node) {
  std::string text = fmt::format("{} {} {}", node.domain, node.op, node.overload);
  std::vector<std::string> attributes;
  bool plain = true;
  for (const ir::Attribute& a : node.attributes)
    std::visit(
        [&]<typename T>(const T& data) {
          if constexpr (std::is_same_v<T, float> || std::is_same_v<T, int64_t> ||
                        std::is_same_v<T, std::string>)
            attributes.push_back(fmt::format("{}={}", a.name, data));
          else if constexpr (std::is_same_v<T, std::vector<float>> ||
                             std::is_same_v<T, std::vector<int64_t>>)
            attributes.push_back(fmt::format("{}={}", a.name, fmt::join(data, ",")));
          else
            plain = false;
        },
        a.data);
  std::ranges::sort(attributes);
  return plain ? fmt::format("{} {}", text, fmt::join(attributes, " ")) : std::string();
}

// The number of every value of a graph.
std::vector<int> number(ir::Graph& g, Numbers& numbers) {
  std::vector<int> of(g.values.size(), 0);
  for (size_t v = 0; v < g.values.size(); ++v)
    if (g.values[v].constant) of[v] = numbers.of(*g.values[v].constant);
  for (ValueId id : g.required_inputs()) of[id] = numbers.of("input " + g.values[id].name);
  for (const ir::Node& node : g.nodes) {
    std::string key = formula(node);
    for (ValueId id : node.inputs)
      key += key.empty() ? "" : fmt::format(" {}", id == kNone ? -1 : of[id]);
    for (size_t i = 0; i < node.outputs.size(); ++i)
      if (node.outputs[i] != kNone)
        of[node.outputs[i]] =
            key.empty() ? numbers.fresh() : numbers.of(fmt::format("{} -> {}", key, i));
  }
  return of;
}

bool dequantizes(const ir::Node& node) { return node.op == "DequantizeLinear"; }

// Where the other model may begin: see the header.
bool can_begin(const ir::Graph& g, const std::vector<ir::NodeId>& made, ValueId id) {
  if (made[id] == kNone || g.nodes[made[id]].op == "QuantizeLinear") return true;
  const ir::Node& node = g.nodes[made[id]];
  return !dequantizes(node) && std::ranges::none_of(node.inputs, [&](ValueId in) {
    return in != kNone && made[in] != kNone && dequantizes(g.nodes[made[in]]);
  });
}

// Marks what the outputs of the part need.
class Walk {
 public:
  Walk(const ir::Graph& g, const std::vector<bool>& given)
      : g_(g), given_(given), made_(g.producers()), seen_(g.values.size()), nodes_(g.nodes.size()) {
    for (size_t v = 0; v < g.values.size(); ++v)
      by_name_[g.values[v].name] = static_cast<ValueId>(v);
  }

  void need(ValueId id) {
    std::vector<ValueId> open{id};
    while (!open.empty()) {
      const ValueId at = open.back();
      open.pop_back();
      if (at == kNone || seen_[at] || g_.values[at].constant) continue;
      seen_[at] = true;
      if (given_[at] || made_[at] == kNone) {
        inputs.push_back(at);
        continue;
      }
      nodes_[made_[at]] = true;
      const ir::Node& node = g_.nodes[made_[at]];
      open.insert(open.end(), node.inputs.begin(), node.inputs.end());
      for (const auto& body : ir::subgraphs(node))
        for (const std::string& name : ir::captured_names(*body))
          if (const auto it = by_name_.find(name); it != by_name_.end()) open.push_back(it->second);
    }
  }
  std::vector<bool> dead() const {
    std::vector<bool> dead = nodes_;
    dead.flip();
    return dead;
  }

  std::vector<ValueId> inputs;

 private:
  const ir::Graph& g_;
  const std::vector<bool>& given_;
  std::vector<ir::NodeId> made_;
  std::vector<bool> seen_, nodes_;
  std::map<std::string, ValueId> by_name_;
};

}  // namespace

ChangedPart changed_part(const ir::Model& base, const ir::Model& whole) {
  Numbers numbers;
  ir::Graph original = base.graph;
  const std::vector<int> of_base = number(original, numbers);
  std::map<int, ValueId> by_number;
  for (size_t v = of_base.size(); v-- > 0;) by_number[of_base[v]] = static_cast<ValueId>(v);

  ChangedPart part{whole, {}};
  ir::Graph& g = part.model.graph;
  const std::vector<int> of_whole = number(g, numbers);
  const auto made = original.producers();
  std::vector<bool> given(g.values.size(), false);
  for (size_t v = 0; v < g.values.size(); ++v) {
    const auto it = by_number.find(of_whole[v]);
    given[v] = it != by_number.end() && can_begin(original, made, it->second);
  }
  std::erase_if(g.outputs, [&](ValueId id) { return by_number.contains(of_whole[id]); });
  Walk walk(g, given);
  for (ValueId id : g.outputs) walk.need(id);
  g.inputs = walk.inputs;
  for (ValueId id : walk.inputs)
    part.feeds.push_back(original.values[by_number.at(of_whole[id])].name);
  g.erase_nodes(walk.dead());
  return part;
}

}  // namespace tersor::quant
