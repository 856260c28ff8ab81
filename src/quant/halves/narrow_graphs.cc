#include "quant/halves/narrow_graphs.h"

#include <algorithm>
#include <functional>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "quant/analysis.h"
#include "quant/halves/half_types.h"
#include "quant/halves/numbers.h"

namespace tersor::quant {
namespace {

using ir::kNone;
using ir::ValueId;

bool is_standard(const ir::Node& node) { return node.domain.empty() || node.domain == "ai.onnx"; }

bool stays_float(int mask, size_t input) { return input < 30 && (mask >> input & 1); }

// What a graph shows the bodies inside it.
struct Scope {
  std::unordered_map<std::string, DType> types;       // of values that were float32
  std::unordered_map<std::string, Tensor> constants;  // float32 initializers
  // The name of an initializer of this very graph in half precision.
  std::function<std::string(const std::string&)> in_half;
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
      : recipe_(recipe), numbers_(recipe.to, &ranges), opset_(model.opset()) {
    collect_names(model.graph);
  }

  // `half`: false for the body of a node that stays in float32, which then does so as a whole.
  void run(ir::Graph& g, const Scope* outer, bool main, bool half) {
    Graph(*this, g, outer, main, half).run();
  }

  std::vector<FloatNode> kept;
  std::set<std::string> matched;  // of the recipe's globs
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
      scope_.in_half = [this](const std::string& name) {
        const auto of_name = [&](const ir::Value& v) { return v.constant && v.name == name; };
        const auto it = std::ranges::find_if(g_.values, of_name);
        return g_.values[in_type(static_cast<ValueId>(it - g_.values.begin()), half_)].name;
      };
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
      if (!captured(id)) return nullptr;
      return Scope::find(scope_.outer, &Scope::constants, g_.values[id].name);
    }

    DType type_of(ValueId id) const { return constant(id) ? DType::kFloat32 : now_[id]; }

