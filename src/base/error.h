// Raising tersor::Error from inside the library, with formatted sentences and context frames.
#pragma once

#include <fmt/format.h>

#include <string_view>
#include <utility>

#include "tersor/error.h"

namespace tersor::base {

// Text from files, made safe to print: C0/C1 controls, ESC and bidi marks become \xNN, cut at 256
// characters.
std::string printable(std::string_view text);
// printable() in single quotes.
std::string quoted(std::string_view text);

template <typename... A>
[[noreturn]] void fail(ErrorKind kind, const char* code, fmt::format_string<A...> f, A&&... a) {
  throw Error(kind, code, fmt::format(f, std::forward<A>(a)...));
}
template <typename... A>
[[noreturn]] void fail_input(const char* code, fmt::format_string<A...> f, A&&... a) {
  throw Error(ErrorKind::kInput, code, fmt::format(f, std::forward<A>(a)...));
}
template <typename... A>
[[noreturn]] void fail_unsupported(fmt::format_string<A...> f, A&&... a) {
  throw Error(ErrorKind::kUnsupported, "E11", fmt::format(f, std::forward<A>(a)...));
}

// Runs `body` and adds `frame()` to an Error that leaves it.
template <typename Body, typename Frame>
decltype(auto) with_frame(Body&& body, Frame&& frame) {
  try {
    return body();
  } catch (Error& error) {
    error.add_frame(frame());
    throw;
  }
}

}  // namespace tersor::base
