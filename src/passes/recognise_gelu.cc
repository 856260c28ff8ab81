// The formulas of Gelu become the operator.
//
//   before   y = x * 0.5 * (1 + erf(x / sqrt 2)), or with tanh(sqrt(2 / pi) * (x + 0.044715 x^3))
//   for erf(...) after    y = Gelu(x), approximate "none" or "tanh" when     the products stand in
//   any order, x + 0.044715 x^3 also as x * (1 + 0.044715 x^2); inner values have no other
//            reader; the constants are numbers that do not broadcast x; the model is at opset 20,
//            or may be raised to it
//   exact    the same formula, rounded fewer times; constants within 1e-5 of the formula's
#include <numbers>

#include "passes/recognise.h"

namespace tersor::passes {
namespace {

struct Match {
  ir::ValueId x = ir::kNone;
  bool tanh = false;
  int rank = 0;  // the most axes of a constant
  DType type = DType::kFloat32;
  std::vector<ir::NodeId> inner;
};

// The factors of `v` if nobody else reads it; they become part of the match.
std::optional<Factors> product(const Editor& g, ir::ValueId v, Match& m) {
  const ir::NodeId n = g.producer(v);
  if (n == ir::kNone || !g.used_once(v)) return {};
  const Factors f = factors(g, n);
  if (f.values.empty()) return {};
  m.inner.push_back(n);
  m.inner.insert(m.inner.end(), f.inner.begin(), f.inner.end());
  m.rank = std::max(m.rank, f.rank);
  return f;
}

// `v` = other + 1, read by nobody else; other.
std::optional<ir::ValueId> plus_one(const Editor& g, ir::ValueId v, Match& m) {
  const std::optional<Sum> sum = sum_with_constant(g, v);
  if (!sum || sum->constant != 1 || !g.used_once(v)) return {};
  m.inner.push_back(g.producer(v));
  m.rank = std::max(m.rank, sum->rank);
  return sum->other;
}

// The factors, all of them x or powers of it, make x ^ exponent.
bool is_power(const Editor& g, const std::vector<ir::ValueId>& values, int exponent, Match& m) {
  double sum = 0;
  for (ir::ValueId v : values) {
    const ir::NodeId pow = g.made_by(v, "Pow");
    if (v == m.x) {
      sum += 1;
    } else if (pow != ir::kNone && g.used_once(v) && g.node(pow).input(0) == m.x) {
      const Tensor* constant = g.constant(g.node(pow).input(1));
      const std::optional<double> e = single(constant);
      if (!e) return false;
      sum += *e;
      m.rank = std::max(m.rank, constant->rank());
      m.inner.push_back(pow);
    } else {
      return false;
    }
  }
  return sum == exponent;
}

// `v` = 0.044715 * x ^ exponent.
bool is_term(const Editor& g, ir::ValueId v, int exponent, Match& m) {
  const std::optional<Factors> f = product(g, v, m);
  return f && is_about(f->constant, 0.044715, m.type) && is_power(g, f->values, exponent, m);
}

bool is_tanh_argument(const Editor& g, ir::ValueId v, Match& m) {
  const std::optional<Factors> f = product(g, v, m);
  if (!f || !is_about(f->constant, std::sqrt(2 / std::numbers::pi), m.type)) return false;
  if (f->values.size() == 2) {
    const size_t at = f->values[0] == m.x ? 1 : 0;
    if (f->values[1 - at] != m.x) return false;
    const auto term = plus_one(g, f->values[at], m);
    return term && is_term(g, *term, 2, m);
  }
  if (f->values.size() != 1 || !g.used_once(f->values[0])) return false;
  const ir::NodeId add = g.made_by(f->values[0], "Add");
  if (add == ir::kNone) return false;
  m.inner.push_back(add);
  const size_t at = g.node(add).input(0) == m.x ? 1 : 0;
  return g.node(add).input(1 - at) == m.x && is_term(g, g.node(add).input(at), 3, m);
}

bool is_erf_argument(const Editor& g, ir::ValueId v, Match& m) {
  const std::optional<Factors> f = product(g, v, m);
  return f && f->values.size() == 1 && f->values[0] == m.x &&
         is_about(f->constant, std::numbers::sqrt2 / 2, m.type);
}

std::optional<Match> match(const Editor& g, ir::NodeId last) {
  if (!g.alive(last)) return {};
  const Factors f = factors(g, last);
  if (f.values.size() != 2 || f.constant != 0.5) return {};
  for (size_t i = 0; i < 2; ++i) {
    Match m{.x = f.values[i], .tanh = false, .rank = f.rank, .type = {}, .inner = f.inner};
    m.type = g.type(m.x).elem;
    const auto curve = plus_one(g, f.values[1 - i], m);
    if (!curve || !g.used_once(*curve)) continue;
    m.inner.push_back(g.producer(*curve));
    bool found = false;
    if (const ir::NodeId erf = g.made_by(*curve, "Erf"); erf != ir::kNone) {
      found = is_erf_argument(g, g.node(erf).input(0), m);
    } else if (const ir::NodeId tanh = g.made_by(*curve, "Tanh"); tanh != ir::kNone) {
      m.tanh = true;
      found = is_tanh_argument(g, g.node(tanh).input(0), m);
    }
    if (found && keeps_shape(g, m.x, m.rank)) return m;
  }
  return {};
}

}  // namespace

std::vector<ir::NodeId> gelu_formulas(const ir::Model& model) {
  ir::Model copy = model;
  Names names(copy);
  const Editor g(copy.graph, names);
  std::vector<ir::NodeId> nodes;
  for (ir::NodeId n = 0; n < g.count(); ++n)
    if (const auto m = match(g, n)) {
      nodes.push_back(n);
      nodes.insert(nodes.end(), m->inner.begin(), m->inner.end());
    }
  return nodes;
}

int recognise_gelu(ir::Model& model, PassContext& context) {
  return rewrite_matches(model, context, 20, match, [](Editor& g, ir::NodeId n, const Match& m) {
    for (ir::NodeId inner : m.inner) g.remove(inner);
    g.node(n).op = "Gelu";
    g.node(n).origin = "recognise_gelu";
    g.node(n).attributes.clear();
    if (m.tanh) g.node(n).set("approximate", std::string("tanh"));
    g.set_inputs(n, {m.x});
  });
}

}  // namespace tersor::passes
