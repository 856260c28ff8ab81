// Zip archives, as far as NumPy writes and reads them.
#include <zlib.h>

#include <algorithm>
#include <cstring>

#include "base/checked.h"
#include "base/error.h"
#include "base/limits.h"
#include "calib/arrays.h"
#include "calib/npy.h"

namespace tersor::calib {
namespace {

uint64_t little(const unsigned char* p, int bytes) {
  uint64_t v = 0;
  for (int i = bytes; i-- > 0;) v = v << 8 | p[i];
  return v;
}

[[noreturn]] void fail_zip(const std::string& name, const std::string& why) {
  base::fail_input("E23", "{} is not a readable .npz archive: {}", base::quoted(name), why);
}

std::vector<unsigned char> read_part(const InputFile& file, uint64_t offset, uint64_t length) {
  std::vector<unsigned char> bytes(length);
  file.read(offset, bytes.data(), bytes.size());
  return bytes;
}

struct Directory {
  uint64_t offset = 0, bytes = 0, entries = 0;
};

// Its place, from the record at the end of the file.
Directory find_directory(const InputFile& file) {
  constexpr uint64_t kRecord = 22, kComment = 65535, kLocator = 20, kRecord64 = 56;
  const uint64_t length = std::min<uint64_t>(file.size(), kRecord + kComment);
  const auto tail = read_part(file, file.size() - length, length);
  for (uint64_t i = length < kRecord ? 0 : length - kRecord + 1; i-- > 0;) {
    const unsigned char* p = tail.data() + i;
    if (little(p, 4) != 0x06054b50 || little(p + 20, 2) != length - kRecord - i) continue;
    const uint64_t at = file.size() - length + i;
    Directory d{little(p + 16, 4), little(p + 12, 4), little(p + 10, 2)};
    if (d.offset == 0xffffffff || d.bytes == 0xffffffff || d.entries == 0xffff) {
      if (at < kLocator) fail_zip(file.name(), "its directory is missing");
      const auto locator = read_part(file, at - kLocator, kLocator);
      if (little(locator.data(), 4) == 0x07064b50) {
        const auto record = read_part(file, little(locator.data() + 8, 8), kRecord64);
        if (little(record.data(), 4) != 0x06064b50)
          fail_zip(file.name(), "its directory is missing");
        d = {little(record.data() + 48, 8), little(record.data() + 40, 8),
             little(record.data() + 32, 8)};
      }
    }
    if (!base::in_range(d.offset, d.bytes, at)) fail_zip(file.name(), "its directory is cut off");
    return d;
  }
  throw Error(ErrorKind::kInput, "E03",
              base::quoted(file.name()) + " is cut off: a zip archive ends with its directory",
              "download or copy it again");
}

// Sizes over 4 GiB stand in an extra field, in this order, each only if its short form is all ones.
void widen(ZipEntry& e, const unsigned char* extra, size_t length) {
  while (length >= 4) {
    const uint64_t id = little(extra, 2), size = little(extra + 2, 2);
    if (size > length - 4) return;
    if (id == 1) {
      size_t at = 0;
      for (uint64_t* field : {&e.unpacked, &e.packed, &e.offset})
        if (*field == 0xffffffff && size - at >= 8) {
          *field = little(extra + 4 + at, 8);
          at += 8;
        }
    }
    extra += 4 + size;
    length -= 4 + size;
  }
}

}  // namespace

std::vector<ZipEntry> read_zip_directory(const InputFile& file) {
  const Directory d = find_directory(file);
  if (d.entries > limits::kZipEntries)
    base::fail(ErrorKind::kLimit, "E60", "{} has {} entries, more than the limit of {}",
               base::quoted(file.name()), d.entries, limits::kZipEntries);
  // An entry is a header of 46 bytes and three texts of at most 64 KiB.
  if (d.bytes > d.entries * (46 + 3 * 65536)) fail_zip(file.name(), "its directory is malformed");
  const auto bytes = read_part(file, d.offset, d.bytes);
  std::vector<ZipEntry> entries;
  uint64_t packed = 0;
  for (size_t at = 0; entries.size() < d.entries;) {
    const unsigned char* p = bytes.data() + at;
    if (bytes.size() - at < 46 || little(p, 4) != 0x02014b50)
      fail_zip(file.name(), "its directory is malformed");
    const size_t name = little(p + 28, 2), extra = little(p + 30, 2), comment = little(p + 32, 2);
    if (name + extra + comment > bytes.size() - at - 46)
      fail_zip(file.name(), "its directory is malformed");
    ZipEntry e;
    e.name.assign(reinterpret_cast<const char*>(p + 46), name);
    const uint64_t method = little(p + 10, 2);
    if (little(p + 8, 2) & 1) fail_zip(file.name(), "it is encrypted");
    if (method != 0 && method != 8)
      fail_zip(file.name(), fmt::format("{} is packed by method {}; only stored and deflated "
                                        "entries are read",
                                        base::quoted(e.name), method));
    e.packing = method == 8 ? Packing::kDeflate : Packing::kNone;
    e.crc = static_cast<uint32_t>(little(p + 16, 4));
    e.packed = little(p + 20, 4);
    e.unpacked = little(p + 24, 4);
    e.offset = little(p + 42, 4);
    widen(e, p + 46 + name, extra);
    if (e.packing == Packing::kNone && e.packed != e.unpacked)
      fail_zip(file.name(), "the sizes of " + base::quoted(e.name) + " contradict each other");
    check_ratio(e.packed, e.unpacked, file.name() + ":" + e.name);
    packed = base::checked_add(packed, e.packed);
    if (packed > d.offset) fail_zip(file.name(), "its entries overlap");
    entries.push_back(std::move(e));
    at += 46 + name + extra + comment;
  }
  for (ZipEntry& e : entries) {
    if (!base::in_range(e.offset, 30, d.offset))
      fail_zip(file.name(), base::quoted(e.name) + " lies outside of the file");
    unsigned char local[30];
    file.read(e.offset, local, sizeof local);
    if (little(local, 4) != 0x04034b50)
      fail_zip(file.name(), base::quoted(e.name) + " has no header");
    e.offset += 30 + little(local + 26, 2) + little(local + 28, 2);
    if (!base::in_range(e.offset, e.packed, d.offset))
      fail_zip(file.name(), base::quoted(e.name) + " lies outside of the file");
  }
  return entries;
}

NpzFile::NpzFile(const std::filesystem::path& path)
    : file_(std::make_shared<const InputFile>(path)) {
  for (ZipEntry& e : read_zip_directory(*file_)) {
    if (!e.name.ends_with(".npy")) continue;
    std::string name = e.name.substr(0, e.name.size() - 4);
    if (find(name)) fail_zip(file_->name(), base::quoted(name) + " is there twice");
    members_.push_back({std::move(name), std::move(e)});
  }
}

const NpzFile::Member* NpzFile::find(const std::string& name) const {
  const auto it = std::ranges::find(members_, name, &Member::name);
  return it == members_.end() ? nullptr : &*it;
}

std::unique_ptr<ByteStream> NpzFile::open(const Member& m) const {
  return std::make_unique<ByteStream>(file_, m.entry.offset, m.entry.packed, m.entry.packing);
}

Tensor NpzFile::read(const Member& m) const {
  const std::string name = file_->name() + ":" + m.name;
  const auto stream = open(m);
  const ArrayHeader header = read_array_header(*stream, name);
  if (base::checked_add(stream->position(), header.data_bytes()) != m.entry.unpacked)
    fail_zip(file_->name(), "the size of " + base::quoted(m.name) + " is wrong");
  Tensor t = read_array(*stream, header, name);
  stream->rewind();
  uint32_t crc = 0;
  std::vector<unsigned char> block(65536);
  for (uint64_t left = m.entry.unpacked; left > 0;) {
    const auto n = static_cast<size_t>(std::min<uint64_t>(left, block.size()));
    stream->read(block.data(), n);
    crc = static_cast<uint32_t>(::crc32(crc, block.data(), static_cast<uInt>(n)));
    left -= n;
  }
  if (crc != m.entry.crc)
    fail_zip(file_->name(), "the checksum of " + base::quoted(m.name) + " is wrong");
  return t;
}

NamedTensors read_npz(const std::filesystem::path& path) {
  const NpzFile file(path);
  NamedTensors tensors;
  uint64_t total = 0;
  for (const NpzFile::Member& m : file.members()) {
    total = base::checked_add(total, m.entry.unpacked);
    if (total > limits::kDataFileBytes)
      base::fail(ErrorKind::kLimit, "E60", "the arrays of {} have more than {} bytes",
                 base::quoted(file.name()), limits::kDataFileBytes);
    tensors.emplace_back(m.name, file.read(m));
  }
  return tensors;
}

}  // namespace tersor::calib
