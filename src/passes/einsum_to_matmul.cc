// A product of two tensors written as Einsum becomes MatMul.
//
//   before   y = Einsum<"bshd,bthd->bhst">(a, b)
//   after    y = MatMul(Transpose(a), Transpose(b)), transposed if the output's axes stand
//   otherwise when     the equation has an explicit output, no ellipsis and no doubled label in a
//   term, and one label each is summed,
//            only in a and only in b; all others are in both and in the output; the element type is
//            one that MatMul takes
//   exact    the same sums
#include <algorithm>
#include <string>

#include "passes/editor.h"
#include "passes/passes.h"

namespace tersor::passes {
namespace {

struct Product {
  std::vector<int64_t> a, b, y;  // permutations; empty: none is needed
};

bool distinct(std::string s) {
  std::ranges::sort(s);
  return std::ranges::adjacent_find(s) == s.end();
}

std::vector<int64_t> permutation(const std::string& from, const std::string& to) {
  std::vector<int64_t> p;
  for (char c : to) p.push_back(static_cast<int64_t>(from.find(c)));
  if (std::ranges::is_sorted(p)) p.clear();
  return p;
}

std::optional<Product> parse(std::string equation) {
  std::erase(equation, ' ');
  const size_t comma = equation.find(','), arrow = equation.find("->");
  if (comma == std::string::npos || arrow == std::string::npos || comma > arrow ||
      equation.find(',', comma + 1) != std::string::npos)
    return {};
  const std::string a = equation.substr(0, comma),
                    b = equation.substr(comma + 1, arrow - comma - 1),
                    y = equation.substr(arrow + 2);
  for (const std::string* term : {&a, &b, &y})
    if (!distinct(*term) || term->find('.') != std::string::npos) return {};
  const auto in = [](char c, const std::string& s) { return s.find(c) != std::string::npos; };
  std::string batch, left, right, summed;
  for (char c : y) {
    if (in(c, a) && in(c, b))
      batch += c;
    else if (in(c, a))
      left += c;
    else if (in(c, b))
      right += c;
    else
      return {};
  }
  for (char c : a)
    if (!in(c, y)) {
      if (!in(c, b)) return {};
      summed += c;
    }
  for (char c : b)
    if (!in(c, y) && !in(c, a)) return {};
  if (left.size() != 1 || right.size() != 1 || summed.size() != 1) return {};
  return Product{permutation(a, batch + left + summed), permutation(b, batch + summed + right),
                 permutation(batch + left + right, y)};
}

ir::Type permuted(const ir::Type& type, const std::vector<int64_t>& p) {
  ir::Type t = ir::Type::tensor(type.elem);
  if (type.shape && type.shape->size() == p.size()) {
    t.shape.emplace();
    for (int64_t i : p) t.shape->push_back((*type.shape)[static_cast<size_t>(i)]);
  }
  return t;
}

ir::Node transpose(const ir::Node& of, ir::ValueId from, const std::vector<int64_t>& p,
                   ir::ValueId to, const char* suffix) {
  ir::Node n;
  n.op = "Transpose";
  n.name = of.name + suffix;
  n.origin = "einsum_to_matmul";
  n.inputs = {from};
  n.outputs = {to};
  n.set("perm", p);
  return n;
}

bool multiplies(DType type) {
  switch (type) {
    case DType::kFloat16:
    case DType::kBfloat16:
    case DType::kFloat32:
    case DType::kFloat64:
    case DType::kInt32:
    case DType::kUint32:
    case DType::kInt64:
    case DType::kUint64:
      return true;
    default:
      return false;
  }
}

bool rewrite(Editor& g, ir::NodeId n, PassContext& context) {
  if (!g.is(n, "Einsum") || g.node(n).inputs.size() != 2) return false;
  const auto product = parse(g.node(n).attr_string("equation", ""));
  if (!product || !multiplies(g.type(g.node(n).input(0)).elem) || !context.step()) return false;
  std::vector<ir::ValueId> inputs = g.node(n).inputs;
  for (size_t i = 0; i < 2; ++i) {
    const std::vector<int64_t>& p = i == 0 ? product->a : product->b;
    if (p.empty()) continue;
    const ir::ValueId to =
        g.add_value(g.value(inputs[i]).name + "_transposed", permuted(g.type(inputs[i]), p));
    g.insert_before(n, transpose(g.node(n), inputs[i], p, to, i == 0 ? "/a" : "/b"));
    inputs[i] = to;
  }
  g.node(n).op = "MatMul";
  g.node(n).origin = "einsum_to_matmul";
  g.node(n).attributes.clear();
  if (product->y.empty()) {
    g.set_inputs(n, std::move(inputs));
    return true;
  }
  // The product is a new node; this one becomes the transposition behind it, which keeps its
  // output.
  ir::Node matmul;
  matmul.op = "MatMul";
  matmul.name = g.node(n).name;
  matmul.origin = "einsum_to_matmul";
  matmul.inputs = std::move(inputs);
  const ir::ValueId out = g.node(n).output(0);
  const ir::ValueId sums =
      g.add_value(g.value(out).name + "_product", ir::Type::tensor(g.type(out).elem));
  matmul.outputs = {sums};
  g.insert_before(n, std::move(matmul));
  g.set_inputs(n, {sums});
  g.node(n).op = "Transpose";
  g.node(n).name += "/y";
  g.node(n).set("perm", product->y);
  return true;
}

}  // namespace

int einsum_to_matmul(ir::Model& model, PassContext& context) {
  return edit_graphs(model, [&](Editor& g) {
    int rewrites = 0;
    for (ir::NodeId n = 0; n < g.count(); ++n) rewrites += g.alive(n) && rewrite(g, n, context);
    return rewrites;
  });
}

}  // namespace tersor::passes
