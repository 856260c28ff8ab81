// Fork-join over a fixed set of threads: the caller is one of them. Low latency (workers spin
// briefly, then park), settable size, no global state, no OpenMP in the host's process.
// Each begins with the same share of every call and helps others when it has done that.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace tersor::runtime {

class ThreadPool {
 public:
  explicit ThreadPool(int threads);  // >= 1, the caller included; 0: one per available core
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  int size() const noexcept;

  using Body = std::function<void(int64_t begin, int64_t end, int worker)>;
  // Runs body over [0, count) split in chunks of about `grain`; worker is in [0, size()). Returns
  // when all is done. The body must not throw. Runs inline when one chunk suffices, or when called
  // from inside a body or while another thread uses the pool.
  void parallel_for(int64_t count, int64_t grain, const Body& body) noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tersor::runtime
