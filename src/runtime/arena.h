// Memory for activations of one run: a freed tensor's block serves the next one that fits, so that
// after the first run of a shape nothing is allocated any more.
#pragma once

#include <cstddef>
#include <memory>

#include "tensor/tensor.h"

namespace tersor::runtime {

class Arena {
 public:
  // budget: most bytes in use at a time; exceeding it throws a kLimit Error (E62) that names it.
  explicit Arena(size_t budget = SIZE_MAX);
  ~Arena();
  // A tensor of uninitialised bytes whose block returns here when its last handle goes. The arena's
  // memory outlives the arena object as long as tensors hold it.
  Tensor make(DType dtype, Dims dims);
  size_t bytes_in_use() const noexcept;
  size_t bytes_held() const noexcept;  // in use and kept for reuse
  size_t peak() const noexcept;        // largest bytes_in_use so far
  void trim() noexcept;                // gives kept blocks back to the system

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace tersor::runtime
