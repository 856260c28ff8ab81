#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "ops/infer.h"
#include "passes/pipeline.h"
#include "passes/raise_opset.h"
#include "passes/types.h"
#include "quant/analysis.h"
#include "quant/halves/half_types.h"
#include "quant/halves/halves.h"

namespace tersor::quant {
namespace {

using ir::kNone;
using ir::ValueId;

constexpr int64_t kBfloat16Opset = 22;  // the first with Conv and pooling in bfloat16

bool is_standard(const ir::Node& node) { return node.domain.empty() || node.domain == "ai.onnx"; }

double largest(DType half) { return half == DType::kFloat16 ? 65504.0 : 3.3895313892515355e38; }
double smallest_normal(DType half) {
  return half == DType::kFloat16 ? 6.103515625e-05 : 1.1754943508222875e-38;
}

bool stays_float(int mask, size_t input) { return input < 30 && (mask >> input & 1); }

// Numbers that stand for infinity, as in the masks of attention: the largest finite half serves as
// well.
constexpr double kAsGoodAsInfinite = 1e30;

Tensor narrowed(const Tensor& t, DType half, bool naive) {
  const bool any = !naive && std::ranges::any_of(t.data<float>(), [](float v) {
    return std::isfinite(v) && std::fabs(static_cast<double>(v)) >= kAsGoodAsInfinite;
  });
  if (!any) return tensor::cast(t, half);
  Tensor bounded = Tensor::empty(DType::kFloat32, t.dims());
  const auto most = static_cast<float>(largest(half));
  std::ranges::transform(t.data<float>(), bounded.mutable_data<float>().begin(), [&](float v) {
    return std::isfinite(v) ? std::clamp(v, -most, most) : v;
  });
  return tensor::cast(bounded, half);
}

// What a graph shows the bodies inside it.
struct Scope {
  std::unordered_map<std::string, DType> types;       // of values that were float32
  std::unordered_map<std::string, Tensor> constants;  // float32 initializers
  const Scope* outer = nullptr;
  template <typename Map>
  static const typename Map::mapped_type* find(const Scope* s, Map Scope::*map,
                                               const std::string& name) {
    for (; s; s = s->outer)
      if (const auto it = (s->*map).find(name); it != (s->*map).end()) return &it->second;
    return nullptr;
  }
};

class Converter {
 public:
  Converter(const ir::Model& model, const HalvesRecipe& recipe, const stats::Statistics& ranges)
      : recipe_(recipe), ranges_(ranges), opset_(model.opset()) {
    collect_names(model.graph);
  }

  // `half`: false for the body of a node that stays in float32, which then does so as a whole.
  void run(ir::Graph& g, const Scope* outer, bool main, bool half) {
    Graph(*this, g, outer, main, half).run();
  }

  std::vector<FloatNode> kept;
  int64_t converted = 0, casts = 0;

 private:
  void collect_names(const ir::Graph& g) {
    for (const ir::Value& v : g.values) names_.insert(v.name);
    for (const ir::Node& n : g.nodes)
      for (const auto& body : ir::subgraphs(n)) collect_names(*body);
  }
  std::string unique(const std::string& wish) {
    std::string name = wish;
    for (int i = 2; !names_.insert(name).second; ++i) name = wish + std::to_string(i);
    return name;
  }

  class Graph {
   public:
    Graph(Converter& c, ir::Graph& g, const Scope* outer, bool main, bool half)
        : c_(c), g_(g), main_(main), all_float_(!half) {
      scope_.outer = outer;
      half_ = c.recipe_.to;
    }