    ValueId add(const std::string& wish, ir::Type type) {
      return register_value(c_.unique(wish), std::move(type));
    }
    ValueId register_value(std::string name, ir::Type type) {
      was_float_.push_back(false);
      now_.push_back(type.elem);
      return g_.add_value(std::move(name), std::move(type));
    }
    bool captured(ValueId id) const {
      return static_cast<size_t>(id) < captured_.size() && captured_[id];
    }
    // The value in the wanted type; what has to be made for it stands before the node at hand.
    ValueId in_type(ValueId id, DType want) {
      if (!was_float(id)) return id;
      const Tensor* t = constant(id);
      if (type_of(id) == want) return id;
      ValueId& other = other_.try_emplace(id, kNone).first->second;
      if (other != kNone) return other;
      const std::string name = g_.values[id].name;
      ir::Type type = g_.values[id].type;
      type.elem = want;
      if (t && captured(id)) {
        // Made once, where the original is.
        const Scope* owner = scope_.outer;
        while (!owner->constants.contains(name)) owner = owner->outer;
        type.shape = ir::to_shape(t->dims());
        type.kind = ir::Type::Kind::kTensor;
        const ValueId made = register_value(owner->in_half(name), std::move(type));
        g_.captures.push_back(made);
        return other_[id] = made;
      }
      if (t) {
        Tensor narrow = narrowed(*t, want, c_.recipe_.naive);  // add() moves *t
        type = ir::Type::tensor(want, ir::to_shape(t->dims()));
        const ValueId made = add(name + "_half", std::move(type));
        g_.values[made].constant = std::move(narrow);
        return other_[id] = made;
      }
      const ValueId made =
          add(name + (want == DType::kFloat32 ? "_float" : "_half"), std::move(type));
      cast(id, made, want);
      return other_[id] = made;
    }
    // A weight that is a half in the file and float32 in the node.
    ValueId stored(ValueId id) {
      if (!g_.constant(id) || !was_float(id)) return in_type(id, DType::kFloat32);
      const std::string name = g_.values[id].name;
      const ValueId narrow = in_type(id, half_);
      ir::Type type = g_.values[narrow].type;
      type.elem = DType::kFloat32;
      const ValueId made = add(name + "_float", std::move(type));
      cast(narrow, made, DType::kFloat32);
      return made;
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
    std::string obstacle(const ir::Node& node, int float_mask, bool asked) const {
      if (all_float_) return "its graph stays in float32";
      if (!is_standard(node)) return "its operator is not one of ONNX";
      if (float_mask < 0)
        return fmt::format("the operator has no {} form in opset {}", tensor::name(half_),
                           c_.opset_);
      if (asked) return "kept as asked";
      if (std::string why = untyped(node); !why.empty()) return why;
      if (node.op.starts_with("Scatter") && node.attr_string("reduction", "none") != "none")
        return "runtimes have no reduction of halves";
      if (c_.recipe_.naive) return {};
      for (ValueId id : node.outputs)
        if (id != kNone)
          if (const auto it = c_.recipe_.measured.find(g_.values[id].name);
              it != c_.recipe_.measured.end())
            return it->second;
      if (const Tensor* t = node.attr_tensor("value"); t && t->dtype() == DType::kFloat32)
        if (std::string why = c_.numbers_.against(*t, g_.values[node.outputs.at(0)].name);
            !why.empty())
          return why;
      for (size_t i = 0; i < node.inputs.size(); ++i) {
        const ValueId id = node.inputs[i];
        if (!was_float(id) || stays_float(float_mask, i)) continue;
        if (const Tensor* t = constant(id)) {
          if (std::string why = c_.numbers_.against(*t, g_.values[id].name); !why.empty())
            return why;
        } else if (std::string why = c_.numbers_.against(g_.values[id].name, node, i);
                   !why.empty()) {
          return why;
        }
      }
      for (ValueId id : node.outputs)
        if (was_float(id))
          if (std::string why = c_.numbers_.against(g_.values[id].name); !why.empty()) return why;
      return {};
    }
    // A value whose elements would have to change their type unseen.
    std::string untyped(const ir::Node& node) const {
      for (const auto* list : {&node.inputs, &node.outputs})
        for (ValueId id : *list) {
          if (id == kNone || was_float(id) || g_.constant(id) || captured(id)) continue;
          const ir::Type::Kind kind = g_.values[id].type.kind;
          if (kind == ir::Type::Kind::kOther)
            return fmt::format("value {} is no tensor", base::quoted(g_.values[id].name));
          if (kind == ir::Type::Kind::kUnknown && !any_type(node))
            return fmt::format("the type of value {} is not known",
                               base::quoted(g_.values[id].name));
        }
      return {};
    }
    // Says itself what type it gives, whatever it is given.
    static bool any_type(const ir::Node& node) {
      return node.op == "Cast" || node.op == "CastLike";
    }

    bool kept_as_asked(const ir::Node& node) {
      bool asked = false;
      for (const std::string& glob : c_.recipe_.keep)
        if (glob_match(glob, node.name) || glob_match(glob, node.op)) {
          asked = true;
          c_.matched.insert(glob);
        }
      return asked;
    }

    void convert(ir::Node node) {
      const bool asked = kept_as_asked(node);
      const bool floats =
          std::ranges::any_of(node.inputs, [&](ValueId id) { return was_float(id); }) ||
          std::ranges::any_of(node.outputs, [&](ValueId id) { return was_float(id); });
      const bool control = !ir::subgraphs(node).empty();
      const bool asks_shape = is_standard(node) && (node.op == "Shape" || node.op == "Size");
      if ((!floats && !control) || asks_shape || gives_output(node)) return place(std::move(node));
      const int mask = is_standard(node) ? float_inputs(node.op, c_.opset_, half_) : -1;
      const std::string why = obstacle(node, mask, asked);
      const bool half = why.empty();
      if (half)
        c_.converted += !(is_standard(node) && any_type(node));
      else if (!all_float_)
        c_.kept.push_back({name_of(node), node.op, why, first_output(node)});
      const bool casts_itself = is_standard(node) && any_type(node);
      for (size_t i = 0; i < node.inputs.size(); ++i) {
        if (casts_itself && i == 0) continue;  // takes whatever comes
        const bool stays = !half || stays_float(mask, i);
        node.inputs[i] = i == 1 && !half && c_.recipe_.stored.contains(first_output(node))
                             ? stored(node.inputs[i])
                             : in_type(node.inputs[i], stays ? DType::kFloat32 : half_);
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
    // A Cast that makes a float32 output of the model stays what it is.
    bool gives_output(const ir::Node& node) const {
      return main_ && !c_.recipe_.io && is_standard(node) && node.op == "Cast" &&
             node.output(0) != kNone && was_float(node.outputs[0]) && g_.is_output(node.outputs[0]);
    }
    void place(ir::Node node) {
      for (ValueId id : node.outputs)
        if (id != kNone) publish(id);
      g_.nodes.push_back(std::move(node));
    }

    // An unnamed node goes by the value it makes.
    std::string name_of(const ir::Node& node) const {
      return node.name.empty() ? first_output(node) : node.name;
    }
    std::string first_output(const ir::Node& node) const {
      for (ValueId id : node.outputs)
        if (id != kNone) return g_.values[id].name;
      return {};
    }

    ir::Attribute::GraphPtr inner(const ir::Graph& body, bool half) {
      auto copy = std::make_shared<ir::Graph>(body);
      c_.run(*copy, &scope_, false, half);
      copy->drop_unused_values();  // captures that nobody reads would keep the original alive
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
      if (node.op.ends_with("Window") && !node.has("output_datatype"))
        node.set("output_datatype", code);
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
      const DType want = formals_are_halves() ? half_ : DType::kFloat32;
      std::vector<ValueId> outputs = g_.outputs;
      for (ValueId& out : outputs) {
        if (!was_float(out)) continue;
        if (!main_)
          out = in_type(out, want);
        else if (type_of(out) != want)
          leave(out, want);
      }
      g_.outputs = std::move(outputs);
    }
    // An output of the model keeps its name in the type it leaves in; all that reads it here,
    // bodies included, reads it by another name in the type it is made in.
    void leave(ValueId out, DType want) {
      const std::string name = g_.values[out].name;
      const ValueId made =
          add(name + (want == DType::kFloat32 ? "_half" : "_float"), g_.values[out].type);
      for (ir::Node& node : g_.nodes) std::ranges::replace(node.outputs, out, made);
      g_.replace_uses(out, made);
      set(out, want);
      std::optional<Tensor>& constant = g_.values[out].constant;
      if (!constant) return cast(made, out, want);
      g_.values[made].constant = *constant;
      constant = narrowed(*constant, want, c_.recipe_.naive);
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
  const Numbers numbers_;
  int64_t opset_;
  std::unordered_set<std::string> names_;
};

}  // namespace

Narrowed narrow_graphs(ir::Model& model, const HalvesRecipe& recipe,
                       const stats::Statistics& ranges) {
  Converter c(model, recipe, ranges);
  c.run(model.graph, nullptr, true, true);
  Narrowed out{std::move(c.kept), {}, c.converted, c.casts};
  for (const std::string& glob : recipe.keep)
    if (!c.matched.contains(glob)) out.unmatched.push_back(glob);
  return out;
}

}  // namespace tersor::quant
