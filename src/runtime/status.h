// The result of a step: nothing, or what went wrong. Steps never throw.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "base/error.h"

namespace tersor::runtime {

struct [[nodiscard]] Status {
  std::optional<Error> error;
  bool ok() const noexcept { return !error; }
  static Status failure(ErrorKind kind, const char* code, std::string sentence) {
    return {Error(kind, code, std::move(sentence))};
  }
};

}  // namespace tersor::runtime
