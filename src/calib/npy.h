// The header of an .npy array and the entries of an .npz archive: private to the room.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "calib/stream.h"
#include "tensor/tensor.h"

namespace tersor::calib {

struct ArrayHeader {
  DType dtype = DType::kUndefined;
  bool swapped = false;        // bytes of an element stand in the other order
  bool fortran_order = false;  // the first axis runs fastest
  Dims dims;
  int64_t element_bytes() const { return tensor::bits(dtype) / 8; }
  uint64_t data_bytes() const;
};

// Reads the header at the front of the stream. E23 if it is none.
ArrayHeader read_array_header(ByteStream& stream, const std::string& name);
// Reads the whole array that follows its header.
Tensor read_array(ByteStream& stream, const ArrayHeader& header, const std::string& name);
// Reads elements of native byte order: what follows in the stream, of shape `dims`, in row order.
Tensor read_elements(ByteStream& stream, const ArrayHeader& header, Dims dims);

struct ZipEntry {
  std::string name;
  uint64_t offset = 0;  // of the packed bytes
  uint64_t packed = 0, unpacked = 0;
  Packing packing = Packing::kNone;
  uint32_t crc = 0;
};

// The entries of a zip file by its central directory. E23 malformed, E60 over a limit.
std::vector<ZipEntry> read_zip_directory(const InputFile& file);

// An open .npz: names without ".npy".
class NpzFile {
 public:
  explicit NpzFile(const std::filesystem::path& path);
  struct Member {
    std::string name;
    ZipEntry entry;
  };
  const std::vector<Member>& members() const noexcept { return members_; }
  const Member* find(const std::string& name) const;
  // The member as a whole, its checksum verified.
  Tensor read(const Member& member) const;
  // A stream of the member, at its front.
  std::unique_ptr<ByteStream> open(const Member& member) const;
  const std::string& name() const noexcept { return file_->name(); }

 private:
  std::shared_ptr<const InputFile> file_;
  std::vector<Member> members_;
};

}  // namespace tersor::calib
