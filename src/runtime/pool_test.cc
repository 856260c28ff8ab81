#include "runtime/pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "runtime/tasks.h"

namespace tersor::runtime {
namespace {

TEST(ThreadPool, RunsEveryIndexOnceWhateverTheGrain) {
  for (int threads : {1, 2, 4, 9}) {
    ThreadPool pool(threads);
    ASSERT_EQ(pool.size(), threads);
    for (int round = 0; round < 300; ++round)
      for (int64_t count : {0, 1, 7, 64, 1000}) {
        std::vector<std::atomic<int>> seen(static_cast<size_t>(count));
        pool.parallel_for(count, round % 9, [&](int64_t begin, int64_t end, int worker) {
          ASSERT_GE(worker, 0);
          ASSERT_LT(worker, threads);
          for (int64_t i = begin; i < end; ++i) ++seen[static_cast<size_t>(i)];
        });
        for (const auto& n : seen) ASSERT_EQ(n, 1);
      }
  }
}

TEST(ThreadPool, WorkersOfOneCallHaveDifferentNumbers) {
  ThreadPool pool(4);
  std::vector<std::atomic<int>> inside(4);
  std::atomic<bool> twice{false};
  for (int round = 0; round < 200; ++round)
    pool.parallel_for(64, 1, [&](int64_t, int64_t, int worker) {
      if (inside[static_cast<size_t>(worker)]++ != 0) twice = true;
      std::this_thread::yield();
      --inside[static_cast<size_t>(worker)];
    });
  EXPECT_FALSE(twice);
}

TEST(ThreadPool, CallsFromInsideAndFromOtherThreadsRunToo) {
  ThreadPool pool(3);
  std::atomic<int64_t> sum{0};
  const auto add = [&] {
    for (int round = 0; round < 200; ++round)
      pool.parallel_for(10, 1, [&](int64_t begin, int64_t end, int) {
        for (int64_t i = begin; i < end; ++i)
          pool.parallel_for(5, 1, [&](int64_t from, int64_t to, int) { sum += to - from; });
      });
  };
  std::vector<std::thread> callers;
  for (int i = 0; i < 3; ++i) callers.emplace_back(add);
  for (std::thread& t : callers) t.join();
  EXPECT_EQ(sum, 3 * 200 * 10 * 5);
}

// A worker that parked finds the next call, and the pool ends while workers sleep.
TEST(ThreadPool, ParkedWorkersComeBack) {
  ThreadPool pool(2);
  for (int round = 0; round < 20; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    std::atomic<int> done{0};
    pool.parallel_for(
        8, 1, [&](int64_t begin, int64_t end, int) { done += static_cast<int>(end - begin); });
    ASSERT_EQ(done, 8);
  }
}

TEST(ThreadPool, AThreadThatIsHeldUpGivesItsChunksAway) {
  ThreadPool pool(2);
  constexpr int64_t kCount = 8;
  for (int round = 0; round < 20; ++round) {
    std::atomic<int64_t> done{0};
    std::atomic<int> held{0};
    pool.parallel_for(kCount, 1, [&](int64_t begin, int64_t end, int worker) {
      // The first chunk of the second thread waits for all others.
      if (worker == 1 && held++ == 0)
        while (done < kCount - (end - begin)) std::this_thread::yield();
      done += end - begin;
    });
    EXPECT_EQ(done, kCount);
  }
}

TEST(Tasks, RunOnceEach) {
  for (int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    for (int64_t count : {0, 1, 2, 40}) {
      std::vector<std::atomic<int>> seen(static_cast<size_t>(count));
      run_tasks(pool, count, [&](int64_t i, int thread) {
        ASSERT_LT(thread, threads);
        ++seen[static_cast<size_t>(i)];
      });
      for (const auto& n : seen) ASSERT_EQ(n, 1);
    }
  }
}

TEST(Tasks, TheFirstThatThrowsIsHeard) {
  ThreadPool pool(3);
  for (int round = 0; round < 100; ++round) {
    std::vector<std::atomic<int>> seen(50);
    try {
      run_tasks(pool, 50, [&](int64_t i, int) {
        ++seen[static_cast<size_t>(i)];
        if (i >= 20) throw std::runtime_error(std::to_string(i));
      });
      FAIL();
    } catch (const std::runtime_error& e) {
      EXPECT_STREQ(e.what(), "20");
    }
    for (size_t i = 0; i <= 20; ++i) EXPECT_EQ(seen[i], 1);
    EXPECT_LT(std::ranges::count(seen, 1, [](const auto& n) { return n.load(); }), 50);
  }
}

}  // namespace
}  // namespace tersor::runtime