    void run() {
      const size_t count = g_.values.size();
      was_float_.resize(count);
      now_.assign(count, DType::kFloat32);
      for (size_t v = 0; v < count; ++v) {
        const ir::Value& value = g_.values[v];
        const Tensor* constant = value.constant ? &*value.constant : nullptr;
        was_float_[v] =
            constant ? constant->dtype() == DType::kFloat32 : value.type.elem == DType::kFloat32;
        if (constant && was_float_[v]) scope_.constants[value.name] = *constant;
      }
      find_captures();
      for (ValueId id : g_.inputs)
        if (was_float_[id] && !g_.constant(id) && formals_are_halves()) set(id, half_);
      for (ValueId id : g_.inputs) publish(id);
      std::vector<ir::Node> old = std::move(g_.nodes);
      g_.nodes.clear();
      for (ir::Node& node : old) convert(std::move(node));
      finish_outputs();
    }

   private:
    // What is neither given, constant nor made here comes from outside.
    void find_captures() {
      captured_.assign(g_.values.size(), true);
      for (ValueId id : g_.inputs) captured_[id] = false;
      for (const ir::Node& n : g_.nodes)
        for (ValueId id : n.outputs)
          if (id != kNone) captured_[id] = false;
      for (size_t v = 0; v < g_.values.size(); ++v) {
        const std::string& name = g_.values[v].name;
        if (g_.values[v].constant) captured_[v] = false;
        if (!captured_[v]) continue;
        const DType* type = Scope::find(scope_.outer, &Scope::types, name);
        if (type) now_[v] = *type;
        was_float_[v] = type || Scope::find(scope_.outer, &Scope::constants, name);
      }
    }

    bool formals_are_halves() const { return !all_float_ && (!main_ || c_.recipe_.io); }
    void publish(ValueId id) {
      if (id != kNone && was_float_[id]) scope_.types[g_.values[id].name] = now_[id];
    }
    void set(ValueId id, DType type) {
      now_[id] = type;
      g_.values[id].type.elem = type;
    }
    bool was_float(ValueId id) const {
      return id != kNone && static_cast<size_t>(id) < was_float_.size() && was_float_[id];
    }
    // The tensor of an initializer, here or outside.
    const Tensor* constant(ValueId id) const {
      if (const Tensor* t = g_.constant(id)) return t;
      if (static_cast<size_t>(id) >= captured_.size() || !captured_[id]) return nullptr;
      return Scope::find(scope_.outer, &Scope::constants, g_.values[id].name);
    }

    ValueId add(const std::string& wish, ir::Type type) {
      was_float_.push_back(false);
      now_.push_back(type.elem);
      return g_.add_value(c_.unique(wish), std::move(type));
    }
    // The value in the wanted type; what has to be made for it stands before the node at hand.
    ValueId in_type(ValueId id, DType want) {
      if (!was_float(id)) return id;
      const Tensor* t = constant(id);
      if ((t ? DType::kFloat32 : now_[id]) == want) return id;
      ValueId& other = other_.try_emplace(id, kNone).first->second;
      if (other != kNone) return other;
      const std::string name = g_.values[id].name;
      ir::Type type = g_.values[id].type;
      type.elem = want;
      if (t) {
        const Tensor narrow = narrowed(*t, want, c_.recipe_.naive);
        const ValueId made = add(name + "_half", ir::Type::tensor(want, ir::to_shape(t->dims())));
        g_.values[made].constant = narrow;
        return other_[id] = made;
      }
      const ValueId made =
          add(name + (want == DType::kFloat32 ? "_float" : "_half"), std::move(type));
      cast(id, made, want);
      return other_[id] = made;
    }
    void cast(ValueId from, ValueId to, DType want) {
      ir::Node n;
      n.op = "Cast";
      n.name = g_.values[to].name + "/Cast";
      n.origin = "convert";
      n.inputs = {from};
      n.outputs = {to};
      n.set("to", static_cast<int64_t>(want));
      g_.nodes.push_back(std::move(n));
      ++c_.casts;
    }

