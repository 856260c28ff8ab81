#include "base/file.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/checked.h"

namespace tersor::base {
namespace fs = std::filesystem;
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

std::string read_all(int fd, uint64_t offset, uint64_t length, const std::string& name) {
  std::string bytes;
  bytes.resize(length);
  uint64_t done = 0;
  while (done < length) {
    const ssize_t n = ::pread(fd, bytes.data() + done, length - done,
                              static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_input("E06", "{} cannot be read: {}", base::quoted(name), std::strerror(errno));
    if (n == 0) fail_input("E03", "{} became shorter while it was read", base::quoted(name));
    done += static_cast<uint64_t>(n);
  }
  return bytes;
}

std::string read_stream(int fd, uint64_t limit) {
  std::string bytes;
  char block[65536];
  for (;;) {
    const ssize_t n = ::read(fd, block, sizeof block);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_input("E06", "standard input cannot be read: {}", std::strerror(errno));
    if (n == 0) return bytes;
    if (static_cast<uint64_t>(n) > limit - bytes.size())
      fail(ErrorKind::kLimit, "E60", "standard input holds more than {} bytes", limit);
    bytes.append(block, static_cast<size_t>(n));
  }
}

}  // namespace

std::string nearest(std::string_view wish, std::span<const std::string> names) {
  std::string best;
  size_t best_distance = wish.size() / 3 + 1;
  for (const std::string& name : names) {
    std::vector<size_t> row(name.size() + 1);
    for (size_t j = 0; j < row.size(); ++j) row[j] = j;
    for (size_t i = 0; i < wish.size(); ++i) {
      size_t diagonal = row[0];
      row[0] = i + 1;
      for (size_t j = 0; j < name.size(); ++j) {
        const size_t change = diagonal + (wish[i] != name[j]);
        diagonal = row[j + 1];
        row[j + 1] = std::min({change, row[j] + 1, row[j + 1] + 1});
      }
    }
    if (row.back() <= best_distance && name != wish) {
      best_distance = row.back();
      best = name;
    }
  }
  return best;
}

std::string read_file(const fs::path& path, uint64_t limit) {
  if (path == "-") return read_stream(STDIN_FILENO, limit);
  const Descriptor fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (fd.get() < 0) {
    if (errno == ENOENT || errno == ENOTDIR) {
      Error error(ErrorKind::kInput, "E01", "no such file: " + base::quoted(path.string()));
      std::vector<std::string> names;
      std::error_code ignored;
      const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
      for (fs::directory_iterator it(folder, ignored), end; !ignored && it != end && names.size() < 1000;
           it.increment(ignored))
        names.push_back(it->path().filename().string());
      std::ranges::sort(names);
      const std::string close = nearest(path.filename().string(), names);
      if (!close.empty()) error.suggest("did you mean " + base::quoted(close) + " (same folder)?");
      throw error;
    }
    fail_input("E06", "{} cannot be opened: {}", base::quoted(path.string()), std::strerror(errno));
  }
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode))
    fail_input("E06", "{} is not a regular file", base::quoted(path.string()));
  const auto size = static_cast<uint64_t>(info.st_size);
  if (size > limit)
    fail(ErrorKind::kLimit, "E60", "{} has {} bytes, more than the limit of {}",
         base::quoted(path.string()), size, limit);
  return read_all(fd.get(), 0, size, path.string());
}

