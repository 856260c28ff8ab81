#include "runtime/arena.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>

#include "base/error.h"

namespace tersor::runtime {

struct Arena::State {
  std::mutex mutex;
  std::multimap<size_t, std::shared_ptr<Buffer>> kept;  // block size -> block
  size_t in_use = 0, held = 0, peak = 0, budget = SIZE_MAX;

  void drop_kept() {
    for (const auto& [size, block] : kept) held -= size;
    kept.clear();
  }
};

Arena::Arena(size_t budget) : state_(std::make_shared<State>()) { state_->budget = budget; }
Arena::~Arena() = default;

Tensor Arena::make(DType dtype, Dims dims) {
  const size_t bytes = tensor::byte_size(dtype, base::element_count(dims));
  // Rounded up so that blocks of nearly equal tensors serve each other; kernels may read nothing
  // past the tensor itself.
  const size_t rounded = base::align_up(std::max<size_t>(bytes, 1), 4096);
  std::shared_ptr<Buffer> block;
  size_t block_size = rounded;
  {
    const std::lock_guard lock(state_->mutex);
    const auto it = state_->kept.lower_bound(rounded);
    // A block of more than twice the need is left for a larger tensor.
    if (it != state_->kept.end() && it->first / 2 <= rounded) {
      block_size = it->first;
      block = std::move(it->second);
      state_->kept.erase(it);
    } else if (state_->held + rounded > state_->budget) {
      state_->drop_kept();
      if (rounded > state_->budget || state_->held > state_->budget - rounded)
        base::fail(ErrorKind::kLimit, "E62",
                   "a tensor of {} bytes goes over the memory limit of {} bytes", bytes,
                   state_->budget);
    }
    if (!block) state_->held += rounded;
    state_->in_use += block_size;
    state_->peak = std::max(state_->peak, state_->in_use);
  }
  if (!block) block = Buffer::allocate(rounded);
  std::byte* data = block->data();
  auto release = [state = state_, block_size, block = std::move(block)](std::byte*, size_t) {
    const std::lock_guard lock(state->mutex);
    state->in_use -= block_size;
    state->kept.emplace(block_size, block);
  };
  auto buffer = std::make_shared<Buffer>(data, block_size, std::move(release));
  return Tensor(dtype, std::move(dims), std::move(buffer));
}

size_t Arena::bytes_in_use() const noexcept {
  const std::lock_guard lock(state_->mutex);
  return state_->in_use;
}
size_t Arena::bytes_held() const noexcept {
  const std::lock_guard lock(state_->mutex);
  return state_->held;
}
size_t Arena::peak() const noexcept {
  const std::lock_guard lock(state_->mutex);
  return state_->peak;
}
void Arena::trim() noexcept {
  const std::lock_guard lock(state_->mutex);
  state_->drop_kept();
}

}  // namespace tersor::runtime
