#include "engine/plan.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <limits>
#include <unordered_map>

#include "base/error.h"
#include "base/limits.h"
#include "engine/convert_layout.h"
#include "engine/lower/layouts.h"
#include "engine/lower/lowering.h"
#include "engine/lower/samples.h"
#include "engine/reference_step.h"
#include "engine/widened_step.h"
#include "ops/infer.h"
#include "runtime/tasks.h"

namespace tersor::engine {
namespace {

using runtime::Layout;
using runtime::Wire;

void check_operators(const ir::Graph& graph, const ir::Model& model, int depth) {
  if (depth > limits::kGraphNesting)
    base::fail(ErrorKind::kLimit, "E63", "graphs are nested deeper than {}", limits::kGraphNesting);
  for (const ir::Node& node : graph.nodes) {
    if (!ops::find(node.domain, node.op, model.opset(node.domain))) ops::fail_unknown(node);
    for (const auto& body : ir::subgraphs(node)) check_operators(*body, model, depth + 1);
  }
}

Wire wire_of(const ir::Graph& g, ir::ValueId id, Layout layout,
             const std::optional<QuantParams>& quant) {
  Wire wire;
  if (id == ir::kNone) {
    wire.present = false;
    return wire;
  }
  const ir::Value& value = g.values[id];
  wire.dtype = value.type.elem;
  wire.quant = quant;
  wire.layout = layout;
  wire.rank = value.type.rank();
  if (value.type.shape)
    for (const ir::Dim& d : *value.type.shape) wire.dims.push_back(d.value);
  wire.constant = g.constant(id);
  return wire;
}

class Compiler {
 public:
  Compiler(const ir::Model& model, const CompileOptions& options, runtime::ThreadPool& pool,
           int depth)
      : source_(model), options_(options), pool_(pool), depth_(depth) {}

  std::shared_ptr<const Plan> run() {
    const int64_t opset = source_.opset();
    if (depth_ == 0 && opset != 0 && (opset < limits::kOldestOpset || opset > limits::kNewestOpset))
      base::fail_unsupported("the model uses opset {}; the engine runs {} to {}", opset,
                             limits::kOldestOpset, limits::kNewestOpset);
    // Binding may find that a rewrite or layout does not work for these wires; then it is forbidden
    // and the model is lowered again. Every round adds a constraint, so this ends.
    for (size_t rounds = 0; rounds < 3 * source_.graph.nodes.size() + 8; ++rounds) {
      changed_ = false;
      auto plan = attempt();
      if (!changed_) return plan;
    }
    throw Error(ErrorKind::kInternal, "E72", "lowering does not come to an end");
  }

 private:
  std::shared_ptr<Plan> attempt() {
    Lowering l{options_, constraints_, source_, {}};
    ops::infer_shapes(l.model);
    const PieceSizes piece = depth_ == 0 ? piece_sizes(l.model) : PieceSizes{};
    if (options_.fuse) {
      fuse_clip(l);
      fuse_bias(l);
    }
    push_dequantize(l);
    absorb_qdq(l);
    if (options_.fuse) {
      fuse_softmax(l);
      fuse_heads(l);
      fuse_residual(l);
      fuse_clip(l);
    }
    fold(l);
    l.graph().drop_unused_values();
    auto plan = std::make_shared<Plan>();
    plan->piece = piece;
    for (ir::ValueId id : l.graph().outputs)
      plan->output_names.push_back(l.graph().values[id].name);
    const Layouts assigned = assign_layouts(l);
    const std::vector<Layout>& layouts = assigned.of;
    captured_rows_ = &assigned.captured_rows;
    const ir::Graph& g = l.graph();
    for (size_t v = 0; v < g.values.size(); ++v) {
      const auto id = static_cast<ir::ValueId>(v);
      plan->slots.push_back({g.values[v].name, wire_of(g, id, layouts[v], {}), g.values[v].type});
      if (g.values[v].constant) {
        plan->constants.emplace_back(id, *g.values[v].constant);
        plan->slots[v].wire.constant = nullptr;
      }
    }
    plan->inputs = g.captures.empty() && depth_ == 0 ? g.required_inputs() : g.inputs;
    if (depth_ > 0) plan->inputs = g.inputs;
    plan->captures = g.captures;
    plan->outputs = g.outputs;
    std::vector<Binding> bindings;
    for (const ir::Node& node : g.nodes) bindings.push_back(binding_of(*plan, l, node, layouts));
    bind(l, bindings);
    if (options_.fuse) merge_maps(l, bindings);
    for (Binding& b : bindings)
      if (!b.merged) at_node(b.node, [&] { add_step(*plan, l, b, layouts); });
    drop_packed(*plan);
    plan_lifetimes(*plan);
    for (size_t v = 0; v < plan->slots.size(); ++v)
      if (options_.keep.contains(plan->slots[v].name))
        plan->taps.emplace_back(static_cast<int>(v), plan->slots[v].name);
    return plan;
  }

