#include "base/file.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
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
    const ssize_t n =
        ::pread(fd, bytes.data() + done, length - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_input("E06", "{} cannot be read: {}", base::quoted(name), std::strerror(errno));
    if (n == 0) fail_input("E03", "{} became shorter while it was read", base::quoted(name));
    done += static_cast<uint64_t>(n);
  }
  return bytes;
}

int64_t nanoseconds(const timespec& t) {
  return static_cast<int64_t>(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
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

void fail_cut_off(const std::string& name, uint64_t needed, uint64_t there) {
  throw Error(ErrorKind::kInput, "E03",
              fmt::format("{} is cut off: {} bytes are needed, it has {}", base::quoted(name),
                          needed, there),
              "download or copy it again");
}

InputFile::InputFile(const fs::path& path) : name_(path.string()) {
  fd_ = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd_ < 0) {
    if (errno == ENOENT || errno == ENOTDIR) {
      Error error(ErrorKind::kInput, "E01", "no such file: " + base::quoted(path.string()));
      std::vector<std::string> names;
      std::error_code ignored;
      const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
      for (fs::directory_iterator it(folder, ignored), end;
           !ignored && it != end && names.size() < 1000; it.increment(ignored))
        names.push_back(it->path().filename().string());
      std::ranges::sort(names);
      const std::string close = nearest(path.filename().string(), names);
      if (!close.empty()) error.suggest("did you mean " + base::quoted(close) + " (same folder)?");
      throw error;
    }
    fail_input("E06", "{} cannot be opened: {}", base::quoted(name_), std::strerror(errno));
  }
  struct stat info {};
  if (::fstat(fd_, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(fd_);
    fail_input("E06", "{} is not a regular file", base::quoted(name_));
  }
  size_ = static_cast<uint64_t>(info.st_size);
  changed_ = nanoseconds(info.st_mtim);
}

InputFile::~InputFile() { ::close(fd_); }

void InputFile::read(uint64_t offset, void* into, size_t length) const {
  if (!base::in_range(offset, length, size_))
    fail_cut_off(name_, base::checked_add<uint64_t>(offset, length), size_);
  auto* to = static_cast<char*>(into);
  while (length > 0) {
    const ssize_t n =
        ::pread(fd_, to, std::min(length, size_t{1} << 30), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0)
      fail_input("E06", "{} cannot be read: {}", base::quoted(name_), std::strerror(errno));
    if (n == 0) fail_cut_off(name_, offset + length, offset);
    to += n;
    offset += static_cast<uint64_t>(n);
    length -= static_cast<size_t>(n);
  }
}

void InputFile::check_unchanged() const {
  struct stat info {};
  if (::fstat(fd_, &info) != 0 || static_cast<uint64_t>(info.st_size) != size_ ||
      nanoseconds(info.st_mtim) != changed_)
    fail_input("E06", "{} was changed while it was in use", base::quoted(name_));
}

std::string read_file(const fs::path& path, uint64_t limit) {
  if (path == "-") return read_stream(STDIN_FILENO, limit);
  const InputFile file(path);
  if (file.size() > limit)
    fail(ErrorKind::kLimit, "E60", "{} has {} bytes, more than the limit of {}",
         base::quoted(path.string()), file.size(), limit);
  std::string bytes(file.size(), '\0');
  file.read(0, bytes.data(), bytes.size());
  return bytes;
}

namespace {

// Opens `inner` below `root`, one folder at a time, passing no symbolic link: for kernels without
// openat2.
int open_stepwise(int root, const fs::path& inner) {
  int at = ::dup(root);
  for (auto it = inner.begin(); at >= 0 && it != inner.end();) {
    const fs::path part = *it++;
    if (part.empty() || part == ".") continue;
    const int flags = it == inner.end() ? O_RDONLY | O_NONBLOCK : O_PATH | O_DIRECTORY;
    const int next = ::openat(at, part.c_str(), flags | O_NOFOLLOW | O_CLOEXEC);
    const int error = errno;
    ::close(at);
    errno = error;
    at = next;
  }
  return at;
}

int open_inside(const fs::path& folder, const std::string& relative) {
  const Descriptor root(
      ::open(folder.empty() ? "." : folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (root.get() < 0) return -1;
  open_how how{};
  how.flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  const long opened = ::syscall(SYS_openat2, root.get(), relative.c_str(), &how, sizeof how);
  // Old kernels lack the call; old sandboxes refuse what they do not know with EPERM.
  if (opened < 0 && (errno == ENOSYS || errno == EPERM)) return open_stepwise(root.get(), relative);
  return static_cast<int>(opened);
}

}  // namespace

FileBytes read_inside(const fs::path& folder, const std::string& relative, uint64_t offset,
                      uint64_t length, const std::string& user) {
  const std::string what = "weights file " + base::quoted(relative) +
                           (user.empty() ? "" : " named by " + base::quoted(user));
  const fs::path inner(relative);
  const bool leaves = relative.empty() || relative.size() > 4096 ||
                      relative.find('\0') != std::string::npos ||
                      relative.find('\\') != std::string::npos || relative.starts_with("*/_ORT") ||
                      inner.is_absolute() ||
                      std::ranges::any_of(inner, [](const fs::path& p) { return p == ".."; });
  if (leaves)
    throw Error(ErrorKind::kInput, "E05", what + " is not a path inside the model's folder",
                "keep the model and its weights in one folder");
  const Descriptor fd(open_inside(folder, relative));
  if (fd.get() < 0) {
    if (errno == ENOENT || errno == ENOTDIR)
      throw Error(ErrorKind::kInput, "E04", what + " is missing", "keep both files in one folder");
    if (errno == ELOOP || errno == EXDEV)
      throw Error(ErrorKind::kInput, "E05", what + " is a symbolic link or leads through one",
                  "keep the file itself in the model's folder");
    fail_input("E06", "{} cannot be opened: {}", what, std::strerror(errno));
  }
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode) || info.st_nlink > 1)
    throw Error(ErrorKind::kInput, "E05", what + " is not a regular file with one name",
                "keep the file itself in the model's folder");
  const auto size = static_cast<uint64_t>(info.st_size);
  if (length == kToEnd) length = offset <= size ? size - offset : 0;
  if (!in_range(offset, length, size))
    throw Error(ErrorKind::kInput, "E03",
                fmt::format("{} is cut off: {} bytes at {} are needed, it has {}", what, length,
                            offset, size),
                "download or copy it again");
  constexpr uint64_t kMapFrom = uint64_t{1} << 20;
  if (length >= kMapFrom && offset % 8 == 0) {
    const uint64_t page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
    const uint64_t before = offset % page;
    const size_t mapped = length + before;
    void* p = ::mmap(nullptr, mapped, PROT_READ, MAP_PRIVATE, fd.get(),
                     static_cast<off_t>(offset - before));
    if (p != MAP_FAILED)
      return {static_cast<const std::byte*>(p) + before, length,
              std::shared_ptr<const void>(
                  p, [mapped](const void* q) { ::munmap(const_cast<void*>(q), mapped); })};
  }
  auto held = std::make_shared<const std::string>(read_all(fd.get(), offset, length, relative));
  return {reinterpret_cast<const std::byte*>(held->data()), held->size(), held};
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
  if (path.filename().empty())
    throw Error(ErrorKind::kOutput, "E41", base::quoted(path.string()) + " is no name for a file",
                "name a file with -o");
  if (!force && fs::exists(fs::symlink_status(path, ignored)))
    throw Error(ErrorKind::kOutput, "E40", base::quoted(path.string()) + " exists",
                "--force replaces it, -o names another");
}

namespace {

[[noreturn]] void fail_write(const fs::path& path) {
  const int error = errno;
  throw Error(ErrorKind::kOutput, "E42",
              base::quoted(path.string()) + " cannot be written: " + std::strerror(error),
              error == ENOSPC || error == EDQUOT ? "free some space, or name another place with -o"
                                                 : "name another place with -o");
}

void write_all(int fd, std::string_view bytes, const fs::path& path) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), std::min(bytes.size(), size_t{1} << 30));
    if (n < 0 && errno == EINTR) continue;
    if (n == 0) errno = EIO;
    if (n <= 0) fail_write(path);
    bytes.remove_prefix(static_cast<size_t>(n));
  }
}

fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

}  // namespace

OutputFile::OutputFile(const fs::path& target) : target_(target) {
  static std::atomic<uint64_t> counter{0};
  std::string name = target.filename().string();
  if (name.size() > 200) name.resize(200);
  for (int attempt = 0; attempt < 1000 && fd_ < 0; ++attempt) {
    // Unique names come from O_EXCL; the mark only makes the first attempt likely to succeed.
    uint64_t mark = (static_cast<uint64_t>(::getpid()) << 20) + counter.fetch_add(1);
    mark = (mark * 0x9e3779b97f4a7c15u) >> 40;
    temporary_ = folder_of(target) / fmt::format(".{}.{:06x}.part", name, mark);
    fd_ = ::open(temporary_.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd_ < 0 && errno != EEXIST) break;
  }
  if (fd_ < 0) {
    temporary_.clear();
    if (errno == ENOENT || errno == ENOTDIR) check_output(target, true);
    fail_write(target);
  }
}

OutputFile::~OutputFile() {
  if (fd_ >= 0) ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void OutputFile::write(std::string_view bytes) {
  write_all(fd_, bytes, target_);
  size_ += bytes.size();
}

void OutputFile::finish() {
  if (fd_ < 0) return;
  if (::fsync(fd_) != 0) fail_write(target_);
  if (::close(std::exchange(fd_, -1)) != 0) fail_write(target_);
}

void OutputFile::publish(const fs::path& target, bool replace) {
  finish();
  if (replace) {
    if (::rename(temporary_.c_str(), target.c_str()) != 0) fail_write(target);
  } else if (::renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, target.c_str(),
                         RENAME_NOREPLACE) != 0) {
    if (errno == EEXIST) check_output(target, false);
    if (errno != EINVAL && errno != ENOSYS) fail_write(target);
    // A file system without that flag: link() refuses a taken name too.
    if (::link(temporary_.c_str(), target.c_str()) != 0) {
      if (errno == EEXIST) check_output(target, false);
      fail_write(target);
    }
    ::unlink(temporary_.c_str());
  }
  temporary_.clear();
  const Descriptor folder(::open(folder_of(target).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() >= 0 && ::fsync(folder.get()) != 0 && errno != EINVAL) fail_write(target);
}

void write_file(const fs::path& path, std::string_view bytes, bool force) {
  if (path == "-") return write_all(STDOUT_FILENO, bytes, path);
  check_output(path, force);
  OutputFile file(path);
  file.write(bytes);
  file.publish(path, force);
}

}  // namespace tersor::base
