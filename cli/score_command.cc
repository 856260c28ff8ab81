#include "score_command.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "render.h"
#include "verb.h"

extern char** environ;

namespace tersor::cli {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr const char* kModel = "{model}";
constexpr size_t kKept = 4096;  // bytes of what a command printed last

[[noreturn]] void fail(const std::vector<std::string>& words, const std::string& what) {
  throw Error(ErrorKind::kInput, "E52",
              fmt::format("the command of --metric-command, '{}', {}", printable(words[0]), what),
              "it is to print one number for the model file whose path it gets, and exit with 0");
}

class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "tersor-XXXXXX").string();
    if (!mkdtemp(name.data()))
      throw Error(
          ErrorKind::kOutput, "E42",
          fmt::format("cannot make the folder '{}': {}", printable(name), std::strerror(errno)),
          "$TMPDIR names another place for temporary files");
    path_ = name;
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

// A program that runs, and the end of what it has printed so far. Ends with this object.
class Process {
 public:
  explicit Process(const std::vector<std::string>& words) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) fail(words, "cannot be run: " + error_text(errno));
    output_ = ends[0];
    fcntl(output_, F_SETFL, O_NONBLOCK);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, ends[1], STDOUT_FILENO);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    std::vector<char*> argv;
    for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    const int error = posix_spawnp(&id_, argv[0], &files, &attributes, argv.data(), environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    close(ends[1]);
    if (error == 0) return;
    close(output_);
    fail(words, "cannot be run: " + error_text(error));
  }
  ~Process() {
    if (!ended_) {
      kill(-id_, SIGKILL);
      waitpid(id_, &status_, 0);
    }
    close(output_);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // Waits a moment; true once the program has ended.
  bool ends() {
    constexpr int kMilliseconds = 50;
    pollfd wanted{output_, POLLIN, 0};
    // Closed, but running: not to be asked in a loop.
    if (closed_)
      poll(nullptr, 0, kMilliseconds);
    else
      poll(&wanted, 1, kMilliseconds);
    ended_ = waitpid(id_, &status_, WNOHANG) == id_;
    read_what_is_there();
    return ended_;
  }
  int status() const { return status_; }
  const std::string& printed() const { return printed_; }

 private:
  static std::string error_text(int error) { return std::strerror(error); }
  void read_what_is_there() {
    char piece[4096];
    for (ssize_t n; !closed_ && (n = read(output_, piece, sizeof piece)) >= 0;) {
      closed_ = n == 0;
      printed_.append(piece, static_cast<size_t>(n));
      if (printed_.size() > kKept) printed_.erase(0, printed_.size() - kKept);
    }
  }

  pid_t id_ = 0;
  int output_ = -1, status_ = 0;
  bool ended_ = false, closed_ = false;
  std::string printed_;
};

std::string last_line(const std::string& text) {
  constexpr const char* kBlank = " \t\r\n";
  const size_t end = text.find_last_not_of(kBlank);
  if (end == std::string::npos) return {};
  const size_t before = text.find_last_of('\n', end);
  const size_t begin = text.find_first_not_of(kBlank, before == std::string::npos ? 0 : before + 1);
  return text.substr(begin, end + 1 - begin);
}

double number_of(const std::vector<std::string>& words, const std::string& printed) {
  const std::string line = last_line(printed);
  if (line.empty()) fail(words, "printed no number");
  const char *begin = line.data() + (line[0] == '+'), *end = line.data() + line.size();
  double value = 0;
  const auto [read, error] = std::from_chars(begin, end, value);
  if (error != std::errc() || read != end || !std::isfinite(value))
    fail(words, fmt::format("printed '{}' last, which is no finite number", printable(line)));
  return value;
}

std::optional<double> run(const std::vector<std::string>& words, double seconds,
                          const std::function<bool()>& go_on) {
  Process process(words);
  for (const auto start = Clock::now(); !process.ends();) {
    if (!go_on()) return {};
    if (std::chrono::duration<double>(Clock::now() - start).count() > seconds)
      fail(words, fmt::format("took longer than {:g} s (--metric-time)", seconds));
  }
  const int status = process.status();
  if (WIFSIGNALED(status)) fail(words, fmt::format("was ended by signal {}", WTERMSIG(status)));
  if (WEXITSTATUS(status) != 0)
    fail(words, fmt::format("failed with exit code {}", WEXITSTATUS(status)));
  return number_of(words, process.printed());
}

std::string with_path(std::string word, const std::string& path) {
  for (size_t at = 0; (at = word.find(kModel, at)) != std::string::npos; at += path.size())
    word.replace(at, std::strlen(kModel), path);
  return word;
}

}  // namespace

std::vector<std::string> split_words(const std::string& command) {
  std::vector<std::string> words;
  bool open = false;  // a word
  char quote = 0;
  for (size_t i = 0; i < command.size(); ++i) {
    const char c = command[i];
    const bool blank = c == ' ' || c == '\t' || c == '\n';
    if (!quote && blank) {
      open = false;
      continue;
    }
    if (!open) words.emplace_back();
    open = true;
    const bool escapes = quote != '\'' && c == '\\' && i + 1 < command.size() &&
                         (!quote || command[i + 1] == '"' || command[i + 1] == '\\');
    if (escapes)
      words.back() += command[++i];
    else if (quote ? c == quote : c == '\'' || c == '"')
      quote = quote ? 0 : c;
    else
      words.back() += c;
  }
  if (quote)
    fail_usage(fmt::format("a quote is open in the command '{}'", printable(command)),
               "for example --metric-command 'python3 \"my score.py\" {model}'");
  return words;
}

Score score_by(const std::string& command, double seconds) {
  const std::vector<std::string> words = split_words(command);
  if (words.empty() || command.find(kModel) == std::string::npos)
    fail_usage(fmt::format("the command '{}' does not say where the model's path goes",
                           printable(command)),
               "write {model} there: --metric-command 'python3 score.py {model}'");
  return [words, seconds](const Model& model, const std::function<bool()>& go_on) {
    const Folder folder;
    const fs::path path = folder.path() / "model.onnx";
    model.save(path);
    std::vector<std::string> filled;
    for (const std::string& word : words) filled.push_back(with_path(word, path.string()));
    return run(filled, seconds, go_on);
  };
}

}  // namespace tersor::cli