  // A node with what is known of its wires, and what binding made of it.
  struct Binding {
    const ir::Node& node;
    NodeFacts facts;
    std::vector<Wire> inputs, outputs;
    std::optional<runtime::Bound> bound;
    std::vector<ir::ValueId> results = node.outputs;
    bool merged = false;  // into the step before it
  };

  template <typename F>
  static void at_node(const ir::Node& node, F&& f) {
    base::with_frame(f, [&] {
      return fmt::format("node {} ({})", base::quoted(node.name), base::printable(node.op));
    });
  }

  static Binding binding_of(Plan& plan, Lowering& l, const ir::Node& node,
                            const std::vector<Layout>& layouts) {
    const ir::Graph& g = l.graph();
    const auto known = l.facts.find(l.key(node));
    Binding b{node, known == l.facts.end() ? NodeFacts{} : known->second, {}, {}, {}};
    const auto layout = [&](ir::ValueId id) {
      return id == ir::kNone ? Layout::kRows : layouts[id];
    };
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const ir::ValueId id = node.inputs[i];
      b.inputs.push_back(wire_of(g, id, layout(id),
                                 i < b.facts.in_quant.size() ? b.facts.in_quant[i] : std::nullopt));
    }
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      const ir::ValueId id = node.outputs[i];
      b.outputs.push_back(wire_of(g, id, layout(id), i == 0 ? b.facts.out_quant : std::nullopt));
      if (i == 0 && b.facts.out_quant && id != ir::kNone)
        plan.slots[id].wire.quant = b.facts.out_quant;
    }
    return b;
  }

  // Binds all nodes. This is where the time of a plan goes: constants are packed.
  void bind(Lowering& l, std::vector<Binding>& bindings) {
    const ir::Graph& g = l.graph();
    // How many nodes have yet to read a constant that may then be unloaded.
    std::unordered_map<const Buffer*, std::atomic<int>> readers;
    const auto buffer_of = [&](ir::ValueId id) -> const Buffer* {
      const Tensor* t = g.constant(id);
      return t ? t->buffer().get() : nullptr;
    };
    if (options_.unload)
      for (const Binding& b : bindings)
        for (ir::ValueId id : b.node.inputs)
          if (const Buffer* buffer = buffer_of(id)) ++readers[buffer];
    runtime::run_tasks(pool_, static_cast<int64_t>(bindings.size()), [&](int64_t i, int) {
      Binding& b = bindings[static_cast<size_t>(i)];
      if (b.node.op == kConvertLayout) return;
      at_node(b.node, [&] {
        const ops::Operator* op = l.op(b.node);
        if (!op) ops::fail_unknown(b.node);
        const runtime::BindContext context{b.inputs, b.outputs, options_.isa,
                                           static_cast<int>(l.model.opset(b.node.domain))};
        if (op->bind) b.bound = op->bind(b.node, context);
        if (!b.bound) b.bound = bind_widened(*op, b.node, context);
      });
      if (options_.unload)
        for (ir::ValueId id : b.node.inputs)
          if (const Buffer* buffer = buffer_of(id); buffer && --readers.at(buffer) == 0)
            buffer->unload();
    });
  }

