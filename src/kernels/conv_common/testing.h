// For tests of kernels that read rows where they lie.
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>
#include <vector>

namespace tersor::kernels::testing {

// A copy that ends where a page does behind which nothing can be read: whoever reads on, an
// instruction that no sanitizer knows as well, ends the test.
template <typename T>
class AtPageEnd {
 public:
  explicit AtPageEnd(const std::vector<T>& from) {
    constexpr size_t kPage = 4096;
    const size_t bytes = from.size() * sizeof(T), used = (bytes + kPage - 1) / kPage * kPage;
    mapped_ = used + kPage;
    base_ = ::mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT_NE(base_, MAP_FAILED);
    auto* end = static_cast<std::byte*>(base_) + used;
    EXPECT_EQ(::mprotect(end, kPage, PROT_NONE), 0);
    data_ = reinterpret_cast<T*>(end - bytes);
    if (bytes > 0) std::memcpy(data_, from.data(), bytes);
  }
  ~AtPageEnd() { ::munmap(base_, mapped_); }
  AtPageEnd(const AtPageEnd&) = delete;
  AtPageEnd& operator=(const AtPageEnd&) = delete;

  const T* data() const { return data_; }

 private:
  void* base_;
  size_t mapped_;
  T* data_;
};

}  // namespace tersor::kernels::testing
