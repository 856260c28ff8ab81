// Formulas become operators, and only those formulas.
#include <cmath>
#include <functional>

#include "passes/testing.h"

namespace tersor::passes::testing {
namespace {

using namespace std::string_literals;

const Options kNewest{.opset_ceiling = 28};

// ---- layer normalization -----------------------------------------------------------------------

struct LayerNorm {
  int64_t opset = 11;
  bool square_by_mul = false, inverted = false, root_by_pow = false, gamma = true, beta = true;
  bool epsilon_first = false, swapped = false, folded = false, two_centres = false;
  Dims parameters = {8};
  std::vector<int64_t> axes = {-1};
};

ir::Model layer_norm(const LayerNorm& c,
                     const std::function<void(GraphBuilder&, const Ids&)>& more = {}) {
  Build m(c.opset);
  GraphBuilder& b = m.b;
  const auto mean_of = [&](ir::ValueId v) {
    if (c.opset >= 18) return b.add("ReduceMean", {v, b.constant(Tensor::vector(c.axes))});
    return b.add("ReduceMean", {v}, {{"axes", c.axes}});
  };
  const ir::ValueId x = b.input("x", {"batch"s, 4, 8});
  const ir::ValueId mean = mean_of(x), d = b.add("Sub", {x, mean});
  const ir::ValueId e = c.two_centres ? b.add("Sub", {x, mean}) : d;
  const ir::ValueId square =
      c.square_by_mul ? b.add("Mul", {e, e}) : b.add("Pow", {e, b.constant(number(2))});
  const ir::ValueId variance = mean_of(square), epsilon = b.constant(number(1e-3));
  const ir::ValueId sum =
      b.add("Add", c.epsilon_first ? Ids{epsilon, variance} : Ids{variance, epsilon});
  const ir::ValueId root =
      c.root_by_pow ? b.add("Pow", {sum, b.constant(number(0.5))}) : b.add("Sqrt", {sum});
  const ir::ValueId gamma = b.constant(floats(c.parameters, 5, 0.5, 2), "gamma");
  const ir::ValueId beta = b.constant(floats(c.parameters, 6), "beta");
  ir::ValueId y = ir::kNone;
  if (c.folded) {
    const ir::ValueId r = b.add("Mul", {b.add("Reciprocal", {root}), gamma});
    y = b.add("Add", {b.add("Mul", {x, r}), b.add("Sub", {beta, b.add("Mul", {mean, r})})});
  } else {
    y = c.inverted ? b.add("Mul", {d, b.add("Reciprocal", {root})}) : b.add("Div", {d, root});
    if (c.gamma) y = b.add("Mul", c.swapped ? Ids{gamma, y} : Ids{y, gamma});
    if (c.beta) y = b.add("Add", c.swapped ? Ids{beta, y} : Ids{y, beta});
  }
  b.output(y, "y");
  if (more) more(b, {x, mean, d, variance, root});
  return m.model;
}

TEST(LayerNormalization, IsRecognised) {
  const std::vector<LayerNorm> cases = {
      {},
      {.opset = 13},
      {.opset = 16, .square_by_mul = true},
      {.opset = 17},
      {.opset = 18},
      {.inverted = true},
      {.root_by_pow = true},
      {.beta = false},
      {.gamma = false},
      {.epsilon_first = true},
      {.gamma = false, .beta = false},
      {.swapped = true},
      {.folded = true},
      {.two_centres = true},
      {.opset = 13, .folded = true, .two_centres = false, .parameters = {1, 1, 8}},
      {.parameters = {4, 8}, .axes = {-2, -1}},
      {.parameters = {4, 8}, .axes = {1, 2}},
      {.parameters = {1, 8}},
      {.opset = 9}};
  for (size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(i);
    const Checked c = check(layer_norm(cases[i]));
    const ir::Node& node = only(c.model, "LayerNormalization");
    EXPECT_EQ(c.model.graph.nodes.size(), 1U) << ir::dump(c.model.graph);
    EXPECT_EQ(node.attr_float("epsilon", 0), 1e-3F);
    EXPECT_EQ(node.attr_int("axis", 0), -static_cast<int64_t>(cases[i].axes.size()));
    EXPECT_EQ(node.inputs.size(), cases[i].beta ? 3U : 2U);
    EXPECT_EQ(node.origin, "recognise_layernorm");
    EXPECT_EQ(c.model.opset(), std::max<int64_t>(17, cases[i].opset));
  }
}

TEST(LayerNormalization, StaysWhereItIsNone) {
  // Inner values that somebody else reads.
  for (size_t inner = 1; inner < 5; ++inner) {
    SCOPED_TRACE(inner);
    const auto read = [&](GraphBuilder& b, const Ids& v) {
      b.output(b.add("Neg", {v[inner]}), "z");
    };
    EXPECT_EQ(count(check(layer_norm({.opset = 17}, read)).model, "LayerNormalization"), 0);
    const auto show = [&](GraphBuilder& b, const Ids& v) { b.output(v[inner], "z"); };
    EXPECT_EQ(count(check(layer_norm({.opset = 17}, show)).model, "LayerNormalization"), 0);
  }
  // Other axes, and axes of which a later one is left out.
  EXPECT_EQ(
      count(check(layer_norm({.parameters = {4, 1}, .axes = {1}})).model, "LayerNormalization"), 0);
  // A ceiling below.
  const Checked low = check(layer_norm({}), {.opset_ceiling = 16});
  EXPECT_EQ(count(low.model, "LayerNormalization"), 0);
  EXPECT_EQ(low.model.opset(), 11);
}

TEST(LayerNormalization, MeansOfOtherAxesAreNone) {
  Build m(17);
  GraphBuilder& b = m.b;
  const ir::ValueId x = b.input("x", {2, 4, 8});
  const ir::ValueId d =
      b.add("Sub", {x, b.add("ReduceMean", {x}, {{"axes", std::vector<int64_t>{-1}}})});
  const ir::ValueId v =
      b.add("ReduceMean", {b.add("Mul", {d, d})}, {{"axes", std::vector<int64_t>{-2, -1}}});
  const ir::ValueId root = b.add("Sqrt", {b.add("Add", {v, b.constant(number(1e-5))})});
  b.output(b.add("Div", {d, root}), "y");
  EXPECT_EQ(count(check(m.model).model, "LayerNormalization"), 0);
}

// ---- Gelu --------------------------------------------------------------------------------------

using Formula = std::function<ir::ValueId(GraphBuilder&, ir::ValueId)>;

ir::Model formula(const Formula& f, int64_t opset = 13, DType type = DType::kFloat32) {
  Build m(opset);
  const ir::ValueId x = m.b.input("x", {"n"s, 7}, type);
  m.b.output(f(m.b, x), "y");
  return m.model;
}

ir::ValueId c(GraphBuilder& b, double value) { return b.constant(number(value)); }

TEST(Gelu, ErfFormsAreRecognised) {
  const auto curve = [](GraphBuilder& b, ir::ValueId x, bool multiply, bool one_first) {
    const ir::ValueId scaled = multiply ? b.add("Mul", {c(b, std::sqrt(0.5)), x})
                                        : b.add("Div", {x, c(b, std::sqrt(2.0))});
    const ir::ValueId erf = b.add("Erf", {scaled});
    return b.add("Add", one_first ? Ids{c(b, 1), erf} : Ids{erf, c(b, 1)});
  };
  for (int order = 0; order < 5; ++order)
    for (bool multiply : {false, true})
      for (bool one_first : {false, true}) {
        SCOPED_TRACE(order);
        const ir::Model m = formula([&](GraphBuilder& b, ir::ValueId x) {
          const ir::ValueId s = curve(b, x, multiply, one_first);
          switch (order) {
            case 0:
              return b.add("Mul", {b.add("Mul", {x, s}), c(b, 0.5)});
            case 1:
              return b.add("Mul", {b.add("Mul", {x, c(b, 0.5)}), s});
            case 2:
              return b.add("Mul", {x, b.add("Mul", {c(b, 0.5), s})});
            case 3:
              return b.add("Mul", {s, b.add("Div", {x, c(b, 2)})});
            default:
              return b.add("Div", {b.add("Mul", {s, x}), c(b, 2)});
          }
        });
        const Checked done = check(m, kNewest);
        EXPECT_EQ(only(done.model, "Gelu").attr_string("approximate", "none"), "none");
        EXPECT_EQ(done.model.graph.nodes.size(), 1U);
        EXPECT_EQ(done.model.opset(), 20);
        EXPECT_EQ(count(check(m).model, "Gelu"), 0) << "below the ceiling";
      }
}

TEST(Gelu, TanhFormsAreRecognised) {
  const double k = std::sqrt(2 / std::acos(-1.0));
  for (int form = 0; form < 5; ++form) {
    SCOPED_TRACE(form);
    const Checked done = check(
        formula([&](GraphBuilder& b, ir::ValueId x) {
          ir::ValueId argument = ir::kNone;
          const auto term = [&](ir::ValueId power) {
            return b.add("Mul", {c(b, 0.044715), power});
          };
          if (form == 0) argument = b.add("Add", {x, term(b.add("Pow", {x, c(b, 3)}))});
          if (form == 1)
            argument = b.add("Add", {term(b.add("Mul", {b.add("Mul", {x, x}), x})), x});
          if (form == 2)
            argument =
                b.add("Add",
                      {x, b.add("Mul", {b.add("Mul", {b.add("Mul", {x, c(b, 0.044715)}), x}), x})});
          if (form < 3) {
            argument = b.add("Mul", {argument, c(b, k)});
          } else {
            const ir::ValueId square =
                form == 3 ? b.add("Mul", {x, x}) : b.add("Pow", {x, c(b, 2)});
            argument =
                b.add("Mul", {b.add("Mul", {x, c(b, k)}), b.add("Add", {c(b, 1), term(square)})});
          }
          const ir::ValueId sum = b.add("Add", {b.add("Tanh", {argument}), c(b, 1)});
          return b.add("Mul", {b.add("Mul", {c(b, 0.5), x}), sum});
        }),
        kNewest);
    EXPECT_EQ(only(done.model, "Gelu").attr_string("approximate", "none"), "tanh");
    EXPECT_EQ(done.model.graph.nodes.size(), 1U);
  }
}

TEST(Gelu, OtherFormulasStay) {
  const auto gelu = [](double half, double root, double one, Dims dims = {}) {
    return [=](GraphBuilder& b, ir::ValueId x) {
      const ir::ValueId erf = b.add(
          "Erf",
          {b.add("Div", {x, b.constant(Tensor::of<float>(dims, {static_cast<float>(root)}))})});
      return b.add("Mul", {b.add("Mul", {x, b.add("Add", {erf, c(b, one)})}), c(b, half)});
    };
  };
  const double root = std::sqrt(2.0);
  EXPECT_EQ(count(check(formula(gelu(0.5, root, 1)), kNewest).model, "Gelu"), 1);
  EXPECT_EQ(count(check(formula(gelu(0.5, root, 1, {1, 1})), kNewest).model, "Gelu"), 1);
  EXPECT_EQ(count(check(formula(gelu(0.4998, root, 1)), kNewest).model, "Gelu"), 0);
  EXPECT_EQ(count(check(formula(gelu(0.5, 1.4141, 1)), kNewest).model, "Gelu"), 0);
  EXPECT_EQ(count(check(formula(gelu(0.5, root, 1.001)), kNewest).model, "Gelu"), 0);
  EXPECT_EQ(count(check(formula(gelu(0.5, root, 1, {1, 1, 1})), kNewest).model, "Gelu"), 0)
      << "the constant adds an axis";
  // The erf of another value, and a shared one.
  EXPECT_EQ(
      count(
          check(formula([](GraphBuilder& b, ir::ValueId x) {
                  const ir::ValueId erf =
                      b.add("Erf", {b.add("Div", {b.add("Neg", {x}), c(b, std::sqrt(2.0))})});
                  return b.add("Mul", {b.add("Mul", {x, b.add("Add", {erf, c(b, 1)})}), c(b, 0.5)});
                }),
                kNewest)
              .model,
          "Gelu"),
      0);
  EXPECT_EQ(
      count(
          check(formula([](GraphBuilder& b, ir::ValueId x) {
                  const ir::ValueId erf = b.add("Erf", {b.add("Div", {x, c(b, std::sqrt(2.0))})});
                  b.output(b.add("Neg", {erf}), "z");
                  return b.add("Mul", {b.add("Mul", {x, b.add("Add", {erf, c(b, 1)})}), c(b, 0.5)});
                }),
                kNewest)
              .model,
          "Gelu"),
      0);
}

// ---- HardSwish ---------------------------------------------------------------------------------

enum class Relu6 { kClip, kMinMax, kMaxMin, kReluMin };

ir::ValueId relu6(GraphBuilder& b, ir::ValueId v, Relu6 form, int64_t opset, double high = 6) {
  const ir::ValueId low = c(b, 0), six = c(b, high);
  switch (form) {
    case Relu6::kClip:
      if (opset < 11) return b.add("Clip", {v}, {{"min", 0.0F}, {"max", static_cast<float>(high)}});
      return b.add("Clip", {v, low, six});
    case Relu6::kMinMax:
      return b.add("Min", {b.add("Max", {v, low}), six});
    case Relu6::kMaxMin:
      return b.add("Max", {low, b.add("Min", {six, v})});
    default:
      return b.add("Min", {b.add("Relu", {v}), six});
  }
}

TEST(HardSwish, FormsAreRecognised) {
  for (int64_t opset : {9, 11, 13, 14, 17})
    for (Relu6 form : {Relu6::kClip, Relu6::kMinMax, Relu6::kMaxMin, Relu6::kReluMin})
      for (int order = 0; order < 4; ++order) {
        SCOPED_TRACE(order);
        const Checked done = check(formula(
            [&](GraphBuilder& b, ir::ValueId x) {
              const ir::ValueId gate = relu6(
                  b, b.add("Add", order == 0 ? Ids{x, c(b, 3)} : Ids{c(b, 3), x}), form, opset);
              switch (order) {
                case 0:
                  return b.add("Div", {b.add("Mul", {x, gate}), c(b, 6)});
                case 1:
                  return b.add("Mul", {x, b.add("Div", {gate, c(b, 6)})});
                case 2:
                  return b.add("Mul", {b.add("Mul", {gate, c(b, 1.0 / 6)}), x});
                default:
                  return b.add("Mul", {b.add("Mul", {x, c(b, 1.0 / 6)}), gate});
              }
            },
            opset));
        EXPECT_EQ(count(done.model, "HardSwish"), 1) << ir::dump(done.model.graph);
        EXPECT_EQ(done.model.graph.nodes.size(), 1U);
        EXPECT_EQ(done.model.opset(), std::max<int64_t>(14, opset));
      }
}

TEST(HardSwish, GateByHardSigmoid) {
  const auto gated = [](float alpha, float beta) {
    return formula([=](GraphBuilder& b, ir::ValueId x) {
      return b.add("Mul", {b.add("HardSigmoid", {x}, {{"alpha", alpha}, {"beta", beta}}), x});
    });
  };
  EXPECT_EQ(count(check(gated(1.0F / 6, 0.5F)).model, "HardSwish"), 1);
  EXPECT_EQ(count(check(gated(0.2F, 0.5F)).model, "HardSwish"), 0);
  EXPECT_EQ(count(check(gated(1.0F / 6, 0.4F)).model, "HardSwish"), 0);
}

TEST(HardSwish, OtherFormulasStay) {
  const auto swish = [](double shift, double high, double divisor, bool shared, bool squeeze) {
    return formula([=](GraphBuilder& b, ir::ValueId x) {
      const ir::ValueId gate = relu6(b, b.add("Add", {x, c(b, shift)}), Relu6::kClip, 13, high);
      if (shared) b.output(b.add("Neg", {gate}), "z");
      const ir::ValueId other = squeeze ? b.add("Neg", {x}) : x;
      return b.add("Div", {b.add("Mul", {other, gate}), c(b, divisor)});
    });
  };
  EXPECT_EQ(count(check(swish(3, 6, 6, false, false)).model, "HardSwish"), 1);
  EXPECT_EQ(count(check(swish(2, 6, 6, false, false)).model, "HardSwish"), 0);
  EXPECT_EQ(count(check(swish(3, 5, 6, false, false)).model, "HardSwish"), 0);
  EXPECT_EQ(count(check(swish(3, 6, 5, false, false)).model, "HardSwish"), 0);
  EXPECT_EQ(count(check(swish(3, 6, 6, true, false)).model, "HardSwish"), 0);
  EXPECT_EQ(count(check(swish(3, 6, 6, false, true)).model, "HardSwish"), 0);
}

TEST(Recognisers, StopAtTheStepLimit) {
  for (int64_t limit = 0; limit < 4; ++limit) {
    SCOPED_TRACE(limit);
    const ir::Model model = layer_norm({});
    const Checked done = check(model, {.step_limit = limit});
    EXPECT_LE(done.report.steps, limit);
    if (limit == 0) {
      EXPECT_EQ(done.model.opset(), 11);
    }
    EXPECT_EQ(count(done.model, "LayerNormalization"), limit >= 2 ? 1 : 0);
  }
}

}  // namespace
}  // namespace tersor::passes::testing
