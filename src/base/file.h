// Every touch of a file goes through here: regular files only, sizes checked, outputs atomic.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace tersor::base {

// The whole of a regular file ("-": standard input), at most `limit` bytes. Errors: E01 missing
// (with the nearest name in its folder), E06 unreadable or not a regular file, E60 over the limit.
std::string read_file(const std::filesystem::path& path, uint64_t limit);

// A regular file, open for reading. E01 missing, E06 unreadable or not a regular file.
class InputFile {
 public:
  explicit InputFile(const std::filesystem::path& path);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  const std::string& name() const noexcept { return name_; }
  uint64_t size() const noexcept { return size_; }
  // Exactly `length` bytes at `offset`; E03 if the file ends before.
  void read(uint64_t offset, void* into, size_t length) const;
  // E06 if the file was written to since it was opened.
  void check_unchanged() const;

 private:
  std::string name_;
  uint64_t size_ = 0;
  int fd_ = -1;
  int64_t changed_ = 0;  // when, in nanoseconds
};

// E03: a file needs more bytes than it has.
[[noreturn]] void fail_cut_off(const std::string& name, uint64_t needed, uint64_t there);

// Bytes of a file that stay valid as long as a copy of this lives: mapped, or read where that is
// cheaper.
struct FileBytes {
  const std::byte* data = nullptr;
  size_t size = 0;
  std::shared_ptr<const void> owner;
};
inline constexpr uint64_t kToEnd = UINT64_MAX;
// `length` bytes (kToEnd: up to the end) at `offset` of the file `relative` inside `folder`. The
// one way to a file that another file names: relative, no "..", no symbolic link, one regular file
// with one name (E05 otherwise); a missing file is E04, a short one E03. `user`: what names it, for
// messages.
FileBytes read_inside(const std::filesystem::path& folder, const std::string& relative,
                      uint64_t offset, uint64_t length, const std::string& user);

// A file in the making, under a temporary name beside its target: `.NAME.XXXXXX.part`. Whatever
// happens before publish(), the target stays as it is and the temporary file goes. Errors: E41
// folder, E42 all else.
class OutputFile {
 public:
  explicit OutputFile(const std::filesystem::path& target);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void write(std::string_view bytes);
  uint64_t size() const noexcept { return size_; }
  // fsync and close: what fails later cannot be the contents.
  void finish();
  // Gives the file its name (in the same folder) and makes that last. Without `replace`, E40 if the
  // name is taken.
  void publish(const std::filesystem::path& target, bool replace);

 private:
  std::filesystem::path target_, temporary_;
  int fd_ = -1;
  uint64_t size_ = 0;
};

// Replaces or creates a file as a whole ("-": standard output). Without `force` an existing one is
// E40.
void write_file(const std::filesystem::path& path, std::string_view bytes, bool force);
// E40 / E41 before any work is done: the output exists, is a folder, or its folder does not exist.
void check_output(const std::filesystem::path& path, bool force);

// Of `names`, the one closest to `wish` by edit distance, if it is close; empty otherwise.
std::string nearest(std::string_view wish, std::span<const std::string> names);

}  // namespace tersor::base