    // Why the node stays in float32; empty if it does not.
    std::string obstacle(const ir::Node& node, int float_mask) const {
      if (all_float_) return "its graph stays in float32";
      if (!is_standard(node)) return "its operator is not one of ONNX";
      if (float_mask < 0)
        return fmt::format("the operator has no {} form in opset {}", tensor::name(half_),
                           c_.opset_);
      for (const std::string& glob : c_.recipe_.keep)
        if (glob_match(glob, node.name) || glob_match(glob, node.op)) return "kept as asked";
      if (c_.recipe_.naive) return {};
      for (size_t i = 0; i < node.inputs.size(); ++i) {
        const ValueId id = node.inputs[i];
        if (!was_float(id) || stays_float(float_mask, i)) continue;
        if (const Tensor* t = constant(id)) {
          if (std::string why = unfit(*t, g_.values[id].name); !why.empty()) return why;
        } else if (std::string why = out_of_range(id, node, i); !why.empty()) {
          return why;
        }
      }
      for (ValueId id : node.outputs)
        if (was_float(id))
          if (std::string why = beyond(id); !why.empty()) return why;
      return {};
    }
    std::string unfit(const Tensor& t, const std::string& name) const {
      constexpr int64_t kSingleNumbers = 16;
      const double limit = largest(half_);
      for (float v : t.data<float>()) {
        const double a = std::fabs(static_cast<double>(v));
        if (std::isfinite(v) && a > limit && a < kAsGoodAsInfinite)
          return fmt::format("constant {} holds {:.4g}; {} ends at {:.6g}", base::quoted(name), v,
                             tensor::name(half_), limit);
      }
      if (t.count() <= kSingleNumbers) {
        const Tensor back = tensor::cast(tensor::cast(t, half_), DType::kFloat32);
        for (int64_t i = 0; i < t.count(); ++i)
          if (tensor::as_double(t, i) != 0 && tensor::as_double(back, i) == 0)
            return fmt::format("constant {} holds {:.4g}, which {} turns into 0",
                               base::quoted(name), tensor::as_double(t, i), tensor::name(half_));
      }
      return {};
    }
    const stats::MinMax* range(ValueId id) const {
      const auto it = c_.ranges_.tensors.find(g_.values[id].name);
      return it == c_.ranges_.tensors.end() || it->second.range.empty() ? nullptr
                                                                        : &it->second.range;
    }
    // Of a value that a node reads or makes.
    std::string beyond(ValueId id) const {
      constexpr double kHeadroom = 0.9;  // data are samples
      const stats::MinMax* r = range(id);
      if (!r) return {};
      const double most =
          std::max(std::fabs(static_cast<double>(r->min)), std::fabs(static_cast<double>(r->max)));
      if (most > kHeadroom * largest(half_))
        return fmt::format("value {} reaches {:.4g}; {} ends at {:.6g}",
                           base::quoted(g_.values[id].name), most, tensor::name(half_),
                           largest(half_));
      if (most < smallest_normal(half_) && most > 0)
        return fmt::format("value {} stays below {:.3g}, where {} loses its digits",
                           base::quoted(g_.values[id].name), most, tensor::name(half_));
      return {};
    }
    // Roots, logarithms and divisors make small errors of small numbers large.
    std::string out_of_range(ValueId id, const ir::Node& node, size_t input) const {
      if (std::string why = beyond(id); !why.empty()) return why;
      const bool sensitive = node.op == "Sqrt" || node.op == "Log" || node.op == "Reciprocal" ||
                             (node.op == "Pow" && input == 0) || (node.op == "Div" && input == 1);
      const stats::MinMax* r = sensitive ? range(id) : nullptr;
      if (!r || r->min <= 0 || static_cast<double>(r->min) >= smallest_normal(half_)) return {};
      return fmt::format("value {} goes down to {:.3g}, where {} loses its digits",
                         base::quoted(g_.values[id].name), r->min, tensor::name(half_));
    }

