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
  // The number of the call, and below it how many chunks of it nobody has taken. Who takes one has
  // the call's numbers before him until it is done: only then can the next call begin.
  std::atomic<uint64_t> open{0};
  std::atomic<int64_t> done{0};  // chunks
  std::atomic<bool> stop{false};
  std::atomic<bool> busy{false};
  int sleeping = 0;  // guarded by mutex
  int64_t count = 0, chunk = 1, chunks = 0;
  const Body* body = nullptr;

  static constexpr uint64_t kLeft = 0xffffffffu;

  bool anything() const noexcept { return (open.load(std::memory_order_acquire) & kLeft) != 0; }

  // Until no chunk is left. A worker that comes late finds none, and nobody waits for it.
  void work(int worker) {
    for (;;) {
      uint64_t before = open.load(std::memory_order_acquire);
      do {
        if ((before & kLeft) == 0) return;
      } while (!open.compare_exchange_weak(before, before - 1, std::memory_order_acq_rel));
      const int64_t begin = (chunks - static_cast<int64_t>(before & kLeft)) * chunk;
      (*body)(begin, std::min(begin + chunk, count), worker);
      done.fetch_add(1, std::memory_order_release);
    }
  }

  void loop(int worker) {
    for (;;) {
      // Spin for some microseconds: the next step of a run follows at once; then park.
      for (int spins = 0; spins < 4000 && !anything() && !stop; ++spins) __builtin_ia32_pause();
      if (!anything() && !stop) {
        std::unique_lock lock(mutex);
        ++sleeping;
        wake.wait(lock, [&] { return anything() || stop; });
        --sleeping;
      }
      if (stop) return;
      work(worker);
    }
  }

  void call_workers() {
    bool anyone = false;
    {
      const std::lock_guard lock(mutex);
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
  state_->call_workers();
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
  s.chunks = (count + s.chunk - 1) / s.chunk;
  s.body = &body;
  s.done.store(0, std::memory_order_relaxed);
  const uint64_t call = (s.open.load(std::memory_order_relaxed) >> 32) + 1;
  s.open.store(call << 32 | static_cast<uint64_t>(s.chunks), std::memory_order_release);
  s.call_workers();
  s.work(0);
  while (s.done.load(std::memory_order_acquire) != s.chunks) __builtin_ia32_pause();
  s.busy.store(false, std::memory_order_release);
}

}  // namespace tersor::runtime
