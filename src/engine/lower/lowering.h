// The model on its way to a plan: a graph that may hold fused operators, and facts about its nodes
// that ONNX has no words for. Each rewrite is one file here and says in a note why it did not
// apply.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/plan.h"
#include "ir/model.h"
#include "ops/operator.h"

namespace tersor::engine {

// What binding found impossible in an earlier attempt, by the name of a node's first output.
struct Constraints {
  std::set<std::string> no_fuse, no_absorb, rows_only;
};

struct NodeFacts {
  // Set where an 8-bit wire (or int32 bias) is read or written in place of real numbers.
  std::vector<std::optional<QuantParams>> in_quant;
  std::optional<QuantParams> out_quant;
  std::string note;
};

struct Lowering {
  const CompileOptions& options;
  const Constraints& constraints;
  ir::Model model;
  std::unordered_map<std::string, NodeFacts> facts;  // by first output name

  ir::Graph& graph() { return model.graph; }
  const ops::Operator* op(const ir::Node& node) const {
    return ops::find(node.domain, node.op, model.opset(node.domain));
  }
  const std::string& key(const ir::Node& node) const;
  // The value may vanish: no graph output, not kept.
  bool hidden(ir::ValueId id) const;
  // The only reader of a hidden value, or kNone.
  ir::NodeId only_reader(ir::ValueId id, const std::vector<std::vector<ir::NodeId>>& readers) const;
};

// float32, and the 16-bit floats: their steps compute in float32, and what is fused is rounded
// fewer times.
bool computes_in_f32(DType type);

// Relu, or Clip with constant bounds, behind an operator that can clamp its result.
void fuse_clip(Lowering& l);
// MatMul + Add of a constant vector along the last axis.
void fuse_bias(Lowering& l);
// Conv + Add of a tensor of the same shape, in float.
void fuse_residual(Lowering& l);
// Scaling and mask in front of a Softmax.
void fuse_softmax(Lowering& l);
// The transpositions around the products of an attention, whose heads are then read and written
// where they lie.
void fuse_heads(Lowering& l);
// An operator that only moves values works on codes where its input was just dequantized.
void push_dequantize(Lowering& l);
// The generic rule of quantization: an operator between DequantizeLinear and QuantizeLinear reads
// and writes the 8-bit wires themselves.
void absorb_qdq(Lowering& l);
// Evaluates nodes of constants (dequantized weights that stayed float, ...).
void fold(Lowering& l);

// The scale and zero point of a QuantizeLinear or DequantizeLinear with constant 8-bit (or int32)
// parameters per tensor or per axis; nullopt otherwise.
struct QdqParams {
  QuantParams params;
  DType dtype;
};
std::optional<QdqParams> qdq_params(const ir::Graph& graph, const ir::Node& node);

}  // namespace tersor::engine
