#include "engine/widened_step.h"

#include <algorithm>

#include "ops/detail/halves_step.h"

namespace tersor::engine {
namespace {

using kernels::halves::Table;
using runtime::Wire;

bool is_half(DType type) { return type == DType::kFloat16 || type == DType::kBfloat16; }

struct Step {
  runtime::Call call;
  const Table* table;
  std::vector<Tensor> constants;  // by input, widened; undefined elsewhere
  std::vector<DType> outputs;     // kUndefined: as the step gives it

  runtime::Status operator()(runtime::StepContext& c) const {
    std::vector<Tensor> wide(c.inputs.size());
    std::vector<const Tensor*> inputs(c.inputs.begin(), c.inputs.end());
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (i < constants.size() && constants[i].defined()) {
        inputs[i] = &constants[i];
      } else if (inputs[i] && is_half(inputs[i]->dtype())) {
        wide[i] = ops::detail::widened(c, *inputs[i], *table);
        inputs[i] = &wide[i];
      }
    }
    std::vector<Tensor> results(c.outputs.size());
    runtime::StepContext inner{inputs, results, c.arena, c.pool};
    runtime::Status status = call(inner);
    if (!status.ok()) return status;
    for (size_t i = 0; i < results.size(); ++i) {
      const bool narrow =
          results[i].defined() && is_half(outputs[i]) && results[i].dtype() == DType::kFloat32;
      c.outputs[i] =
          narrow ? ops::detail::narrowed(c, results[i], outputs[i], *table) : std::move(results[i]);
    }
    return status;
  }
};

}  // namespace

std::optional<runtime::Bound> bind_widened(const ops::Operator& op, const ir::Node& node,
                                           const runtime::BindContext& context) {
  if (!op.bind) return {};
  std::vector<Wire> inputs(context.inputs.begin(), context.inputs.end()),
      outputs(context.outputs.begin(), context.outputs.end());
  Step step;
  step.table = &kernels::halves::table(context.isa);
  step.constants.resize(inputs.size());
  bool any = false;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!is_half(inputs[i].dtype)) continue;
    any = true;
    inputs[i].dtype = DType::kFloat32;
    if (!inputs[i].constant) continue;
    step.constants[i] = ops::detail::in_float32(*inputs[i].constant, context.isa);
    inputs[i].constant = &step.constants[i];
  }
  for (Wire& w : outputs) {
    step.outputs.push_back(w.dtype);
    if (!is_half(w.dtype)) continue;
    any = true;
    w.dtype = DType::kFloat32;
  }
  if (!any) return {};
  auto bound = op.bind(node, {inputs, outputs, context.isa, context.version});
  if (!bound) return {};
  step.call = std::move(bound->call);
  bound->call = [step = std::make_shared<const Step>(std::move(step))](runtime::StepContext& c) {
    return (*step)(c);
  };
  bound->kernel += "_widened";
  return bound;
}

}  // namespace tersor::engine
