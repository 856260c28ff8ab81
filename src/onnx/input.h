// The bytes of a model, in memory or in a file that is read through a window. Inside onnx/ only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/file.h"

namespace tersor::onnx {

class Input {
 public:
  explicit Input(std::string_view bytes) : size_(bytes.size()), window_(bytes) {}
  explicit Input(const base::InputFile& file) : size_(file.size()), file_(&file) {}

  uint64_t size() const { return size_; }
  // Offsets must be inside.
  unsigned char at(uint64_t offset) {
    if (offset - begin_ >= window_.size()) move_window(offset);
    return static_cast<unsigned char>(window_[offset - begin_]);
  }
  std::string text(uint64_t offset, uint64_t length);

 private:
  void move_window(uint64_t offset);

  uint64_t size_, begin_ = 0;  // where the window begins
  std::string_view window_;
  const base::InputFile* file_ = nullptr;
  std::string held_;
};

}  // namespace tersor::onnx
