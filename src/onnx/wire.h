// A walk over the bytes of a model before they are parsed. Inside onnx/ only.
#pragma once

#include <string>
#include <vector>

#include "onnx/input.h"

namespace tersor::onnx {

// A part of the file: a message or a field with what stands before it (tag and length).
struct Extent {
  uint64_t tag = 0, begin = 0, end = 0;
};
// The raw data of an initializer of the main graph that is large.
struct LargeData {
  size_t graph = 0;        // index into Outline::graphs
  size_t initializer = 0;  // place among the initializers of the main graph
  Extent tensor, data;
};
struct Outline {
  std::vector<Extent> graphs;  // of the main graph: one, unless somebody put it together in pieces
  std::vector<LargeData> data;
};

// Follows the messages of a ModelProto without recursion and without copying. Throws E03 if the
// file ends inside one (naming the innermost: "initializer 'fc.weight' needs 2 048 000 bytes,
// ..."), E60 if it is nested deeper or has more parts than the limits allow, E02 if the bytes are
// no protobuf of a model. What passes may still be refused by the parser.
Outline check_wire(Input& input, const std::string& name);

// The same bytes without the large data: small, and parsed as the same model but for those.
std::string without_large_data(Input& input, const Outline& outline);

}  // namespace tersor::onnx
