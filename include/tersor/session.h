// Running a model on the CPU engine.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tersor/data.h"
#include "tersor/model.h"

namespace tersor {

struct SessionOptions {
  int threads = 1;  // 0: one per core
  // Bytes of activations, of each piece of a batch that run() makes; 0: 4 x weights and inputs, at
  // least 1 GiB.
  uint64_t max_memory = 0;
  bool integers = true;  // false: Q/DQ pairs run as written and all else in float
};

// One step of a plan.
struct PlanStep {
  std::string name, op;  // of the model's node
  std::string kernel;    // the kernel chosen, or "reference"
  std::string type;  // "int8" if it computes on 8-bit integers, else the element type of its output
  std::string layout;  // "rows" or "channels_last"
  std::string note;    // what was fused into it
  std::string why;     // that kernel was chosen, and why it is exact; may be empty
  bool integer = false, reference = false;
};

struct PlanInfo {
  std::vector<std::string> isa;  // "portable", "avx2", ...
  std::vector<PlanStep> steps;
  int64_t integer_steps = 0, reference_steps = 0;
};

// Const to its users: several threads may run one session at once.
class Session {
 public:
  // E10 (kUnsupported) names an operator the engine does not have, with its node.
  explicit Session(const Model& model, const SessionOptions& options = {});
  ~Session();
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;

  // All outputs by name. E26 names an input of the wrong type or shape. A batch of samples that the
  // model keeps apart may run in pieces, as many at once as there are threads.
  Tensors run(const Tensors& inputs) const;
  // For models of one input.
  Tensors run(const Tensor& input) const;
  // By position, in the order of the model's inputs and outputs.
  std::vector<Tensor> run(const std::vector<Tensor>& inputs) const;

  PlanInfo plan() const;
  uint64_t peak_bytes() const;  // largest activation memory of any run so far

  struct Impl;
  const Impl& impl() const { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

// The samples of `data` as this model's inputs, at most `limit` (0: all).
std::vector<Tensors> samples(const Data& data, const Model& model, int64_t limit = 0);

// One TensorProto, the ONNX backend tests' format.
Tensor load_tensor(const std::string& path);
void save_tensor(const Tensor& tensor, const std::string& path, const std::string& name,
                 bool force = false);
// .npz of named tensors, stored without compression.
void save_npz(const Tensors& tensors, const std::string& path, bool force = false);

// What the engine found on this machine.
struct Host {
  std::string cpu;
  std::vector<std::string> isa;
  int cores = 1;
};
Host host();
std::string version();

}  // namespace tersor
