// A compiled model: bound steps over typed wires. Immutable, symbolic in its dynamic dimensions,
// shared between threads; a Session runs it.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/isa.h"
#include "ir/model.h"
#include "runtime/step.h"

namespace tersor::engine {

struct CompileOptions {
  base::IsaSet isa = base::detect_isa();
  // Values (by name) that must exist at run time, for taps: fusions do not cross them.
  std::set<std::string> keep;
  bool fuse = true;  // false: one step per node
  // Deferred constants give their memory back as soon as they are packed: for a model that nobody
  // else looks at.
  bool unload = false;
  bool integers = true;  // false: Q/DQ run as written, everything else in float
};

// One line of `inspect --plan`.
struct StepInfo {
  std::string name, op;  // of the model's node
  std::string kernel;    // the row chosen, or "reference"
  bool integer = false, reference = false;
  runtime::Layout layout = runtime::Layout::kRows;
  std::string type;  // element type of the first output
  std::string note;  // what was fused, why something was not done
  std::string why;   // this row
};

struct Slot {  // where a value lives in a run
  std::string name;
  runtime::Wire wire;
  ir::Type type;
};

struct Step {
  runtime::Call call;
  std::vector<int> inputs, outputs;  // slots; -1 absent
  std::vector<int> release;          // slots not needed after this step
  int info = -1;                     // index into Plan::info
};

// Of a batch that may be run in pieces (lower/samples.h), in samples; 0: it may not.
struct PieceSizes {
  int64_t least = 0, best = 0;
};

struct Plan {
  std::vector<Slot> slots;
  std::vector<std::pair<int, Tensor>> constants;  // slots filled before the first step
  std::vector<Step> steps;
  std::vector<int> inputs, outputs, captures;  // slots
  std::vector<std::string> output_names;
  std::vector<StepInfo> info;
  std::vector<std::pair<int, std::string>> taps;  // slot -> kept value
  size_t weight_bytes = 0;
  PieceSizes piece;

  int input_count() const { return static_cast<int>(inputs.size()); }
};

// Throws kUnsupported (E10) naming the first operator tersor does not have. Steps are bound, which
// packs their constants, on the threads of `pool`.
std::shared_ptr<const Plan> compile(const ir::Model& model, const CompileOptions& options,
                                    runtime::ThreadPool& pool);
// On the caller's thread.
std::shared_ptr<const Plan> compile(const ir::Model& model, const CompileOptions& options = {});

}  // namespace tersor::engine
