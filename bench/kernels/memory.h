// Arrays that begin at a line of the cache, as the engine's do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <vector>

namespace tersor::bench_kernels {

template <typename T>
struct LineAllocator {
  using value_type = T;
  static constexpr std::align_val_t kLine{64};

  LineAllocator() = default;
  template <typename U>
  LineAllocator(const LineAllocator<U>&) {}
  T* allocate(size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), kLine)); }
  void deallocate(T* p, size_t) { ::operator delete(p, kLine); }
  bool operator==(const LineAllocator&) const { return true; }
};
template <typename T>
using Lines = std::vector<T, LineAllocator<T>>;

// Bytes, zeros at first.
class Memory {
 public:
  explicit Memory(int64_t bytes) : storage_(static_cast<size_t>(bytes)) {}
  std::byte* data() { return storage_.data(); }
  template <typename T>
  T* as() {
    return reinterpret_cast<T*>(data());
  }

 private:
  Lines<std::byte> storage_;
};

}  // namespace tersor::bench_kernels
