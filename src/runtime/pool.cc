#include "runtime/pool.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace tersor::runtime {

struct ThreadPool::State {
  std::vector<std::thread> workers;
  std::mutex mutex;
  std::condition_variable wake;
  std::atomic<uint64_t> generation{0};
  std::atomic<int> pending{0};
  std::atomic<int64_t> next{0};
  std::atomic<bool> stop{false};
  std::atomic<bool> busy{false};
  int sleeping = 0;  // guarded by mutex
  int64_t count = 0, chunk = 1;
  const Body* body = nullptr;

  void work(int worker) {
    for (;;) {
      const int64_t begin = next.fetch_add(chunk, std::memory_order_relaxed);
      if (begin >= count) return;
      (*body)(begin, std::min(begin + chunk, count), worker);
    }
  }

  void loop(int worker) {
    uint64_t seen = 0;
    for (;;) {
      // Spin for some microseconds: the next step of a run follows at once; then park.
      for (int spins = 0; spins < 4000 && generation.load(std::memory_order_acquire) == seen;
           ++spins)
        __builtin_ia32_pause();
      if (generation.load(std::memory_order_acquire) == seen) {
        std::unique_lock lock(mutex);
        ++sleeping;
        wake.wait(lock, [&] { return generation.load(std::memory_order_acquire) != seen; });
        --sleeping;
      }
      seen = generation.load(std::memory_order_acquire);
      if (stop) return;
      work(worker);
      pending.fetch_sub(1, std::memory_order_release);
    }
  }

  void publish() {
    bool anyone = false;
    {
      const std::lock_guard lock(mutex);
      generation.fetch_add(1, std::memory_order_release);
      anyone = sleeping > 0;
    }
    if (anyone) wake.notify_all();
  }
};

ThreadPool::ThreadPool(int threads) : state_(std::make_unique<State>()) {
  if (threads <= 0) threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  for (int i = 1; i < threads; ++i)
    state_->workers.emplace_back([state = state_.get(), i] { state->loop(i); });
}

ThreadPool::~ThreadPool() {
  state_->stop = true;
  state_->publish();
  for (std::thread& t : state_->workers) t.join();
}

int ThreadPool::size() const noexcept { return static_cast<int>(state_->workers.size()) + 1; }

void ThreadPool::parallel_for(int64_t count, int64_t grain, const Body& body) noexcept {
  if (count <= 0) return;
  grain = std::max<int64_t>(grain, 1);
  State& s = *state_;
  if (s.workers.empty() || count <= grain || s.busy.exchange(true, std::memory_order_acquire)) {
    body(0, count, 0);
    return;
  }
  // A few chunks per thread even out unequal cores.
  const int64_t even = (count + 4 * size() - 1) / (4 * size());
  s.count = count;
  s.chunk = std::max(grain, even);
  s.body = &body;
  s.next.store(0, std::memory_order_relaxed);
  s.pending.store(size() - 1, std::memory_order_relaxed);
  s.publish();
  s.work(0);
  while (s.pending.load(std::memory_order_acquire) != 0) __builtin_ia32_pause();
  s.busy.store(false, std::memory_order_release);
}

}  // namespace tersor::runtime