  // A step that gives real numbers, and what alone reads them, element by element: one step, whose
  // numbers are mapped while they are near.
  static void merge_maps(const Lowering& l, std::vector<Binding>& bindings) {
    const auto readers = l.model.graph.consumers();
    for (Binding& b : bindings) {
      if (!b.bound || !b.bound->mapped_by) continue;
      const ir::NodeId next = l.only_reader(b.results[0], readers);
      if (next == ir::kNone) continue;
      Binding& map = bindings[static_cast<size_t>(next)];
      if (!map.bound || !map.bound->map || map.node.input(0) != b.results[0]) continue;
      if (map.outputs[0].layout != b.outputs[0].layout) continue;
      b.bound->call = b.bound->mapped_by(*std::move(map.bound->map));
      b.facts.note += (b.facts.note.empty() ? "with " : ", ") + map.node.op;
      b.outputs = std::move(map.outputs);
      b.results = map.results;
      map.merged = true;
    }
  }

  void add_step(Plan& plan, Lowering& l, Binding& b, const std::vector<Layout>& layouts) {
    const ir::Node& node = b.node;
    StepInfo info;
    info.name = node.name;
    info.op = node.op;
    info.note = b.facts.note;
    info.layout = b.outputs.empty() ? Layout::kRows : b.outputs[0].layout;
    info.type = b.outputs.empty() ? "" : tensor::name(b.outputs[0].dtype);

    Step step;
    step.inputs.assign(node.inputs.begin(), node.inputs.end());
    step.outputs.assign(b.results.begin(), b.results.end());
    if (node.op == kConvertLayout) {
      info.kernel = "transpose";
      step.call = convert_layout(node.attr_string("to", "") == "channels_last", options_.isa);
    } else if (b.bound) {
      step.call = std::move(b.bound->call);
      info.kernel = std::move(b.bound->kernel);
      info.integer = b.bound->integer;
      info.why = std::move(b.bound->why);
      for (size_t i = 0; i < step.inputs.size() && i < 32; ++i)
        if (b.bound->unread >> i & 1) step.inputs[i] = -1;
    } else if (!refuse(node, l.key(node), b.facts, layouts)) {
      std::vector<BodyPlan> bodies;
      for (const auto& body : ir::subgraphs(node)) {
        bodies.push_back(compile_body(l, *body));
        for (ir::ValueId id : bodies.back().captured) step.inputs.push_back(id);
      }
      // Control flow only calls the plans of its bodies.
      info.reference = bodies.empty();
      info.kernel = bodies.empty() ? "reference" : "bodies";
      if (info.reference) info.why = "no kernel for this operator on these types";
      step.call = reference_step(*l.op(node), node, static_cast<int>(l.model.opset(node.domain)),
                                 std::move(bodies));
    }
    step.info = static_cast<int>(plan.info.size());
    plan.info.push_back(std::move(info));
    plan.steps.push_back(std::move(step));
  }

  // Nothing is bound: forbids what was done to this node, so that the next round can do without it.
  // False if it is as the model has it: then the reference serves.
  bool refuse(const ir::Node& node, const std::string& key, const NodeFacts& facts,
              const std::vector<Layout>& layouts) {
    bool news = false;
    const auto forbid = [&](std::set<std::string>& set, const std::string& name) {
      news |= set.insert(name).second;
      changed_ |= news;
      return news;
    };
    const bool channels_last =
        node.output(0) != ir::kNone && layouts[node.output(0)] == Layout::kChannelsLast;
    const bool takes_codes =
        std::ranges::any_of(facts.in_quant, [](const auto& q) { return q.has_value(); });
    // What takes real numbers stays in its layout if it can do without giving codes.
    const bool only_gives_codes = facts.out_quant && !takes_codes;
    if (channels_last && !only_gives_codes && forbid(constraints_.rows_only, key)) return true;
    if (takes_codes || facts.out_quant) {
      // The float form has another first output: the value in front of the QuantizeLinear.
      const ir::Graph& g = source_.graph;
      const ir::ValueId id = g.find(key);
      const auto made = g.producers();
      if (id != ir::kNone && made[id] != ir::kNone && g.nodes[made[id]].op == "QuantizeLinear")
        forbid(constraints_.no_absorb, g.values[g.nodes[made[id]].inputs[0]].name);
      if (forbid(constraints_.no_absorb, key)) return true;
    }
    if (channels_last && forbid(constraints_.rows_only, key)) return true;
    const bool fused = node.has("clip_min") || node.has("clip_max") || !facts.note.empty();
    return fused && forbid(constraints_.no_fuse, key);
  }

