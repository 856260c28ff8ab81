#include "runtime/pool.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace tersor::runtime {

namespace {

// The chunks of a call that a thread is to do, a range of those that nobody has taken: the thread
// takes them from the front, another one that has none left from the back. With the number of the
// call, so that who comes late takes none of the next by mistake.
struct alignas(64) Share {
  std::atomic<uint64_t> open{0};

  static constexpr int kBits = 16;  // of an end of the range
  static constexpr uint64_t kMask = (1 << kBits) - 1;

  void give(uint64_t call, int64_t begin, int64_t end) noexcept {
    open.store(
        call << 2 * kBits | static_cast<uint64_t>(begin) << kBits | static_cast<uint64_t>(end),
        std::memory_order_release);
  }
  // The chunk, or -1.
  int64_t take(bool front) noexcept {
    uint64_t before = open.load(std::memory_order_acquire);
    for (;;) {
      const uint64_t begin = before >> kBits & kMask, end = before & kMask;
      if (begin >= end) return -1;
      const uint64_t after = front ? before + (uint64_t{1} << kBits) : before - 1;
      if (open.compare_exchange_weak(before, after, std::memory_order_acq_rel))
        return static_cast<int64_t>(front ? begin : end - 1);
    }
  }
};

}  // namespace

struct ThreadPool::State {
  explicit State(int threads) : shares(static_cast<size_t>(threads)) {}

  std::vector<std::thread> workers;
  std::mutex mutex;
  std::condition_variable wake;
  // Who takes a chunk has the call's numbers before him until it is done: only then can the next
  // call begin.
  std::vector<Share> shares;
  alignas(64) std::atomic<uint64_t> calls{0};
  std::atomic<bool> stop{false};
  alignas(64) std::atomic<int64_t> done{0};  // chunks
  std::atomic<bool> busy{false};
  int sleeping = 0;  // guarded by mutex
  int64_t count = 0, chunk = 1;
  const Body* body = nullptr;

  // Until no chunk is left. A worker that comes late finds none, and nobody waits for it.
  void work(int worker) {
    const auto own = static_cast<size_t>(worker);
    for (size_t i = 0; i < shares.size(); ++i) {
      Share& share = shares[(own + i) % shares.size()];
      int64_t some = 0;
      for (int64_t taken = 0; (taken = share.take(i == 0)) >= 0; ++some) {
        const int64_t begin = taken * chunk;
        (*body)(begin, std::min(begin + chunk, count), worker);
      }
      if (some > 0) done.fetch_add(some, std::memory_order_release);
    }
  }

  void loop(int worker) {
    uint64_t seen = 0;
    const auto called = [&] { return calls.load(std::memory_order_acquire) != seen; };
    for (;;) {
      // Spin for some microseconds: the next step of a run follows at once; then park.
      for (int spins = 0; spins < 4000 && !called() && !stop; ++spins) __builtin_ia32_pause();
      if (!called() && !stop) {
        std::unique_lock lock(mutex);
        ++sleeping;
        wake.wait(lock, [&] { return called() || stop; });
        --sleeping;
      }
      if (stop) return;
      seen = calls.load(std::memory_order_acquire);
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

ThreadPool::ThreadPool(int threads) {
  if (threads <= 0) threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  state_ = std::make_unique<State>(threads);
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
  // A few chunks per thread even out unequal cores. Each begins with those of its own: what a
  // thread has written it mostly reads in the next call.
  const int64_t threads = size(), most = std::min<int64_t>(4 * threads, Share::kMask);
  s.count = count;
  s.chunk = std::max(grain, (count + most - 1) / most);
  s.body = &body;
  s.done.store(0, std::memory_order_relaxed);
  const int64_t chunks = (count + s.chunk - 1) / s.chunk;
  const uint64_t call = s.calls.load(std::memory_order_relaxed) + 1;
  for (int64_t i = 0; i < threads; ++i)
    s.shares[static_cast<size_t>(i)].give(call, chunks * i / threads, chunks * (i + 1) / threads);
  s.calls.store(call, std::memory_order_release);
  s.call_workers();
  s.work(0);
  while (s.done.load(std::memory_order_acquire) != chunks) __builtin_ia32_pause();
  s.busy.store(false, std::memory_order_release);
}

}  // namespace tersor::runtime
