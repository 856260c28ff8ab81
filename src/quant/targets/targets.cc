#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/error.h"
#include "passes/pipeline.h"
#include "quant/targets/tables.h"
#include "quant/targets/view.h"

namespace tersor::quant {
namespace {

constexpr DType kEverywhere[] = {DType::kUint8, DType::kInt8};
const Target* const kAll[] = {&kAny, &kOnnxRuntime, &kOpenVino, &kTensorRt, &kTersor, &kTersorAvx2};
const Target* const kParts[] = {&kOnnxRuntime, &kOpenVino, &kTersor};  // of "any"

// Weights may lie in Constant nodes, and layers in functions.
ir::Model plain(const ir::Model& model) {
  ir::Model copy = model;
  try {
    for (const char* pass : {"inline_functions", "constants_to_initializers"})
      passes::run_pass(copy, pass);
  } catch (const Error&) {
    // Types that contradict each other, say: the rules see what is there.
    return model;
  }
  return copy;
}

void check_graph(const ir::Model& model, const ir::Graph& graph, const Target& target,
                 std::vector<Finding>& list) {
  const GraphView view(model, graph);
  for (const auto& [rule, severity] : target.rules) {
    Findings findings(rule->id, severity, list);
    rule->check(view, target, findings);
  }
}

}  // namespace

// What runs as int8 in onnxruntime, in OpenVINO and here.
extern const Target kAny{.name = "any",
                         .label = "every runtime",
                         .min_opset = 10,
                         .max_opset = 28,
                         .activation_types = kEverywhere,
                         .weight_types = kEverywhere};

void Findings::add(const GraphView& view, const ir::Node& node, ir::ValueId tensor,
                   std::string what, std::string todo) {
  list_.push_back({.rule = std::string(rule_),
                   .severity = severity_,
                   .node = node.name.empty() ? view.name(node.output(0)) : node.name,
                   .op = node.op,
                   .tensor = view.name(tensor),
                   .what = std::move(what),
                   .todo = std::move(todo)});
}

bool stores_alike(const Target& a, const Target& b) {
  return a.conv_needs_output == b.conv_needs_output && a.clips_from_zero == b.clips_from_zero &&
         a.quantizes_residual_adds == b.quantizes_residual_adds &&
         a.keeps_float_readers == b.keeps_float_readers && a.operators == b.operators;
}

const Target& find_target(std::string_view name) {
  std::string names;
  for (const Target* t : kAll) {
    if (name == t->name) return *t;
    names += (names.empty() ? "" : ", ") + std::string(t->name);
  }
  throw Error(ErrorKind::kUsage, "E50", fmt::format("unknown target {}", base::quoted(name)),
              "targets: " + names);
}

std::span<const Target* const> all_targets() { return kAll; }

std::vector<TargetRule> rules_of(const Target& target) {
  if (&target != &kAny) return {target.rules.begin(), target.rules.end()};
  std::vector<TargetRule> rules;
  for (const Target* t : kParts)
    for (const TargetRule& r : t->rules)
      if (std::ranges::find(rules, r.rule, &TargetRule::rule) == rules.end()) rules.push_back(r);
  return rules;
}

std::vector<Finding> check(const ir::Model& model, const Target& target) {
  const ir::Model copy = plain(model);
  std::vector<Finding> list;
  if (&target == &kAny) {
    for (const Target* t : kParts)
      for (Finding& f : check(copy, *t))
        if (std::ranges::none_of(list, [&](const Finding& x) {
              return x.rule == f.rule && x.node == f.node && x.tensor == f.tensor;
            }))
          list.push_back(std::move(f));
    return list;
  }
  check_graph(copy, copy.graph, target, list);
  std::vector<std::shared_ptr<const ir::Graph>> bodies;
  const auto collect = [&bodies](const ir::Graph& graph) {
    for (const ir::Node& node : graph.nodes)
      for (auto& body : ir::subgraphs(node)) bodies.push_back(std::move(body));
  };
  collect(copy.graph);
  for (size_t i = 0; i < bodies.size(); ++i) {
    const auto body = bodies[i];
    check_graph(copy, *body, target, list);
    collect(*body);
  }
  return list;
}

void check_opset(const ir::Model& model, const Target& target) {
  if (model.opset() <= target.max_opset) return;
  throw Error(ErrorKind::kUnsupported, "E32",
              fmt::format("the model uses opset {}, {} reads up to {}", model.opset(), target.label,
                          target.max_opset),
              fmt::format("export it with opset {} or lower", target.max_opset));
}

void check_weight_type(DType weights, const Target& target) {
  if (weights != DType::kInt4 || target.mixes_int4) return;
  throw Error(
      ErrorKind::kUnsupported, "E33",
      fmt::format("{} takes weights of 4 bits only where activations are floats", target.label),
      "quantize to int8, or for another target");
}

}  // namespace tersor::quant
