#include "passes/pipeline.h"

#include <algorithm>
#include <array>
#include <chrono>

#include "base/error.h"
#include "passes/passes.h"
#include "passes/types.h"

namespace tersor::passes {
namespace {

// A model changes in every round until nothing is left to do. Every pass makes the graph smaller or
// moves it toward one form, so that a handful of rounds is enough; more than this means that two
// passes undo each other.
constexpr int kRounds = 64;

constexpr std::array kPasses{
    Pass{"inline_functions", inline_functions},
    Pass{"constants_to_initializers", constants_to_initializers},
    Pass{"initializers_not_inputs", initializers_not_inputs},
    Pass{"raise_to_minimum", raise_to_minimum},
    Pass{"dead_code", dead_code},
    Pass{"fold_constants", fold_constants},
    Pass{"simplify_shapes", simplify_shapes},
    Pass{"remove_noops", remove_noops},
    Pass{"einsum_to_matmul", einsum_to_matmul},
    Pass{"merge_transposes", merge_transposes},
    Pass{"merge_duplicates", merge_duplicates},
    Pass{"fuse_pad", fuse_pad},
    Pass{"fuse_batchnorm", fuse_batchnorm},
    Pass{"fuse_scale", fuse_scale},
    Pass{"matmul_add_to_gemm", matmul_add_to_gemm},
    Pass{"recognise_layernorm", recognise_layernorm},
    Pass{"recognise_gelu", recognise_gelu},
    Pass{"recognise_hardswish", recognise_hardswish},
    Pass{"dedup_constants", dedup_constants},
};

class Run {
 public:
  Run(ir::Model& model, const Options& options) : model_(model), context_(options, report_) {
    report_.opset_before = model.opset();
    report_.nodes_before = static_cast<int64_t>(model.graph.nodes.size());
    infer_types(model);
  }

  void until_settled(std::span<const Pass> passes) {
    for (const Pass& pass : passes) report_.counts.push_back({pass.name, 0, 0});
    for (bool changed = true; changed && !report_.stopped;) {
      if (++report_.rounds > kRounds)
        base::fail(ErrorKind::kInternal, "E75", "simplification does not settle: {}",
                   to_string(report_));
      changed = false;
      for (size_t i = 0; i < passes.size() && !report_.stopped; ++i)
        changed |= once(passes[i], report_.counts[i]);
    }
  }

  Report finish() {
    ir::verify(model_);
    report_.opset_after = model_.opset();
    report_.nodes_after = static_cast<int64_t>(model_.graph.nodes.size());
    return std::move(report_);
  }

 private:
  bool once(const Pass& pass, Count& count) {
    if (context_.options().disabled.contains(pass.name)) return false;
    const auto start = std::chrono::steady_clock::now();
    const int rewrites = base::with_frame(
        [&] {
          const int n = pass.run(model_, context_);
          if (context_.options().verify_each) ir::verify(model_);
          if (n > 0) infer_types(model_);
          return n;
        },
        [&] { return fmt::format("pass {}", pass.name); });
    count.rewrites += rewrites;
    count.seconds +=
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return rewrites > 0;
  }

  ir::Model& model_;
  Report report_;
  PassContext context_;
};

}  // namespace

bool PassContext::step() {
  if (options_.step_limit >= 0 && report_.steps >= options_.step_limit) {
    report_.stopped = true;
    return false;
  }
  ++report_.steps;
  return true;
}

void PassContext::note(std::string text) {
  if (std::ranges::find(report_.notes, text) == report_.notes.end())
    report_.notes.push_back(std::move(text));
}

int Report::count(std::string_view pass) const {
  const auto it = std::ranges::find(counts, pass, &Count::pass);
  return it == counts.end() ? 0 : it->rewrites;
}

std::string to_string(const Report& report) {
  std::string text;
  for (const Count& c : report.counts)
    if (c.rewrites > 0)
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", c.pass, c.rewrites);
  return text.empty() ? "nothing to do" : text;
}

std::span<const Pass> all() { return kPasses; }

Report simplify(ir::Model& model, const Options& options) {
  Run run(model, options);
  run.until_settled(kPasses);
  return run.finish();
}

Report run_pass(ir::Model& model, std::string_view name, const Options& options) {
  const auto it =
      std::ranges::find(kPasses, name, [](const Pass& p) { return std::string_view(p.name); });
  if (it == kPasses.end())
    base::fail(ErrorKind::kUsage, "E76", "there is no pass named {}", base::quoted(name));
  Run run(model, options);
  run.until_settled(std::span(&*it, 1));
  return run.finish();
}

}  // namespace tersor::passes
