#include "kernels/resize/resize.h"

#include <gtest/gtest.h>

#include "kernels/loops/testing.h"

namespace tersor::kernels::resize {
namespace {

using namespace kernels::testing;

struct Axis {
  std::vector<int32_t> lower, upper;
  Floats weight;
  Axis(int64_t in, int64_t out) {
    const Floats at = random_floats(out, 0, static_cast<float>(in - 1), 3);
    for (float v : at) {
      lower.push_back(static_cast<int32_t>(v));
      upper.push_back(std::min(static_cast<int32_t>(in - 1), lower.back() + 1));
      weight.push_back(v - std::floor(v));
    }
  }
  Taps taps() const { return {lower.data(), upper.data(), weight.data()}; }
};

float mixed(float a, float b, float c, float d, float across, float down) {
  const float top = a + (b - a) * across, bottom = c + (d - c) * across;
  return top + (bottom - top) * down;
}

template <typename T, typename Real, typename Code>
std::vector<T> expected(const std::vector<T>& x, const Image& image, const Axis& rows,
                        const Axis& columns, Real real, Code code) {
  std::vector<T> y;
  const auto at = [&](int32_t i, int32_t j, int64_t k) {
    return real(x[static_cast<size_t>((i * image.w + j) * image.channels + k)]);
  };
  for (size_t i = 0; i < rows.lower.size(); ++i)
    for (size_t j = 0; j < columns.lower.size(); ++j)
      for (int64_t k = 0; k < image.channels; ++k) {
        const int32_t up = rows.lower[i], down = rows.upper[i];
        const int32_t left = columns.lower[j], right = columns.upper[j];
        y.push_back(code(mixed(at(up, left, k), at(up, right, k), at(down, left, k),
                               at(down, right, k), columns.weight[j], rows.weight[i])));
      }
  return y;
}

template <typename T>
void check_bytes(LinearBytes<T> f, const Image& image, int64_t h, const Axis& rows,
                 const Axis& columns) {
  const auto x = random_codes<T>(h * image.w * image.channels);
  const auto oh = static_cast<int64_t>(rows.lower.size());
  const ByteFormats k{0.13f, 0.11f, 3, std::is_signed_v<T> ? -7 : 9};
  std::vector<T> y(static_cast<size_t>(oh * image.ow * image.channels));
  f(x.data(), y.data(), image, rows.taps(), columns.taps(), 0, oh / 2, k);
  f(x.data(), y.data(), image, rows.taps(), columns.taps(), oh / 2, oh, k);
  const auto want = expected(
      x, image, rows, columns, [&](T q) { return static_cast<float>(q - k.zx) * k.sx; },
      [&](float v) {
        const float q = std::nearbyint(v / k.sy) + static_cast<float>(k.zy);
        return static_cast<T>(
            std::clamp<float>(q, std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
      });
  EXPECT_EQ(y, want) << image.channels;
}

TEST(Resize, Linear) {
  for (base::IsaSet cap : caps())
    for (int64_t channels : {1, 2, 3, 8, 16, 17, 40, 70}) {
      const int64_t h = 5, w = 7, oh = 9, ow = 6;
      const Image image{w, ow, channels};
      const Axis rows(h, oh), columns(w, ow);
      const Floats x = random_floats(h * w * channels, -3, 3);
      Floats y(static_cast<size_t>(oh * ow * channels));
      table(cap).linear_f32(x.data(), y.data(), image, rows.taps(), columns.taps(), 0, 4);
      table(cap).linear_f32(x.data(), y.data(), image, rows.taps(), columns.taps(), 4, oh);
      const auto same = [](float v) { return v; };
      EXPECT_TRUE(same_bits(y, expected(x, image, rows, columns, same, same))) << channels;
      check_bytes(table(cap).linear_u8, image, h, rows, columns);
      check_bytes(table(cap).linear_s8, image, h, rows, columns);
    }
}

TEST(Resize, Nearest) {
  for (int64_t pixel : {1, 2, 3, 4, 5, 8, 12, 16, 33}) {
    const int64_t w = 7, ow = 9;
    const std::vector<int32_t> rows = {0, 0, 1, 3, 3, 3, 4}, columns = {0, 1, 1, 2, 6, 5, 0, 3, 4};
    const auto x = random_codes<uint8_t>(5 * w * pixel);
    std::vector<uint8_t> y(static_cast<size_t>(7 * ow * pixel)), want;
    nearest(x.data(), y.data(), w, ow, pixel, rows.data(), columns.data(), 0, 4);
    nearest(x.data(), y.data(), w, ow, pixel, rows.data(), columns.data(), 4, 7);
    for (int32_t i : rows)
      for (int32_t j : columns)
        for (int64_t k = 0; k < pixel; ++k)
          want.push_back(x[static_cast<size_t>((i * w + j) * pixel + k)]);
    EXPECT_EQ(y, want) << pixel;
  }
}

}  // namespace
}  // namespace tersor::kernels::resize
