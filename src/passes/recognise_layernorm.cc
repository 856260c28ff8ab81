// The formulas of layer normalization become the operator.
//
//   before   d = x - ReduceMean(x), y = d / Sqrt(ReduceMean(d^2) + e) * gamma + beta
//            or, with r = gamma / Sqrt(ReduceMean(d^2) + e), y = x * r + (beta - ReduceMean(x) * r)
//   after    y = LayerNormalization(x, gamma, beta), axis and epsilon set
//   when     both means go over the same last axes and keep them; x is float32 and these axes are
//   numbers; gamma and beta
//            are constants of their shape (axes of length 1 in front do not matter), or missing;
//            the root is a Sqrt or Pow, divided by or inverted; inner values have no other reader;
//            the model is at opset 17, or may be raised to it
//   exact    the same formula, rounded fewer times
#include "passes/recognise.h"
#include "passes/shapes.h"

namespace tersor::passes {
namespace {

struct Match {
  ir::ValueId x = ir::kNone, gamma = ir::kNone, beta = ir::kNone;
  Dims shape;  // of the normalized axes
  double epsilon = 0;
  ir::NodeId last = ir::kNone;
  std::vector<ir::NodeId> inner;  // without last
};

// How many last axes a ReduceMean that keeps them goes over; 0 if it is no such thing.
int64_t mean_axes(const Editor& g, ir::NodeId n) {
  const ir::Node& node = g.node(n);
  std::vector<int64_t> axes = node.attr_ints("axes");
  if (axes.empty()) {
    const auto given = integers(g.constant(node.input(1)));
    if (!given) return 0;
    axes = *given;
  }
  const int rank = g.type(node.input(0)).rank();
  if (node.attr_int("keepdims", 1) == 0 || axes.empty() || rank < 0) return 0;
  std::vector<bool> over(static_cast<size_t>(rank), false);
  for (int64_t a : axes) {
    if (a < -rank || a >= rank) return 0;
    over[static_cast<size_t>(a < 0 ? a + rank : a)] = true;
  }
  int64_t count = 0;
  while (count < rank && over[static_cast<size_t>(rank - 1 - count)]) ++count;
  return count == static_cast<int64_t>(axes.size()) ? count : 0;
}

// The node that makes `v` if it is an `op` and nobody else reads `v`; it becomes part of the match.
ir::NodeId own(const Editor& g, ir::ValueId v, const char* op, Match& m) {
  const ir::NodeId n = g.made_by(v, op);
  if (n == ir::kNone || !g.used_once(v)) return ir::kNone;
  m.inner.push_back(n);
  return n;
}

bool is_number(const Editor& g, ir::ValueId v, double wanted) {
  return is_near(g.constant(v), wanted);
}

// `v` = Sqrt(w); w.
std::optional<ir::ValueId> root(const Editor& g, ir::ValueId v, Match& m, double exponent = 0.5) {
  if (exponent == 0.5)
    if (const ir::NodeId sqrt = own(g, v, "Sqrt", m); sqrt != ir::kNone)
      return g.node(sqrt).input(0);
  const ir::NodeId pow = own(g, v, "Pow", m);
  if (pow == ir::kNone || !is_number(g, g.node(pow).input(1), exponent)) return {};
  return g.node(pow).input(0);
}

// `v` = 1 / Sqrt(w); w.
std::optional<ir::ValueId> inverse_root(const Editor& g, ir::ValueId v, Match& m) {
  if (const ir::NodeId inverse = own(g, v, "Reciprocal", m); inverse != ir::kNone)
    return root(g, g.node(inverse).input(0), m);
  if (const ir::NodeId inverse = own(g, v, "Div", m); inverse != ir::kNone)
    return is_number(g, g.node(inverse).input(0), 1) ? root(g, g.node(inverse).input(1), m)
                                                     : std::nullopt;
  return root(g, v, m, -0.5);
}

// What a normalization is computed from.
struct Moments {
  ir::NodeId mean = ir::kNone, centre = ir::kNone, square = ir::kNone;
  ir::ValueId mean_value = ir::kNone, centred = ir::kNone;
};

// `v` = ReduceMean((x - ReduceMean(x))^2) + e. Who else reads the mean and x minus it is the
// caller's to check.
std::optional<Moments> moments(const Editor& g, ir::ValueId v, Match& m) {
  const auto sum = sum_with_constant(g, v);
  if (!sum || !(sum->constant > 0) || own(g, v, "Add", m) == ir::kNone) return {};
  const ir::NodeId variance = own(g, sum->other, "ReduceMean", m);
  if (variance == ir::kNone) return {};
  Moments p;
  const ir::ValueId squares = g.node(variance).input(0);
  if (p.square = own(g, squares, "Pow", m); p.square != ir::kNone) {
    if (!is_number(g, g.node(p.square).input(1), 2)) return {};
  } else {
    p.square = own(g, squares, "Mul", m);
    if (p.square == ir::kNone || g.node(p.square).input(0) != g.node(p.square).input(1)) return {};
  }
  p.centred = g.node(p.square).input(0);
  p.centre = g.made_by(p.centred, "Sub");
  if (p.centre == ir::kNone || g.is_output(p.centred)) return {};
  m.x = g.node(p.centre).input(0);
  p.mean_value = g.node(p.centre).input(1);
  p.mean = g.made_by(p.mean_value, "ReduceMean");
  if (p.mean == ir::kNone || g.is_output(p.mean_value) || g.node(p.mean).input(0) != m.x) return {};
  const int64_t axes = mean_axes(g, p.mean);
  const ir::Type& type = g.type(m.x);
  if (axes == 0 || axes != mean_axes(g, variance) || type.elem != DType::kFloat32) return {};
  const std::optional<Dims> shape =
      ir::to_dims(ir::Shape(type.shape->end() - axes, type.shape->end()));
  if (!shape || sum->rank > type.rank()) return {};
  m.shape = *shape;
  m.epsilon = sum->constant;
  m.inner.insert(m.inner.end(), {p.mean, p.centre});
  return p;
}

bool only_readers(const Editor& g, ir::ValueId v, std::initializer_list<ir::NodeId> allowed) {
  return std::ranges::all_of(g.readers(v),
                             [&](ir::NodeId n) { return std::ranges::count(allowed, n) > 0; });
}

// A constant with one number for each normalized element.
bool fits(const Editor& g, ir::ValueId v, const Match& m) {
  const Tensor* t = g.constant(v);
  if (!t || t->dtype() != DType::kFloat32 || t->rank() > g.type(m.x).rank()) return false;
  const auto stripped = [](const Dims& dims) {
    const auto first = std::ranges::find_if(dims, [](int64_t d) { return d != 1; });
    return std::vector<int64_t>(first, dims.end());
  };
  return stripped(t->dims()) == stripped(m.shape) && t->count() == base::element_count(m.shape);
}

// If the only reader of what `m.last` makes is an `op` with such a constant, it becomes the last
// node.
void absorb(const Editor& g, const char* op, ir::ValueId& constant, Match& m) {
  const ir::ValueId v = g.node(m.last).output(0);
  if (!g.used_once(v)) return;
  const ir::NodeId n = g.readers(v)[0];
  if (!g.is(n, op)) return;
  const ir::ValueId other = g.node(n).input(g.node(n).input(0) == v ? 1 : 0);
  if (!fits(g, other, m)) return;
  constant = other;
  m.inner.push_back(m.last);
  m.last = n;
}

// d / s, or d * (1 / s).
std::optional<Match> match_division(const Editor& g, ir::NodeId n) {
  for (size_t i = 0; i < 2; ++i) {
    if (g.is(n, "Div") && i == 1) break;
    Match m;
    const ir::ValueId d = g.node(n).input(i), s = g.node(n).input(1 - i);
    const auto sum = g.is(n, "Div") ? root(g, s, m) : inverse_root(g, s, m);
    const auto p = sum ? moments(g, *sum, m) : std::nullopt;
    if (!p || p->centred != d || !only_readers(g, d, {p->square, n}) || !g.used_once(p->mean_value))
      continue;
    m.last = n;
    absorb(g, "Mul", m.gamma, m);
    absorb(g, "Add", m.beta, m);
    return m;
  }
  return {};
}

// x * r + (beta - mean * r).
std::optional<Match> match_folded(const Editor& g, ir::NodeId n) {
  for (size_t i = 0; i < 2; ++i) {
    Match m;
    const ir::NodeId scaled = own(g, g.node(n).input(i), "Mul", m);
    const ir::NodeId shift = own(g, g.node(n).input(1 - i), "Sub", m);
    if (scaled == ir::kNone || shift == ir::kNone) continue;
    m.beta = g.node(shift).input(0);
    const ir::NodeId offset = own(g, g.node(shift).input(1), "Mul", m);
    if (offset == ir::kNone) continue;
    for (size_t k = 0; k < 2; ++k) {
      Match tried = m;
      const ir::ValueId r = g.node(scaled).input(1 - k),
                        mean = g.node(offset).input(g.node(offset).input(0) == r ? 1 : 0);
      const ir::NodeId scale = g.made_by(r, "Mul");
      if (scale == ir::kNone || g.is_output(r) || !only_readers(g, r, {scaled, offset}) ||
          (g.node(offset).input(0) != r && g.node(offset).input(1) != r))
        continue;
      const size_t at = g.constant(g.node(scale).input(0)) ? 0 : 1;
      tried.gamma = g.node(scale).input(at);
      const auto sum = inverse_root(g, g.node(scale).input(1 - at), tried);
      const auto p = sum ? moments(g, *sum, tried) : std::nullopt;
      if (!p || tried.x != g.node(scaled).input(k) || p->mean_value != mean ||
          !only_readers(g, mean, {p->centre, offset}) ||
          !only_readers(g, p->centred, {p->square}) || !fits(g, tried.gamma, tried) ||
          !fits(g, tried.beta, tried))
        continue;
      tried.inner.push_back(scale);
      tried.last = n;
      return tried;
    }
  }
  return {};
}

std::optional<Match> match(const Editor& g, ir::NodeId n) {
  if (g.is(n, "Div") || g.is(n, "Mul")) return match_division(g, n);
  if (g.is(n, "Add")) return match_folded(g, n);
  return {};
}

// The constant in the shape of the normalized axes.
ir::ValueId shaped(Editor& g, ir::ValueId v, const Match& m, const char* part) {
  if (v != ir::kNone && g.constant(v)->dims() == m.shape) return v;
  if (v != ir::kNone) return g.add_constant(g.value(v).name, g.constant(v)->reshaped(m.shape));
  const std::vector<float> ones(static_cast<size_t>(base::element_count(m.shape)), 1.0F);
  const std::string& name = g.value(g.node(m.last).output(0)).name;
  return g.add_constant(name + part, Tensor::of<float>(m.shape, std::span<const float>(ones)));
}

}  // namespace

int recognise_layernorm(ir::Model& model, PassContext& context) {
  return rewrite_matches(model, context, 17, match, [](Editor& g, ir::NodeId, const Match& m) {
    for (ir::NodeId inner : m.inner) g.remove(inner);
    std::vector<ir::ValueId> inputs{m.x, shaped(g, m.gamma, m, ".scale")};
    if (m.beta != ir::kNone) inputs.push_back(shaped(g, m.beta, m, ".bias"));
    ir::Node& node = g.node(m.last);
    node.op = "LayerNormalization";
    node.origin = "recognise_layernorm";
    node.attributes.clear();
    node.set("axis", -static_cast<int64_t>(m.shape.size()));
    node.set("epsilon", static_cast<float>(m.epsilon));
    g.set_inputs(m.last, std::move(inputs));
  });
}

}  // namespace tersor::passes
