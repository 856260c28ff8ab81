// What tersor knows about an operator: one struct of functions per operator, one file each.
//
//   infer      element types and symbolic shapes of the outputs
//   reference  the specification in plain loops; allocates its outputs
//   traits     how quantization and layouts pass through it
//   bind       a fast step for given wires, or a reason why there is none (then `reference` runs)
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ir/model.h"
#include "runtime/step.h"

namespace tersor::ops {

// ---- inference -------------------------------------------------------------------------------

// What infer() sees and fills. Unknown things stay unknown: infer never guesses, and throws a
// kInput Error only where the model contradicts the operator's definition.
class InferContext {
 public:
  // The types of the subgraph's outputs, given those of its formal inputs. Set by whoever infers a
  // graph.
  using InferBody =
      std::function<std::vector<ir::Type>(const ir::Graph&, std::span<const ir::Type>)>;

  InferContext(const ir::Node& node, int version, std::vector<const ir::Type*> inputs,
               std::vector<const Tensor*> constants, std::vector<ir::Type>& outputs,
               const InferBody& infer_body)
      : node(node),
        version(version),
        infer_body(infer_body),
        inputs_(std::move(inputs)),
        constants_(std::move(constants)),
        outputs_(outputs) {}

  const ir::Node& node;
  const int version;  // opset of the node's domain
  const InferBody& infer_body;

  size_t input_count() const { return inputs_.size(); }
  size_t output_count() const { return outputs_.size(); }
  bool has(size_t i) const { return i < inputs_.size() && inputs_[i]; }
  const ir::Type& in(size_t i) const;  // an unknown Type if absent
  DType elem(size_t i) const { return in(i).elem; }
  const std::optional<ir::Shape>& shape(size_t i) const { return in(i).shape; }
  int rank(size_t i) const { return in(i).rank(); }  // -1 if unknown or absent
  const Tensor* constant(size_t i) const;            // the value if input i is known, else nullptr
  // An integer vector input whose elements may be symbolic (axes, shapes, repeats): known from a
  // constant or from Shape arithmetic.
  std::optional<std::vector<ir::Dim>> contents(size_t i) const;
  // The same, only if every element is a number.
  std::optional<std::vector<int64_t>> numbers(size_t i) const;

  void out(size_t i, DType elem, std::optional<ir::Shape> shape = {});
  void out(size_t i, ir::Type type);
  void set_contents(size_t i, std::vector<ir::Dim> contents);

 private:
  std::vector<const ir::Type*> inputs_;
  std::vector<const Tensor*> constants_;
  std::vector<ir::Type>& outputs_;
};

// Numpy broadcasting of symbolic shapes; an Error if two numbers contradict. Unknown against a
// number above 1 gives the number.
std::optional<ir::Shape> broadcast(const std::optional<ir::Shape>& a,
                                   const std::optional<ir::Shape>& b);
Dims broadcast_dims(std::span<const int64_t> a, std::span<const int64_t> b);
// a + b, a * b, (a / b) ... of dimensions; numbers are computed, anything else becomes an
// expression symbol.
ir::Dim add(const ir::Dim& a, const ir::Dim& b);
ir::Dim sub(const ir::Dim& a, const ir::Dim& b);
ir::Dim mul(const ir::Dim& a, const ir::Dim& b);
ir::Dim div(const ir::Dim& a, const ir::Dim& b);  // exact or floor
// Brings an axis in [-rank, rank) to [0, rank); a kInput Error (E15) otherwise.
int normalize_axis(int64_t axis, int rank);

// ---- reference -------------------------------------------------------------------------------

class ComputeContext {
 public:
  using RunBody = std::function<std::vector<Tensor>(const ir::Graph&, std::span<const Tensor>)>;

  const ir::Node& node;
  int version;
  std::span<const Tensor* const> inputs;  // nullptr if absent
  std::span<Tensor> outputs;
  // Runs a subgraph of the node on its formal inputs; captured values are supplied by the caller.
  const RunBody& run_body;
  // Where outputs come from; empty: the heap.
  std::function<Tensor(DType, Dims)> allocate;

  bool has(size_t i) const { return i < inputs.size() && inputs[i]; }
  const Tensor& in(size_t i) const;  // a kInput Error if absent
  bool wants(size_t i) const { return i < outputs.size() && node.output(i) != ir::kNone; }
  // Makes output i (uninitialised).
  Tensor& out(size_t i, DType dtype, Dims dims) const;
};

// ---- traits ----------------------------------------------------------------------------------

// How 8-bit wires pass through an operator.
enum class QuantClass : uint8_t {
  kNone,      // floats only
  kWeighted,  // multiplies with a weight: Conv, ConvTranspose, Gemm, MatMul
  kMoves,  // output elements are input elements: Reshape, Transpose, MaxPool, Slice, Resize nearest
  kMaps,   // one output element from one input element: Relu, Sigmoid, Clip (a 256-entry table)
  kCombines,  // real arithmetic on several elements: Add, Mul, Concat, AveragePool, Resize linear
};

enum class LayoutClass : uint8_t {
  kRows,          // works on ONNX order only
  kAny,           // element by element (operands of equal rank or scalar); any common layout
  kChannelsLast,  // wants channels-last (Conv, pooling)
  kAware,         // takes both: bind looks at Wire::layout (Concat, Resize, ...)
};

struct Traits {
  QuantClass quant = QuantClass::kNone;
  // Bit i: input i is a data input whose quantization matters. Other inputs (axes, shapes) stay as
  // they are.
  uint32_t data_inputs = 1;
  bool variadic = false;  // all inputs are data inputs (Concat, Sum)
  LayoutClass layout = LayoutClass::kRows;
  // From an input in rows, bind can also write a channels-last output.
  bool lays_out = false;
  // True if output 0 may share the bytes of input 0 (Reshape, Identity).
  bool view = false;
  // bind understands the plan-only float attributes "clip_min" and "clip_max" (each optional): the
  // real result is clamped to them before it is stored. Lowering puts a following Relu or Clip
  // there.
  bool fuses_clip = false;
  // bind understands one more input behind the operator's own: a bias vector along the output's
  // last axis (MatMul), or a residual of the output's shape that is added before the clip (Conv).
  bool fuses_bias = false, fuses_residual = false;
  // For outputs with a fixed range whatever the input (Sigmoid, Softmax): quantize with [lo, hi].
  std::optional<std::pair<float, float>> fixed_range = {};
};

// ---- the operator ----------------------------------------------------------------------------

struct Operator {
  const char* name;
  const char* domain = "";
  int since = 1;  // oldest opset with this meaning
  void (*infer)(InferContext&);
  void (*reference)(ComputeContext&);
  Traits traits = {};
  // nullptr or nullopt: these wires have no fast step.
  std::optional<runtime::Bound> (*bind)(const ir::Node&, const runtime::BindContext&) = nullptr;
  bool deterministic = true;  // false: random generators; never folded
  size_t max_inputs = 0;      // refused beyond; 0: not checked
};

// Every operator, in the order of list.inc.
std::span<const Operator* const> all();
// By domain ("" = "ai.onnx") and name, whose `since` is the largest not above `version`; nullptr if
// tersor has none.
const Operator* find(std::string_view domain, std::string_view name, int64_t version);
// The kUnsupported Error E10 that names operator and node.
[[noreturn]] void fail_unknown(const ir::Node& node);

}  // namespace tersor::ops
