// Questions about symbolic shapes.
#pragma once

#include <algorithm>
#include <optional>
#include <string>

#include "ir/model.h"

namespace tersor::passes {

// A known element of Type::contents: a dimension, or a negative number, which is written as a
// symbol too.
inline std::optional<int64_t> number(const ir::Dim& d) {
  if (d.known()) return d.value;
  if (!d.symbol.empty() && d.symbol == std::to_string(d.value)) return d.value;
  return {};
}

// Equal for sure: both known, of one rank, every dimension the same number or symbol.
inline bool same_shape(const ir::Type& a, const ir::Type& b) {
  return a.shape && b.shape && std::ranges::equal(*a.shape, *b.shape);
}

inline bool same_elem(const ir::Type& a, const ir::Type& b) {
  return a.elem != DType::kUndefined && a.elem == b.elem;
}

}  // namespace tersor::passes
