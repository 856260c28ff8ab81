#include "onnx/input.h"

#include <algorithm>

namespace tersor::onnx {

std::string Input::text(uint64_t offset, uint64_t length) {
  if (!file_) return std::string(window_.substr(offset, length));
  std::string bytes(length, '\0');
  file_->read(offset, bytes.data(), length);
  return bytes;
}

void Input::move_window(uint64_t offset) {
  constexpr uint64_t kWindow = 65536;
  held_.resize(std::min(kWindow, size_ - offset));
  file_->read(offset, held_.data(), held_.size());
  window_ = held_;
  begin_ = offset;
}

}  // namespace tersor::onnx
