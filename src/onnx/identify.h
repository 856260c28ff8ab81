// What a file is that is no ONNX model, said precisely. Inside onnx/ only.
#pragma once

#include <string>
#include <string_view>

namespace tersor::onnx {

// Throws E02 if the bytes are evidently something else, with the way from there to an ONNX file.
void refuse_other_formats(std::string_view bytes, const std::string& name);
// False if those may have a say, by the first bytes of a larger file.
bool looks_like_model(std::string_view start);

}  // namespace tersor::onnx
