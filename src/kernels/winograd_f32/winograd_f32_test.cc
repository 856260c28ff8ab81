#include "kernels/winograd_f32/winograd_f32.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <utility>
#include <vector>

#include "kernels/halves/testing.h"
#include "kernels/winograd/testing.h"
#include "kernels/winograd/tile_pixels.h"
#include "kernels/winograd/winograd.h"
#include "simd/emu.h"

namespace tersor::kernels {
namespace emu {
#include "kernels/winograd_f32/winograd_f32-inl.h"

template <int kBits, int kMr>
WinogradF32Row row(const char* name) {
  using S = simd::Emu<kBits>;
  return {name, base::Isa::portable, kMr, 2 * S::kLanes, transform<S>, panel<S, kMr, 2>};
}
}  // namespace emu

namespace {

using base::Isa;

std::vector<WinogradF32Row> runnable_rows() {
  return testing::runnable<WinogradF32Row>(
      winograd_f32_rows(),
      {emu::row<128, 4>("emu128"), emu::row<256, 3>("emu256"), emu::row<512, 5>("emu512")});
}

using testing::numbers;
using testing::shape_of;

// Magnitudes of A, B and G in winograd_f32.h.
constexpr double kA[4][6] = {
    {1, 1, 1, 1, 8, 0}, {0, 2, 1, 1, 4, 0}, {0, 4, 1, 1, 2, 0}, {0, 8, 1, 1, 1, 1}};
constexpr double kB[6][6] = {{2, 3, 4, 3, 2, 0}, {0, 1, 2, 1, 2, 0}, {0, 2, 5, 1, 2, 0},
                             {0, 2, 1, 5, 2, 0}, {0, 2, 1, 2, 1, 0}, {0, 2, 3, 4, 3, 2}};
constexpr double kG[6][3] = {
    {1. / 2, 0, 0},           {1. / 30, 2. / 30, 4. / 30}, {1. / 6, 1. / 6, 1. / 6},
    {1. / 6, 1. / 6, 1. / 6}, {4. / 30, 2. / 30, 1. / 30}, {0, 0, 1. / 2}};

// M |x| M^T for rows of M over the `in` x `in` numbers x.
template <int kOut, int kIn>
void times_both(const double (&m)[kOut][kIn], const double* x, double* y) {
  for (int i = 0; i < kOut; ++i)
    for (int j = 0; j < kOut; ++j) {
      double sum = 0;
      for (int k = 0; k < kIn; ++k)
        for (int l = 0; l < kIn; ++l) sum += m[i][k] * m[j][l] * std::abs(x[k * kIn + l]);
      y[i * kOut + j] = sum;
    }
}

// The error of the sums behind output (n, oy, ox, oc) by the standard model of rounding: every
// number on the way takes part with its magnitude, and is rounded at most c + 32 times (c products
// and sums, five for each of six transforms, bias and residual).
double bound(const ConvShape& s, const float* a, const float* b, int64_t n, int64_t oy, int64_t ox,
             int64_t oc) {
  double products[36] = {};
  for (int64_t c = 0; c < s.c; ++c) {
    double d[36], g[9], bd[36], gg[36];
    for (int64_t i = 0; i < 36; ++i) {
      const int64_t y = oy / 4 * 4 + i / 6 - s.pad_top, x = ox / 4 * 4 + i % 6 - s.pad_left;
      const bool inside = y >= 0 && y < s.h && x >= 0 && x < s.w;
      d[i] = inside ? static_cast<double>(a[((n * s.h + y) * s.w + x) * s.c + c]) : 0;
    }
    for (int64_t i = 0; i < 9; ++i) g[i] = static_cast<double>(b[(oc * s.c + c) * 9 + i]);
    times_both(kB, d, bd);
    times_both(kG, g, gg);
    for (int i = 0; i < 36; ++i) products[i] += bd[i] * gg[i];
  }
  double y[16];
  times_both(kA, products, y);
  return std::ldexp(static_cast<double>(s.c + 32), -24) * (y[oy % 4 * 4 + ox % 4] + 10);
}

// The largest difference to the reference, in units of the bound.
double worst(const WinogradF32Row& row, const ConvShape& s, int variant, int threads) {
  const FloatType type = testing::kFloatTypes[variant % 3];
  auto a = numbers(s.n * s.h * s.w * s.c, 1), residual = numbers(s.pixels() * s.oc, 4);
  const auto a_bytes = testing::stored(a, type), residual_bytes = testing::stored(residual, type);
  const auto b = numbers(s.oc * s.c * 9, 2), bias = numbers(s.oc, 3);
  const std::vector<float> padding(static_cast<size_t>(s.c), 0.0f);
  GemmF32Call call;
  call.a = RowSource::pixels(a.data(), s, padding.data(), false);
  call.out_stride = s.oc + 1;
  call.bias = variant % 2 ? bias.data() : nullptr;
  if (variant / 3 % 2) call.residual = residual.data();
  call.residual_stride = s.oc;
  if (variant % 4 == 3) call.min = 0, call.max = 6;
  const auto size = static_cast<size_t>(s.pixels() * call.out_stride);
  std::vector<float> expected(size, -77.0f);
  auto out_bytes = testing::stored(expected, type);
  MatrixLayout layout = conv_layout(s);
  layout.flatten = false;
  call.out = expected.data();
  reference(layout, b.data(), call, s.pixels());
  std::vector<std::byte> packed(packed_bytes(row, s));
  const WinogradF32Weights w = pack(row, s, b.data(), packed.data());
  call.type = call.a_type = type;
  call.a.data = a_bytes.data();
  if (call.residual) call.residual = residual_bytes.data();
  call.out = out_bytes.data();
  const WorkSplit split = winograd_split(w.tiles(s), w, threads);
  std::vector<std::byte> scratch(scratch_bytes(w, split.m_chunk));
  for (int64_t i = 0; i < split.tasks(); ++i)
    run(w, call, split.rows(i), split.columns(i), scratch.data());
  const std::vector<float> out = testing::loaded(out_bytes, type);
  double most = 0;
  for (int64_t m = 0; m < s.pixels(); ++m) {
    const auto gap = static_cast<size_t>(m * call.out_stride + s.oc);
    if (out[gap] != -77.0f) return 1e9;
    for (int64_t oc = 0; oc < s.oc; ++oc) {
      const auto i = static_cast<size_t>(m * call.out_stride + oc);
      const double y = static_cast<double>(expected[i]);
      const double sums =
          bound(s, a.data(), b.data(), m / (s.oh * s.ow), m / s.ow % s.oh, m % s.ow, oc);
      most = std::max(most, std::abs(static_cast<double>(out[i]) - y) /
                                (sums + testing::rounding(type, std::abs(y) + sums)));
    }
  }
  return most;
}

TEST(WinogradF32, MatchesTheDirectConvolution) {
  const ConvShape shapes[] = {shape_of(1, 6, 6, 16, 8, 0),   shape_of(1, 7, 9, 5, 33, 1),
                              shape_of(2, 8, 5, 34, 40, 1),  shape_of(1, 1, 1, 32, 7, 1),
                              shape_of(3, 14, 14, 3, 64, 1), shape_of(1, 9, 30, 200, 32, 2)};
  for (const WinogradF32Row& row : runnable_rows()) {
    int variant = 0;
    for (const ConvShape& s : shapes)
      for (int repeat = 0; repeat < 4; ++repeat, ++variant)
        ASSERT_LT(worst(row, s, variant, 1 + variant % 3), 1)
            << row.name << " " << s.h << " x " << s.w << ", " << s.c << " to " << s.oc;
  }
}

TEST(WinogradF32, IsChosenForSuitableShapes) {
  const base::IsaSet avx2 = base::up_to(Isa::avx2);
  const WinogradF32Row* row = select_winograd_f32(shape_of(1, 56, 56, 64, 64, 1), avx2);
  ASSERT_NE(nullptr, row);
  EXPECT_STREQ("winograd_f32_avx2_6x16", row->name);
  EXPECT_EQ(nullptr, select_winograd_f32(shape_of(1, 224, 224, 3, 64, 1), avx2));
  EXPECT_EQ(nullptr, select_winograd_f32(shape_of(1, 2, 2, 512, 512, 1), avx2));
  // Few tiles: the weights are transformed for little, which costs more beside faster products.
  const ConvShape few = shape_of(1, 7, 7, 512, 512, 1);
  EXPECT_NE(nullptr, select_winograd_f32(few, avx2));
  EXPECT_EQ(nullptr, select_winograd_f32(few, base::up_to(Isa::avx512)));
  ConvShape strided = shape_of(1, 56, 56, 64, 64, 1);
  strided.stride_h = strided.stride_w = 2;
  EXPECT_EQ(nullptr, select_winograd_f32(strided, avx2));
}

}  // namespace
}  // namespace tersor::kernels
