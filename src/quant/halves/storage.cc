#include "quant/halves/storage.h"

#include <algorithm>

#include "base/error.h"
#include "passes/editor.h"
#include "quant/halves/numbers.h"

namespace tersor::quant {
namespace {

constexpr int64_t kFewest = 16;

// What is added to every position counts for much, and is little.
std::vector<bool> biases(const ir::Graph& g) {
  std::vector<bool> bias(g.values.size(), false);
  for (const ir::Node& n : g.nodes)
    if ((n.op == "Conv" || n.op == "ConvTranspose" || n.op == "Gemm") && n.input(2) != ir::kNone)
      bias[n.inputs[2]] = true;
  return bias;
}

struct Narrow {
  DType half;
  passes::Names& names;
  Stored& stored;

  int operator()(ir::Graph& g) {
    std::vector<ir::Node> widen;
    const std::vector<bool> bias = biases(g);
    const auto count = static_cast<ir::ValueId>(g.values.size());
    for (ir::ValueId id = 0; id < count; ++id) {
      const std::optional<Tensor> weights = g.values[id].constant;
      if (!weights || weights->dtype() != DType::kFloat32 || weights->count() < kFewest ||
          (bias[id] && weights->rank() == 1) || g.is_output(id) ||
          std::ranges::count(g.inputs, id) > 0)
        continue;
      const std::string name = g.values[id].name;
      if (std::string why = Numbers(half, nullptr).against(*weights, name); !why.empty()) {
        stored.left.emplace_back(name, std::move(why));
        continue;
      }
      ir::Node n;
      n.op = "Cast";
      n.name = name + "/Cast";
      n.origin = "convert";
      n.inputs = {g.add_constant(names.fresh(name + "_half"), narrowed(*weights, half, false))};
      n.outputs = {id};
      n.set("to", static_cast<int64_t>(DType::kFloat32));
      g.values[id].type = ir::Type::tensor(DType::kFloat32, ir::to_shape(weights->dims()));
      g.values[id].constant.reset();
      widen.push_back(std::move(n));
    }
    stored.weights += static_cast<int64_t>(widen.size());
    g.nodes.insert(g.nodes.begin(), std::make_move_iterator(widen.begin()),
                   std::make_move_iterator(widen.end()));
    return static_cast<int>(widen.size());
  }
};

}  // namespace

Stored narrow_storage(ir::Model& model, DType half) {
  Stored stored;
  passes::Names names(model);
  Narrow narrow{half, names, stored};
  passes::for_each_graph(model, [&](ir::Graph& g, const passes::Scope*) { return narrow(g); });
  return stored;
}

}  // namespace tersor::quant
