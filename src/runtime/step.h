// What a plan is made of: bound calls on tensors, and what an operator is told when it binds one.
#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/isa.h"
#include "runtime/arena.h"
#include "runtime/pool.h"
#include "runtime/status.h"
#include "tensor/tensor.h"

namespace tersor::runtime {

// How a wire's tensor lies in memory. kChannelsLast: a tensor of logical dims [N, C, spatial...] is
// stored with physical dims [N, spatial..., C]; at run time its Tensor carries the physical dims.
enum class Layout : uint8_t { kRows, kChannelsLast };

// What is known of a wire when a step is bound.
struct Wire {
  DType dtype = DType::kUndefined;   // element type in memory
  std::optional<QuantParams> quant;  // set: an 8-bit wire that stands for real numbers
  Layout layout = Layout::kRows;
  int rank = -1;                     // -1: unknown
  Dims dims;                         // logical; -1 where symbolic; empty if rank unknown or 0
  const Tensor* constant = nullptr;  // logical order (never channels-last)
  bool present = true;               // false for an absent optional input or output
};

// One execution of a step.
struct StepContext {
  std::span<const Tensor* const> inputs;  // nullptr if absent
  std::span<Tensor> outputs;              // to be filled by make() or by sharing an input's bytes
  Arena* arena = nullptr;
  ThreadPool* pool = nullptr;
  const Tensor& in(size_t i) const { return *inputs[i]; }
  bool has(size_t i) const { return i < inputs.size() && inputs[i]; }
  // Allocates output i.
  Tensor& make(size_t i, DType dtype, Dims dims) {
    outputs[i] = arena->make(dtype, std::move(dims));
    return outputs[i];
  }
};

// Thread-safe: called by several runs at once; holds only packed constants. Must not throw anything
// but what Arena::make throws (the executor turns that into a Status).
using Call = std::function<Status(StepContext&)>;

// Elements of `type` from as many float32 ones, each from its own: the step of an operator that
// maps.
struct RealMap {
  DType type = DType::kUndefined;
  std::function<void(const float* from, std::byte* to, int64_t count)> run = {};
};

struct Bound {
  Call call;
  std::string kernel;    // the row that was chosen, e.g. "gemm_u8s8_avx512vnni_12x32"
  bool integer = false;  // multiplies or combines in integers, or moves 8-bit values
  uint32_t unread = 0;   // inputs, as bits, that the call does not look at: it has them packed
  std::string why = {};  // this row, and why its sums are exact
  // Set where the call is such a map of input 0 to output 0.
  std::optional<RealMap> map = {};
  // Set where output 0 is float32 and another call can map its elements while they are near.
  std::function<Call(RealMap)> mapped_by = {};

  Bound& because(std::string reason) {
    why = std::move(reason);
    return *this;
  }
  Bound& has_packed(std::initializer_list<int> inputs) {
    for (int i : inputs) unread |= 1U << i;
    return *this;
  }
};

// A step made from a subgraph of If, Loop or Scan: runs it on inputs (formal inputs, then captures
// in the order of ir::Graph::captures) and gives its outputs.
using BodyCall = std::function<Status(std::span<const Tensor> inputs, std::vector<Tensor>& outputs,
                                      StepContext&)>;

struct BindContext {
  std::span<const Wire> inputs, outputs;
  base::IsaSet isa;
  int version = 0;  // opset of the node's domain
  const Wire& in(size_t i) const { return inputs[i]; }
  bool has(size_t i) const { return i < inputs.size() && inputs[i].present; }
  bool has_output(size_t i) const { return i < outputs.size() && outputs[i].present; }
};

}  // namespace tersor::runtime