std::string read_inside(const fs::path& folder, const std::string& relative, uint64_t offset,
                        uint64_t length, bool to_end) {
  const fs::path inner(relative);
  const bool leaves = relative.empty() || relative.find('\0') != std::string::npos ||
                      relative.find('\\') != std::string::npos || inner.is_absolute() ||
                      std::ranges::any_of(inner, [](const fs::path& p) { return p == ".."; });
  if (leaves)
    throw Error(ErrorKind::kInput, "E05",
                "weights file " + base::quoted(relative) + " is not inside the model's folder",
                "keep the model and its weights in one folder");
  const Descriptor root(::open(folder.empty() ? "." : folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  open_how how{};
  how.flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  int opened = static_cast<int>(
      ::syscall(SYS_openat2, root.get(), relative.c_str(), &how, sizeof how));
  if (opened < 0 && errno == ENOSYS)
    opened = ::openat(root.get(), relative.c_str(), O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
  const Descriptor fd(opened);
  if (fd.get() < 0) {
    if (errno == ENOENT)
      throw Error(ErrorKind::kInput, "E04", "weights file " + base::quoted(relative) + " is missing",
                  "keep both files in one folder");
    fail_input("E05", "weights file {} cannot be opened: {}", base::quoted(relative), std::strerror(errno));
  }
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode) || info.st_nlink > 1)
    fail_input("E05", "weights file {} is not a regular file with one name", base::quoted(relative));
  const auto size = static_cast<uint64_t>(info.st_size);
  if (to_end) length = offset <= size ? size - offset : 0;
  if (!in_range(offset, length, size))
    fail_input("E03", "weights file {} is cut off: {} bytes at {} are needed, it has {}",
               base::quoted(relative), length, offset, size);
  return read_all(fd.get(), offset, length, relative);
}

void check_output(const fs::path& path, bool force) {
  if (path == "-") return;
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored))
    throw Error(ErrorKind::kOutput, "E41", "no such folder: " + base::quoted(folder.string()),
                "create it, or name another with -o");
  if (fs::is_directory(path, ignored))
    throw Error(ErrorKind::kOutput, "E41", base::quoted(path.string()) + " is a folder",
                "name a file with -o");
  if (!force && fs::exists(fs::symlink_status(path, ignored)))
    throw Error(ErrorKind::kOutput, "E40", base::quoted(path.string()) + " exists",
                "--force replaces it, -o names another");
}

namespace {

[[noreturn]] void fail_write(const fs::path& path) {
  fail(ErrorKind::kOutput, "E42", "{} cannot be written: {}", base::quoted(path.string()),
       std::strerror(errno));
}

void write_all(int fd, std::string_view bytes, const fs::path& path) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) fail_write(path);
    bytes.remove_prefix(static_cast<size_t>(n));
  }
}

struct Removal {
  fs::path path;
  bool armed = true;
  ~Removal() {
    if (armed) ::unlink(path.c_str());
  }
};

}  // namespace

void write_file(const fs::path& path, std::string_view bytes, bool force) {
  if (path == "-") return write_all(STDOUT_FILENO, bytes, path);
  check_output(path, force);
  static std::atomic<unsigned> counter{0};
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  Removal temporary;
  int opened = -1;
  for (int attempt = 0; attempt < 100 && opened < 0; ++attempt) {
    const unsigned mark = static_cast<unsigned>(::getpid()) * 7919u + counter.fetch_add(1);
    std::string name = path.filename().string();
    if (name.size() > 200) name.resize(200);
    temporary.path = folder / fmt::format(".{}.{:06x}.part", name, mark & 0xffffffu);
    opened = ::open(temporary.path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
    if (opened < 0 && errno != EEXIST) break;
  }
  if (opened < 0) {
    temporary.armed = false;
    fail_write(path);
  }
  Descriptor fd(opened);
  write_all(fd.get(), bytes, path);
  if (::fsync(fd.get()) != 0) fail_write(path);
  if (::close(fd.release()) != 0) fail_write(path);
  if (force) {
    if (::rename(temporary.path.c_str(), path.c_str()) != 0) fail_write(path);
  } else {
    // link() fails if somebody made the file meanwhile; rename() would replace it.
    if (::link(temporary.path.c_str(), path.c_str()) != 0) {
      if (errno == EEXIST) check_output(path, force);
      if (errno != EPERM && errno != ENOTSUP) fail_write(path);
      if (::rename(temporary.path.c_str(), path.c_str()) != 0) fail_write(path);
    } else {
      ::unlink(temporary.path.c_str());
    }
  }
  temporary.armed = false;
  const Descriptor root(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (root.get() >= 0) ::fsync(root.get());
}

}  // namespace tersor::base
