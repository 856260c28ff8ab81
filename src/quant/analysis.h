// Which nodes can read and write 8-bit values, from the graph alone: private to the room.
//
// A region begins at an operator with weights and goes on through operators that move, map or
// combine 8-bit values, as long as somebody at its end wants them. So there is no hop to float
// between quantized neighbours, and no Quantize where nobody gains.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "ir/model.h"
#include "ops/operator.h"
#include "quant/decisions.h"

namespace tersor::quant {

struct Role {
  const ops::Operator* op = nullptr;
  bool weighted = false;   // multiplies with weights
  bool product = false;    // multiplies two computed operands, the right one symmetric
  bool quantized = false;  // reads 8-bit values
  bool follows = false;    // a bias or an activation that its producer takes along
  std::string reason;      // why a node stays in float: a weighted one, or one that was left
  std::vector<bool> inputs;
};

struct Analysis {
  std::vector<Role> nodes;   // by node
  std::vector<bool> stored;  // by value: kept in 8 bits
  std::vector<ir::ValueId>
      head;  // by value: whose format it shares (operators that only move values)
  std::set<ir::ValueId> symmetric;  // heads that have no zero point: right operands of products
};

// `unstored`: names of values that are not stored in 8 bits, and why: "was never observed". `left`:
// nodes that stay in float, with the reason.
Analysis analyse(const ir::Model& model, const std::vector<std::string>& keep,
                 const std::map<std::string, std::string>& unstored,
                 const std::map<ir::NodeId, std::string>& left = {},
                 const Target& target = find_target("any"));

// The bounds of a Relu, or of a Clip with constant bounds (attributes before opset 11, inputs
// since); nullopt for any other node.
std::optional<stats::Range> clip_bounds(const ir::Graph& graph, const ir::Node& node);
// '*' and '?' match as in file names.
bool glob_match(std::string_view pattern, std::string_view text);

// The axis of a weight along which each slice has a scale of its own; -1: one scale for all.
int channel_axis(const ir::Node& node, const Tensor& weight);

}  // namespace tersor::quant
