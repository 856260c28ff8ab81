// Which Einsum become MatMul.
#include <map>

#include "passes/testing.h"

namespace tersor::passes::testing {
namespace {

ir::Model einsum(const std::string& equation, DType type = DType::kFloat32) {
  const std::map<char, int64_t> sizes = {{'b', 2}, {'h', 3}, {'s', 4}, {'t', 5}, {'d', 6}};
  Build m(13);
  Ids inputs;
  std::string term;
  for (char c : equation.substr(0, equation.find('-')) + ",") {
    if (c != ',') {
      term += c;
      continue;
    }
    ir::Shape shape;
    for (char label : term)
      if (sizes.contains(label)) shape.emplace_back(sizes.at(label));
    inputs.push_back(m.b.input("x" + std::to_string(inputs.size()), shape, type));
    term.clear();
  }
  m.b.output(m.b.add("Einsum", inputs, {{"equation", equation}}), "y");
  return m.model;
}

TEST(EinsumToMatmul, ProductsOfTwo) {
  for (const char* equation :
       {"sd,dt->st", "sd,td->st", "ds,dt->st", "sd,dt->ts", "bsd,bdt->bst", "bshd,bthd->bhst",
        "bhst,bthd->bshd", "bshd , bthd -> bsth", "hbsd,bhdt->tbsh"}) {
    SCOPED_TRACE(equation);
    const Checked done = check(einsum(equation));
    EXPECT_EQ(count(done.model, "Einsum"), 0);
    EXPECT_EQ(count(done.model, "MatMul"), 1);
    EXPECT_EQ(count(check(einsum(equation, DType::kInt64)).model, "Einsum"), 0);
  }
}

TEST(EinsumToMatmul, OthersStay) {
  for (const char* equation :
       {"sd,sd->sd", "sd,dt", "sd,st->", "ss,st->st", "sd->ds", "sd,dt->s", "sdh,dht->st",
        "s,t->st", "sd,d->s", "bsd,dt->bst", "sd,dt,th->sh"}) {
    SCOPED_TRACE(equation);
    const ir::Model model = einsum(equation);
    EXPECT_EQ(count(check(model).model, "Einsum"), 1);
  }
}

}  // namespace
}  // namespace tersor::passes::testing
