// The one exception type of tersor: a sentence, where it happened, and what to do.
#pragma once

#include <exception>
#include <string>
#include <vector>

namespace tersor {

// The classes of failure. The numbers are the process exit codes of the command line.
enum class ErrorKind {
  kUsage = 2,        // a wrong option or combination of options
  kInput = 3,        // a model, data or label file is missing, unreadable or malformed
  kOutput = 4,       // cannot write: exists, no space, no permission
  kUnsupported = 5,  // valid input that holds something tersor cannot do
  kLimit = 6,        // over a named limit
  kInternal = 70,    // a bug in tersor
  kInterrupted = 130,
};

class Error : public std::exception {
 public:
  // code: short stable id such as "E03"; sentence: what is wrong, lower case, with name and value;
  // help: the one thing to do (may be empty).
  Error(ErrorKind kind, std::string code, std::string sentence, std::string help = {});

  ErrorKind kind() const noexcept { return kind_; }
  const std::string& code() const noexcept { return code_; }
  const std::string& sentence() const noexcept { return sentence_; }
  const std::string& help() const noexcept { return help_; }
  // Context, innermost first: "node 'conv1' (Conv)", "file 'm.onnx'".
  const std::vector<std::string>& frames() const noexcept { return frames_; }
  Error& add_frame(std::string frame);
  // Sets the help only where there is none yet.
  Error& suggest(std::string help);

  // "error[E03]: sentence\n  at: frame, frame\n  help: ..." without a trailing newline.
  std::string describe() const;
  const char* what() const noexcept override { return sentence_.c_str(); }

 private:
  ErrorKind kind_;
  std::string code_, sentence_, help_;
  std::vector<std::string> frames_;
};

}  // namespace tersor
