// Editing one graph: who makes and who reads each value, kept true from one rewrite to the next.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "ir/model.h"

namespace tersor::passes {

// What a subgraph can see of the graphs around it.
class Scope {
 public:
  Scope(const ir::Graph& graph, const Scope* outer);
  // The nearest value of that name; nullptr if there is none.
  const ir::Value* find(std::string_view name) const;

 private:
  const ir::Graph& graph_;
  const Scope* outer_;
  std::unordered_map<std::string_view, ir::ValueId> names_;
};

// All value names of a model, bodies included: a new name must differ from all of them, since a
// body may not hide an outer name.
class Names {
 public:
  explicit Names(const ir::Model& model) : model_(&model) {}
  std::string fresh(std::string_view wish);
  void add(std::string name) { used_.insert(std::move(name)); }

 private:
  const ir::Model* model_;
  std::unordered_set<std::string> used_;
  std::unordered_map<std::string, int> next_;
};

// Node and value ids stay valid until finish(); references to nodes and values only until something
// is added.
class Editor {
 public:
  Editor(ir::Graph& graph, Names& names, const Scope* outer = nullptr);

  const ir::Graph& graph() const { return graph_; }
  // The nodes there were at the start; added ones are not among them.
  ir::NodeId count() const { return original_; }
  bool alive(ir::NodeId n) const { return !dead_[n]; }
  // For changes other than of inputs and outputs.
  ir::Node& node(ir::NodeId n) { return graph_.nodes[n]; }
  const ir::Node& node(ir::NodeId n) const { return graph_.nodes[n]; }
  ir::Value& value(ir::ValueId v) { return graph_.values[v]; }
  const ir::Value& value(ir::ValueId v) const { return graph_.values[v]; }
  // True for a living node of ai.onnx with that operator.
  bool is(ir::NodeId n, std::string_view op) const;

  ir::NodeId producer(ir::ValueId v) const { return v == ir::kNone ? ir::kNone : producers_[v]; }
  // The node that makes `v` if it is an `op` of ai.onnx and `v` its first output; else kNone.
  ir::NodeId made_by(ir::ValueId v, std::string_view op) const;
  // One entry per use; a node whose bodies capture the value counts as one use.
  const std::vector<ir::NodeId>& readers(ir::ValueId v) const { return readers_[v]; }
  bool is_output(ir::ValueId v) const { return outputs_.contains(v); }
  // Exactly one use, and no graph output: a rewrite of the reader may make the value vanish.
  bool used_once(ir::ValueId v) const { return readers_[v].size() == 1 && !is_output(v); }
  // The value of an initializer, here or in an outer graph; nullptr if it is none.
  const Tensor* constant(ir::ValueId v) const;
  // The type as far as it is known, of outer values too.
  const ir::Type& type(ir::ValueId v) const;

  ir::ValueId add_constant(std::string_view wish, Tensor tensor);
  ir::ValueId add_value(std::string_view wish, ir::Type type);
  // A new node that runs right before node `at`.
  ir::NodeId insert_before(ir::NodeId at, ir::Node node);
  void set_inputs(ir::NodeId n, std::vector<ir::ValueId> inputs);
  void set_input(ir::NodeId n, size_t i, ir::ValueId v);
  void set_outputs(ir::NodeId n, std::vector<ir::ValueId> outputs);
  // Readers of `from`, bodies included, read `to`; graph outputs stay.
  void replace_uses(ir::ValueId from, ir::ValueId to);
  // `v` becomes an initializer; its node must have been removed.
  void set_constant(ir::ValueId v, Tensor tensor);
  void remove(ir::NodeId n);
  // Lets `v` take the place of the first output of node `n`, which goes. A graph output keeps its
  // name, for which the node that makes `v` then makes it under that name: only where can_bypass()
  // holds.
  void bypass(ir::NodeId n, ir::ValueId v);
  bool can_bypass(ir::NodeId n, ir::ValueId v) const;

  // Drops removed nodes and unused values, and brings added nodes into place.
  void finish();

 private:
  void add_reader(ir::ValueId v, ir::NodeId n);
  void remove_reader(ir::ValueId v, ir::NodeId n);
  ir::ValueId added(ir::ValueId v);

  ir::Graph& graph_;
  Names& names_;
  const Scope* outer_;
  ir::NodeId original_;
  std::vector<bool> dead_;
  std::vector<ir::NodeId> producers_;
  std::vector<std::vector<ir::NodeId>> readers_;
  std::unordered_set<ir::ValueId> outputs_;
  std::unordered_map<ir::NodeId, std::vector<ir::NodeId>> before_;
  std::unordered_map<ir::NodeId, ir::NodeId> anchor_;  // of added nodes
};

// Calls `edit` for every graph of the model, bodies before the graph that holds them, and returns
// the sum. A body is copied, and replaced only if `edit` returns more than 0.
int for_each_graph(ir::Model& model, const std::function<int(ir::Graph&, const Scope*)>& edit);
// The same with an Editor, finished after each graph.
int edit_graphs(ir::Model& model, const std::function<int(Editor&)>& edit);
// The main graph only.
int edit_main(ir::Model& model, const std::function<int(Editor&)>& edit);

}  // namespace tersor::passes
