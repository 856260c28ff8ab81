// A walk over the bytes of a model before they are parsed. Inside onnx/ only.
#pragma once

#include <string>
#include <string_view>

namespace tersor::onnx {

// Follows the messages of a ModelProto without recursion and without copying. Throws E03 if the
// file ends inside one (naming the innermost: "initializer 'fc.weight' needs 2 048 000 bytes,
// ..."), E60 if it is nested deeper or has more parts than the limits allow, E02 if the bytes are
// no protobuf of a model. What passes may still be refused by the parser.
void check_wire(std::string_view bytes, const std::string& name);

}  // namespace tersor::onnx