    void convert(ir::Node node) {
      const bool floats =
          std::ranges::any_of(node.inputs, [&](ValueId id) { return was_float(id); }) ||
          std::ranges::any_of(node.outputs, [&](ValueId id) { return was_float(id); });
      const bool control = !ir::subgraphs(node).empty();
      const bool asks_shape = is_standard(node) && (node.op == "Shape" || node.op == "Size");
      if ((!floats && !control) || asks_shape) return place(std::move(node));
      const int mask = is_standard(node) ? float_inputs(node.op, c_.opset_, half_) : -1;
      const std::string why = obstacle(node, mask);
      const bool half = why.empty();
      if (half)
        ++c_.converted;
      else if (!all_float_)
        c_.kept.push_back({node.name, node.op, why});
      const bool casts_itself = is_standard(node) && (node.op == "Cast" || node.op == "CastLike");
      for (size_t i = 0; i < node.inputs.size(); ++i) {
        if (casts_itself && i == 0) continue;  // takes whatever comes
        const bool stays = !half || stays_float(mask, i);
        node.inputs[i] = in_type(node.inputs[i], stays ? DType::kFloat32 : half_);
      }
      for (ValueId id : node.outputs) {
        if (!was_float(id)) continue;
        const bool narrow = half && (id == node.outputs[0] || !(mask & kOtherOutputs));
        set(id, narrow ? half_ : DType::kFloat32);
        publish(id);
      }
      if (half) change_attributes(node);
      // Formal inputs and outputs of the bodies are of the node's type.
      for (ir::Attribute& a : node.attributes) {
        if (auto* body = std::get_if<ir::Attribute::GraphPtr>(&a.data)) *body = inner(**body, half);
        if (auto* bodies = std::get_if<std::vector<ir::Attribute::GraphPtr>>(&a.data))
          for (auto& b : *bodies) b = inner(*b, half);
      }
      place(std::move(node));
    }
    void place(ir::Node node) {
      for (ValueId id : node.outputs)
        if (id != kNone) publish(id);
      g_.nodes.push_back(std::move(node));
    }

    ir::Attribute::GraphPtr inner(const ir::Graph& body, bool half) {
      auto copy = std::make_shared<ir::Graph>(body);
      c_.run(*copy, &scope_, false, half);
      return copy;
    }

    void change_attributes(ir::Node& node) {
      const auto code = static_cast<int64_t>(half_);
      const auto is_float = [](int64_t type) {
        return type == static_cast<int64_t>(DType::kFloat32);
      };
      if (node.op == "Cast" && is_float(node.attr_int("to", 0))) node.set("to", code);
      for (const char* key : {"dtype", "output_datatype"})
        if (node.has(key) && is_float(node.attr_int(key, 0))) node.set(key, code);
      if ((node.op == "RandomNormal" || node.op == "RandomUniform") && !node.has("dtype"))
        node.set("dtype", code);
      if (node.op == "Constant") {
        if (const ir::Attribute* a = node.find("value_float")) {
          const float v = std::get<float>(a->data);
          node.erase("value_float");
          node.set("value", Tensor::scalar(v));
        } else if (node.has("value_floats")) {
          const std::vector<float> v = node.attr_floats("value_floats");
          node.erase("value_floats");
          node.set("value", Tensor::of<float>({static_cast<int64_t>(v.size())}, v));
        }
      }
      if (node.op == "ConstantOfShape" && !node.has("value"))
        node.set("value", Tensor::of<float>({1}, {0.0F}));
      if (node.op == "Constant" || node.op == "ConstantOfShape")
        if (const Tensor* t = node.attr_tensor("value"); t && t->dtype() == DType::kFloat32)
          node.set("value", narrowed(*t, half_, c_.recipe_.naive));
    }

    void finish_outputs() {
      for (ValueId& out : g_.outputs) {
        if (!was_float(out)) continue;
        if (!main_ || c_.recipe_.io) {
          out = in_type(out, formals_are_halves() ? half_ : DType::kFloat32);
          continue;
        }
        if (now_[out] == DType::kFloat32 || g_.constant(out)) continue;
        // The public name goes to the widened value.
        ir::Value copy = g_.values[out];
        copy.type.elem = DType::kFloat32;
        g_.values[out].name = c_.unique(copy.name + "_half");
        g_.values[out].declared = false;
        g_.values.push_back(std::move(copy));
        was_float_.push_back(true);
        now_.push_back(DType::kFloat32);
        const auto real = static_cast<ValueId>(g_.values.size() - 1);
        cast(out, real, DType::kFloat32);
        out = real;
      }
    }

