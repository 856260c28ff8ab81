#include "kernels/pool/pool.h"

#include <gtest/gtest.h>

#include <functional>

#include "kernels/loops/testing.h"

namespace tersor::kernels::pool {
namespace {

using namespace kernels::testing;

template <typename T>
struct Window {
  std::vector<const T*> rows;
  Window(const std::vector<T>& x, int64_t count, int64_t stride) {
    for (int64_t i = 0; i < count; ++i) rows.push_back(x.data() + (i * 11 % count) * stride);
  }
};

TEST(Pool, MaxAndAverageF32) {
  for (base::IsaSet cap : caps())
    for (int64_t channels : kSizes)
      for (int64_t count : {1, 2, 9, 49}) {
        const int64_t stride = channels + 3;
        Floats x = random_floats(count * stride, -2, 2);
        if (count > 1 && channels > 5) x[3] = kNan;
        const Window<float> w(x, count, stride);
        const auto n = static_cast<size_t>(channels);
        Floats max(n), average(n), global(n);
        table(cap).max_f32(w.rows.data(), {count, 0, 1, channels}, max.data());
        table(cap).average_f32(w.rows.data(), {count, 0, 1, channels}, average.data(), 50.0f);
        table(cap).global_f32(x.data(), count, stride, channels, global.data());
        for (size_t c = 0; c < n; ++c) {
          float m = -kInf, s = 0, g = 0;
          for (int64_t i = 0; i < count; ++i) {
            const float v = w.rows[static_cast<size_t>(i)][c];
            m = std::isnan(v) || std::isnan(m) ? kNan : std::max(m, v);
            s = i ? s + v : v;
            g = i ? g + x[static_cast<size_t>(i * stride) + c] : x[c];
          }
          if (std::isnan(m)) {
            EXPECT_TRUE(std::isnan(max[c]) && std::isnan(average[c]) && std::isnan(global[c]));
            continue;
          }
          EXPECT_EQ(max[c], m);
          EXPECT_EQ(average[c], s / 50.0f);
          EXPECT_EQ(global[c], g / static_cast<float>(count));
        }
      }
}

template <typename T>
void check_bytes(const Bytes<T>& t) {
  for (int64_t channels : kSizes)
    for (int64_t count : {1, 2, 9, 49, 256, 257, 258, 600}) {
      const int64_t stride = channels + 5;
      auto x = random_codes<T>(count * stride);
      if (count == 257) std::ranges::fill(x, std::numeric_limits<T>::max());
      const Window<T> w(x, count, stride);
      ByteAverage k;
      k.zx = std::is_signed_v<T> ? -3 : 131;
      k.zy = std::is_signed_v<T> ? 5 : 120;
      k.low = std::numeric_limits<T>::min();
      k.high = std::numeric_limits<T>::max() - (count == 9 ? 30 : 0);
      k.multiplier = average_multiplier(0.05f, 0.021f, count + 1);
      const auto n = static_cast<size_t>(channels);
      std::vector<T> max(n), average(n), global(n), want_max(n), want(n);
      t.max(w.rows.data(), {count, 0, 1, channels}, max.data());
      t.average(w.rows.data(), {count, 0, 1, channels}, average.data(), k);
      t.global(x.data(), count, stride, channels, global.data(), k);
      for (size_t c = 0; c < n; ++c) {
        int64_t sum = 0;
        T m = std::numeric_limits<T>::min();
        for (const T* row : w.rows) sum += row[c] - k.zx, m = std::max(m, row[c]);
        want_max[c] = m;
        const float q = static_cast<float>(sum) * k.multiplier;
        const double v = std::nearbyint(static_cast<double>(q)) + k.zy;
        want[c] = static_cast<T>(std::clamp<double>(v, k.low, k.high));
      }
      EXPECT_EQ(max, want_max) << channels << " " << count;
      EXPECT_EQ(average, want) << channels << " " << count;
      EXPECT_EQ(global, want) << channels << " " << count;
    }
}
// A run of pixels gives what its pixels give alone.
template <typename T>
void check_runs(const std::vector<T>& x, int64_t count, int64_t stride, int64_t channels,
                const std::function<void(const T* const*, const pool::Run&, T*)>& f) {
  constexpr int64_t kRun = 5, kStep = 7;
  const Window<T> w(x, count, stride);
  std::vector<T> all(static_cast<size_t>(kRun * channels)), one(all);
  f(w.rows.data(), {count, kStep, kRun, channels}, all.data());
  for (int64_t i = 0; i < kRun; ++i) {
    std::vector<const T*> rows = w.rows;
    for (const T*& row : rows) row += i * kStep;
    f(rows.data(), {count, 0, 1, channels}, one.data() + i * channels);
  }
  EXPECT_EQ(all, one) << channels << " " << count;
}
TEST(Pool, Runs) {
  ByteAverage k;
  k.multiplier = 0.07f;
  for (base::IsaSet cap : caps())
    for (int64_t channels : kSizes)
      for (int64_t count : {1, 9}) {
        const int64_t stride = channels + 40, size = count * stride;
        const Floats x = random_floats(size, -2, 2);
        const auto codes = random_codes<uint8_t>(size);
        const Table& t = table(cap);
        const auto floats = [&](auto f) { check_runs<float>(x, count, stride, channels, f); };
        const auto bytes = [&](auto f) { check_runs<uint8_t>(codes, count, stride, channels, f); };
        floats([&](auto rows, const pool::Run& of, float* y) { t.max_f32(rows, of, y); });
        floats([&](auto rows, const pool::Run& of, float* y) { t.average_f32(rows, of, y, 9); });
        bytes([&](auto rows, const pool::Run& of, uint8_t* y) { t.u8.max(rows, of, y); });
        bytes([&](auto rows, const pool::Run& of, uint8_t* y) { t.u8.average(rows, of, y, k); });
      }
}

TEST(Pool, Bytes) {
  for (base::IsaSet cap : caps()) {
    check_bytes(table(cap).u8);
    check_bytes(table(cap).s8);
  }
}

TEST(Pool, AverageOfNothingIsZero) {
  for (base::IsaSet cap : caps()) {
    Floats y(70, 3.0f);
    table(cap).average_f32(nullptr, {0, 0, 1, 70}, y.data(), 1.0f);
    EXPECT_EQ(y, Floats(70, 0.0f));
    std::vector<uint8_t> b(70, 3);
    ByteAverage k;
    k.zy = 9;
    table(cap).u8.average(nullptr, {0, 0, 1, 70}, b.data(), k);
    EXPECT_EQ(b, std::vector<uint8_t>(70, 9));
  }
}

}  // namespace
}  // namespace tersor::kernels::pool
