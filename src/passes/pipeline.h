// Simplification: rewrites that keep a model exportable and its results the same.
//
// One file per pass; pipeline.cc holds the one ordered list, run again and again until nothing
// changes. Every pass can be named, counted, switched off, and stopped at a given rewrite, to find
// the one that broke something.
#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "ir/model.h"

namespace tersor::passes {

struct Options {
  // Raise the opset to this before all else, if it can be done; 0: as it is.
  int64_t min_opset = 0;
  // Passes whose result needs a newer operator (LayerNormalization: 17, Gelu: 20) may raise the
  // opset up to this.
  int64_t opset_ceiling = 17;
  // Stop after this many rewrites; below 0: no limit.
  int64_t step_limit = -1;
  // Names of passes not to run.
  std::set<std::string, std::less<>> disabled = {};
  // Constant folding may make the weights grow by this much in all.
  uint64_t folding_growth = limits::kFoldingGrowthBytes;
  // ir::verify after every pass, not only at the end.
  bool verify_each = false;
};

struct Count {
  std::string pass;
  int rewrites = 0;
  double seconds = 0;
};

struct Report {
  std::vector<Count> counts;       // in the order of the list
  std::vector<std::string> notes;  // what was not done, and why
  int rounds = 0;
  int64_t steps = 0;     // rewrites in all
  bool stopped = false;  // by the step limit
  int64_t opset_before = 0, opset_after = 0;
  int64_t nodes_before = 0, nodes_after = 0;  // of the main graph

  int count(std::string_view pass) const;
};
// "fold_constants 12, remove_noops 3", most in the list's order; "nothing to do".
std::string to_string(const Report& report);

class PassContext {
 public:
  PassContext(const Options& options, Report& report) : options_(options), report_(report) {}
  const Options& options() const { return options_; }
  // Asked right before every rewrite: false once the step limit is reached, and then nothing may
  // change.
  bool step();
  // Says once why something was left as it is.
  void note(std::string text);
  // What constant folding may still add to the weights.
  int64_t folding_left() const {
    return static_cast<int64_t>(options_.folding_growth) - folding_used_;
  }
  void use_folding(int64_t bytes) { folding_used_ += bytes; }

 private:
  const Options& options_;
  Report& report_;
  int64_t folding_used_ = 0;
};

// Rewrites a model and returns how often. Expects and leaves a model that ir::verify accepts, whose
// values carry the types that infer_types (types.h) gives; nodes a pass makes have its name as
// origin.
struct Pass {
  const char* name;
  int (*run)(ir::Model&, PassContext&);
};

// The one list, in the order they run.
std::span<const Pass> all();
// Runs the list until nothing changes. Throws what inference throws.
Report simplify(ir::Model& model, const Options& options = {});
// Runs one pass of the list until it finds nothing more.
Report run_pass(ir::Model& model, std::string_view name, const Options& options = {});

}  // namespace tersor::passes