  BodyPlan compile_body(Lowering& l, const ir::Graph& body) {
    ir::Model inner = l.model;
    inner.graph = body;
    BodyPlan result;
    // Captured constants become constants of the body; so do captures of the bodies inside it.
    std::vector<ir::ValueId> captures;
    const auto own = [&](const std::string& name) { return inner.graph.find(name); };
    for (const std::string& name : ir::captured_names(body))
      if (own(name) == ir::kNone) {
        const ir::ValueId id = inner.graph.add_value(name);
        inner.graph.captures.push_back(id);
      }
    for (ir::ValueId id : inner.graph.captures) {
      const std::string& name = inner.graph.values[id].name;
      const auto rows = captured_rows_->find(name);
      const ir::ValueId outer = rows != captured_rows_->end() ? rows->second : l.graph().find(name);
      if (outer == ir::kNone)
        base::fail_input("E27", "value {} of a subgraph is not made anywhere",
                         base::quoted(inner.graph.values[id].name));
      inner.graph.values[id].type = l.graph().values[outer].type;
      if (const Tensor* constant = l.graph().constant(outer)) {
        inner.graph.values[id].constant = *constant;
      } else {
        captures.push_back(id);
        result.captured.push_back(outer);
      }
    }
    inner.graph.captures = captures;
    CompileOptions options = options_;
    options.keep.clear();
    result.plan = Compiler(inner, options, pool_, depth_ + 1).run();
    result.source = &body;
    return result;
  }

  static void plan_lifetimes(Plan& plan) {
    std::vector<int> last(plan.slots.size(), -1);
    for (size_t s = 0; s < plan.steps.size(); ++s) {
      for (int v : plan.steps[s].inputs)
        if (v >= 0) last[v] = static_cast<int>(s);
      for (int v : plan.steps[s].outputs)
        if (v >= 0) last[v] = std::max(last[v], static_cast<int>(s));
    }
    for (int v : plan.outputs) last[v] = -1;
    for (auto& [v, tensor] : plan.constants) last[v] = -1;
    for (size_t v = 0; v < last.size(); ++v)
      if (last[v] >= 0) plan.steps[last[v]].release.push_back(static_cast<int>(v));
  }

  // A constant that only steps with packed copies read is not needed at run time.
  static void drop_packed(Plan& plan) {
    for (const auto& [v, tensor] : plan.constants) plan.weight_bytes += tensor.bytes();
    std::vector<bool> read(plan.slots.size(), false);
    for (const Step& step : plan.steps)
      for (int v : step.inputs)
        if (v >= 0) read[v] = true;
    for (int v : plan.outputs) read[v] = true;
    std::erase_if(plan.constants, [&](const auto& c) { return !read[c.first]; });
    // What deferred bytes are needed is fetched now, not by a step.
    for (const auto& [v, tensor] : plan.constants) tensor.raw();
  }

  const ir::Model& source_;
  const CompileOptions& options_;
  runtime::ThreadPool& pool_;
  int depth_;
  Constraints constraints_;
  bool changed_ = false;
  const std::unordered_map<std::string, ir::ValueId>* captured_rows_ = nullptr;
};

}  // namespace

std::shared_ptr<const Plan> compile(const ir::Model& model, const CompileOptions& options,
                                    runtime::ThreadPool& pool) {
  check_operators(model.graph, model, 0);
  return Compiler(model, options, pool, 0).run();
}

std::shared_ptr<const Plan> compile(const ir::Model& model, const CompileOptions& options) {
  runtime::ThreadPool alone(1);
  return compile(model, options, alone);
}

}  // namespace tersor::engine
