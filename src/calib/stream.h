// Bytes of a part of a file, as they are or inflated, read from front to back in little memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "base/file.h"

namespace tersor::calib {

using base::InputFile;

enum class Packing : uint8_t { kNone, kDeflate, kGzip };

class ByteStream {
 public:
  // The bytes [offset, offset + length) of the file, which must hold them (E03).
  ByteStream(std::shared_ptr<const InputFile> file, uint64_t offset, uint64_t length,
             Packing packing);
  ~ByteStream();

  // E03 at the end of the data, E23 if it cannot be inflated.
  void read(void* into, size_t length);
  void skip(uint64_t length);
  void rewind();
  // Bytes read or skipped so far.
  uint64_t position() const noexcept { return position_; }
  uint64_t packed_bytes() const noexcept { return length_; }
  Packing packing() const noexcept { return packing_; }
  const InputFile& file() const noexcept { return *file_; }

 private:
  struct Inflater;
  void inflate_into(void* into, size_t length);

  std::shared_ptr<const InputFile> file_;
  uint64_t offset_, length_;
  Packing packing_;
  uint64_t position_ = 0;
  std::unique_ptr<Inflater> inflater_;
};

// E60 if `unpacked` bytes out of `packed` are more than limits::kZipRatio allows.
void check_ratio(uint64_t packed, uint64_t unpacked, const std::string& name);

}  // namespace tersor::calib