    Converter& c_;
    ir::Graph& g_;
    bool main_, all_float_;
    DType half_;
    Scope scope_;
    std::vector<bool> was_float_, captured_;
    std::vector<DType> now_;
    std::unordered_map<ValueId, ValueId> other_;  // the same value in the other type
  };

  const HalvesRecipe& recipe_;
  const stats::Statistics& ranges_;
  int64_t opset_;
  std::unordered_set<std::string> names_;
};

// Weights become halves, widened by a Cast that runtimes fold when they load.
void narrow_storage(ir::Graph& g, DType half, int64_t& casts) {
  constexpr int64_t kFewest = 16;
  std::vector<ir::Node> widen;
  const size_t count = g.values.size();
  for (size_t v = 0; v < count; ++v) {
    const auto& constant = g.values[v].constant;
    const auto id = static_cast<ValueId>(v);
    if (!constant || constant->dtype() != DType::kFloat32 || constant->count() < kFewest ||
        g.is_output(id))
      continue;
    if (std::ranges::find(g.inputs, id) != g.inputs.end()) continue;
    const Tensor narrow = tensor::cast(*constant, half);
    const bool fits = std::ranges::all_of(constant->data<float>(), [&](float x) {
      return !std::isfinite(x) || std::fabs(static_cast<double>(x)) <= largest(half);
    });
    if (!fits) continue;
    const ValueId stored = g.add_constant(g.fresh_name(g.values[v].name + "_half"), narrow);
    g.values[v].type = ir::Type::tensor(DType::kFloat32, ir::to_shape(narrow.dims()));
    g.values[v].constant.reset();
    ir::Node n;
    n.op = "Cast";
    n.name = g.values[v].name + "/Cast";
    n.origin = "convert";
    n.inputs = {stored};
    n.outputs = {id};
    n.set("to", static_cast<int64_t>(DType::kFloat32));
    widen.push_back(std::move(n));
    ++casts;
  }
  g.nodes.insert(g.nodes.begin(), std::make_move_iterator(widen.begin()),
                 std::make_move_iterator(widen.end()));
}

}  // namespace

std::map<std::string, int> half_points(const ir::Model& model) {
  std::map<std::string, int> points;
  for (const ir::Value& v : model.graph.values)
    if (!v.constant && v.type.elem == DType::kFloat32) points.emplace(v.name, 0);
  return points;
}

Halves to_halves(const ir::Model& model, const HalvesRecipe& recipe,
                 const stats::Statistics& ranges) {
  Halves out{.model = model, .kept = {}, .converted = 0, .casts = 0};
  ir::Model& m = out.model;
  passes::run_pass(m, "inline_functions");
  passes::run_pass(m, "initializers_not_inputs");
  if (recipe.to == DType::kBfloat16 && m.opset() < kBfloat16Opset && !recipe.storage_only)
    if (const passes::Raised raised = passes::raise_opset(m, kBfloat16Opset); !raised.done)
      out.kept.push_back({"", "", raised.reason});
  m.ir_version = std::max<int64_t>(m.ir_version, 4);
  if (recipe.storage_only) {
    narrow_storage(m.graph, recipe.to, out.casts);
  } else {
    passes::infer_types(m);
    Converter c(m, recipe, ranges);
    c.run(m.graph, nullptr, true, true);
    out.kept.insert(out.kept.end(), c.kept.begin(), c.kept.end());
    out.converted = c.converted;
    out.casts = c.casts;
  }
  m.graph.drop_unused_values();
  ops::infer_shapes(m);
  ir::verify(m);
  return out;
}

}  // namespace tersor::quant
