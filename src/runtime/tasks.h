// Tasks of unequal size, which may throw, on the threads of a pool.
#pragma once

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>

#include "runtime/pool.h"

namespace tersor::runtime {

// task(i, thread) for every i in [0, count), by whoever is free, in ascending order; thread is in
// [0, pool.size()). Once one has thrown no other begins. Throws what the first of those that threw
// did: tasks before it have all run.
template <typename Task>
void run_tasks(ThreadPool& pool, int64_t count, const Task& task) {
  std::atomic<int64_t> next = 0, failed = count;
  std::mutex mutex;
  std::exception_ptr error;
  pool.parallel_for(std::min<int64_t>(count, pool.size()), 1, [&](int64_t, int64_t, int thread) {
    for (int64_t i; (i = next.fetch_add(1)) < failed;) try {
        task(i, thread);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (i >= failed) continue;
        failed = i;
        error = std::current_exception();
      }
  });
  if (error) std::rethrow_exception(error);
}

}  // namespace tersor::runtime
