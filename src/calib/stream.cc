#include "calib/stream.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/checked.h"
#include "base/error.h"
#include "base/file.h"
#include "base/limits.h"

namespace tersor::calib {
namespace {

[[noreturn]] void fail_packed_end(const std::string& name) {
  throw Error(ErrorKind::kInput, "E03",
              base::quoted(name) + " is cut off: its packed data end too early",
              "download or copy it again");
}

}  // namespace

struct ByteStream::Inflater {
  z_stream z{};
  uint64_t taken = 0;  // packed bytes handed to z
  bool ended = false;
  std::array<unsigned char, 65536> in;

  explicit Inflater(Packing packing) {
    if (inflateInit2(&z, packing == Packing::kGzip ? 16 + MAX_WBITS : -MAX_WBITS) != Z_OK)
      base::fail(ErrorKind::kLimit, "E61", "not enough memory to unpack");
  }
  ~Inflater() { inflateEnd(&z); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
};

ByteStream::ByteStream(std::shared_ptr<const InputFile> file, uint64_t offset, uint64_t length,
                       Packing packing)
    : file_(std::move(file)), offset_(offset), length_(length), packing_(packing) {
  if (!base::in_range(offset, length, file_->size()))
    base::fail_cut_off(file_->name(), base::checked_add(offset, length), file_->size());
}

ByteStream::~ByteStream() = default;

void ByteStream::rewind() {
  position_ = 0;
  inflater_.reset();
}

void ByteStream::read(void* into, size_t length) {
  if (length == 0) return;
  if (packing_ != Packing::kNone) {
    inflate_into(into, length);
  } else {
    if (!base::in_range(position_, length, length_))
      base::fail_cut_off(file_->name(), base::checked_add<uint64_t>(position_, length), length_);
    file_->read(offset_ + position_, into, length);
  }
  position_ += length;
}

void ByteStream::skip(uint64_t length) {
  if (packing_ == Packing::kNone) {
    if (!base::in_range(position_, length, length_))
      base::fail_cut_off(file_->name(), base::checked_add(position_, length), length_);
    position_ += length;
    return;
  }
  std::array<char, 65536> sink;
  while (length > 0) {
    const auto n = static_cast<size_t>(std::min<uint64_t>(length, sink.size()));
    read(sink.data(), n);
    length -= n;
  }
}

void ByteStream::inflate_into(void* into, size_t length) {
  if (!inflater_) inflater_ = std::make_unique<Inflater>(packing_);
  Inflater& f = *inflater_;
  auto* to = static_cast<unsigned char*>(into);
  while (length > 0) {
    if (f.z.avail_in == 0 && f.taken < length_) {
      const auto n = static_cast<size_t>(std::min<uint64_t>(f.in.size(), length_ - f.taken));
      file_->read(offset_ + f.taken, f.in.data(), n);
      f.taken += n;
      f.z.next_in = f.in.data();
      f.z.avail_in = static_cast<uInt>(n);
    }
    if (f.ended) {
      // Gzip files may be joined; what follows the end of a deflate stream is not ours.
      if (packing_ != Packing::kGzip || f.z.avail_in == 0 || inflateReset(&f.z) != Z_OK)
        fail_packed_end(file_->name());
      f.ended = false;
    }
    const auto part = static_cast<uInt>(std::min(length, size_t{1} << 30));
    f.z.next_out = to;
    f.z.avail_out = part;
    const int result = ::inflate(&f.z, Z_NO_FLUSH);
    const size_t made = part - f.z.avail_out;
    to += made;
    length -= made;
    if (result == Z_STREAM_END) {
      f.ended = true;
    } else if (result == Z_BUF_ERROR && f.taken == length_ && f.z.avail_in == 0) {
      fail_packed_end(file_->name());
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
      base::fail_input("E23", "{} cannot be unpacked: {}", base::quoted(file_->name()),
                       f.z.msg ? f.z.msg : "bad data");
    }
  }
}

void check_ratio(uint64_t packed, uint64_t unpacked, const std::string& name) {
  if (unpacked <= limits::kZipRatioFrom || unpacked / limits::kZipRatio < packed ||
      (unpacked / limits::kZipRatio == packed && unpacked % limits::kZipRatio == 0))
    return;
  throw Error(
      ErrorKind::kLimit, "E60",
      fmt::format("{} grows from {} to {} bytes when it is unpacked, over the limit of {} times",
                  base::quoted(name), packed, unpacked, limits::kZipRatio),
      "store it without compression");
}

}  // namespace tersor::calib
