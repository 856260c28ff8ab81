// A graph as the rules look at it: private to the room.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ir/model.h"

namespace tersor::quant {

// A QuantizeLinear or DequantizeLinear of ONNX.
struct Quantizer {
  ir::NodeId node = ir::kNone;
  bool quantizes = false;  // or dequantizes
  DType dtype = DType::kUndefined;
  const Tensor* scale = nullptr;  // nullptr: computed
  const Tensor* zero = nullptr;   // nullptr: absent or computed
  bool computed_zero = false;
  int64_t axis = 1;
  int64_t block = 0;
  bool of_constant = false;  // of a weight or bias, not of an activation
  // One scale for the whole tensor.
  bool per_tensor() const { return block == 0 && (!scale || scale->count() == 1); }
  bool zero_is_zero() const;
};

class GraphView {
 public:
  GraphView(const ir::Model& model, const ir::Graph& graph);

  const ir::Model& model;
  const ir::Graph& graph;

  const std::vector<Quantizer>& quantizers() const { return quantizers_; }  // in graph order
  const Quantizer* quantizer(ir::NodeId node) const;
  const Quantizer* quantizer_of(ir::ValueId id) const;  // that makes a value
  const ir::Node* maker(ir::ValueId id) const;          // nullptr: input, constant, capture
  const std::vector<ir::NodeId>& readers(ir::ValueId id) const { return readers_[id]; }
  // The reader of a value that nobody else reads, nor is it an output; nullptr otherwise.
  const ir::Node* only_reader(ir::ValueId id) const;

  // Behind operators that only move values (Reshape, Transpose, Identity, ...): where `id` comes
  // from.
  ir::ValueId origin(ir::ValueId id) const;
  // The DequantizeLinear behind a value, moves between them passed over.
  const Quantizer* dequantized(ir::ValueId id) const;
  // The QuantizeLinear that alone reads a value.
  const Quantizer* quantized(ir::ValueId id) const;
  // A DequantizeLinear with the scale and zero point of the QuantizeLinear before it: what is wrong
  // with them has been said.
  bool repeats(const Quantizer& q) const;
  // An initializer, or one that was quantized or dequantized or moved.
  bool is_constant(ir::ValueId id) const;

  std::string name(ir::ValueId id) const;

 private:
  std::vector<ir::NodeId> made_;
  std::vector<std::vector<ir::NodeId>> readers_;
  std::vector<Quantizer> quantizers_;
  std::map<ir::NodeId, size_t> by_node_;
};

bool is_standard(const ir::Node& node);
bool is(const ir::Node& node, std::string_view op);
// Conv, ConvTranspose, Gemm, MatMul.
bool multiplies(const ir::Node& node);
// Output elements are input elements.
bool moves(const ir::Node& node);

}  // namespace tersor::quant
