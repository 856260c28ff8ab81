#include "engine/reference_step.h"

#include <limits>

#include "engine/session.h"

namespace tersor::engine {

runtime::Call reference_step(const ops::Operator& op, const ir::Node& node, int version,
                             std::vector<BodyPlan> bodies) {
  return [&op, node, version, bodies = std::move(bodies)](runtime::StepContext& c) {
    try {
      const size_t own = node.inputs.size();
      const ops::ComputeContext::RunBody run_body =
          [&](const ir::Graph& graph, std::span<const Tensor> args) -> std::vector<Tensor> {
        size_t first = own;
        for (const BodyPlan& body : bodies) {
          if (body.source != &graph) {
            first += body.captured.size();
            continue;
          }
          std::vector<Tensor> captured;
          for (size_t i = 0; i < body.captured.size(); ++i)
            captured.push_back(c.inputs[first + i] ? *c.inputs[first + i] : Tensor());
          std::vector<Tensor> results;
          runtime::Status status =
              execute(*body.plan, args, captured, results, *c.arena, *c.pool, {}, {});
          if (!status.ok()) throw *std::move(status.error);
          return results;
        }
        throw Error(ErrorKind::kInternal, "E73", "a body that was not compiled");
      };
      ops::ComputeContext compute{node,
                                  version,
                                  c.inputs.subspan(0, own),
                                  c.outputs,
                                  run_body,
                                  [&](DType type, Dims dims) {
                                    return c.arena->make(type, std::move(dims)); }};
      op.reference(compute);
      return runtime::Status{};
    } catch (Error& error) {
      return runtime::Status{std::move(error)};
    } catch (const std::bad_alloc&) {
      return runtime::Status::failure(ErrorKind::kLimit, "E61", "not enough memory");
    }
  };
}

}  // namespace tersor::engine
