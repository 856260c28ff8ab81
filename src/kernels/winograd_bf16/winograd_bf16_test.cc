#include "kernels/winograd_bf16/winograd_bf16.h"

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
#include "kernels/gemm_f32/gemm_f32-inl.h"
#include "kernels/winograd_bf16/winograd_bf16-inl.h"

template <int kBits, int kMr>
WinogradBf16Row row(const char* name) {
  using S = simd::Emu<kBits>;
  return {name,         base::Isa::portable, kMr, 2 * S::kLanes, any_tile<S, kMr, 2, Pairs<S>>,
          transform<S>, restore<S>};
}
}  // namespace emu

namespace {

using base::Isa;

std::vector<WinogradBf16Row> runnable_rows() {
  return testing::runnable<WinogradBf16Row>(
      winograd_bf16_rows(), {emu::row<128, 4>("emu128"), emu::row<512, 5>("emu512")});
}

using testing::numbers;
using testing::shape_of;

// Magnitudes of A, B and G in winograd_bf16.h.
constexpr double kA[2][4] = {{1, 1, 1, 0}, {0, 1, 1, 1}};
constexpr double kB[4][4] = {{1, 0, 1, 0}, {0, 1, 1, 0}, {0, 1, 1, 0}, {0, 1, 0, 1}};
constexpr double kG[4][3] = {{1, 0, 0}, {.5, .5, .5}, {.5, .5, .5}, {0, 0, 1}};

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

// The error behind output (n, oy, ox, oc): of rounding both operands of every product to bf16, and
// of at most c + 24 roundings to f32 on the way.
double bound(const ConvShape& s, const float* a, const float* b, int64_t n, int64_t oy, int64_t ox,
             int64_t oc) {
  double products[16] = {};
  for (int64_t c = 0; c < s.c; ++c) {
    double d[16], g[9], bd[16], gg[16];
    for (int64_t i = 0; i < 16; ++i) {
      const int64_t y = oy / 2 * 2 + i / 4 - s.pad_top, x = ox / 2 * 2 + i % 4 - s.pad_left;
      const bool inside = y >= 0 && y < s.h && x >= 0 && x < s.w;
      d[i] = inside ? static_cast<double>(a[((n * s.h + y) * s.w + x) * s.c + c]) : 0;
    }
    for (int64_t i = 0; i < 9; ++i) g[i] = static_cast<double>(b[(oc * s.c + c) * 9 + i]);
    times_both(kB, d, bd);
    times_both(kG, g, gg);
    for (int i = 0; i < 16; ++i) products[i] += bd[i] * gg[i];
  }
  double y[4];
  times_both(kA, products, y);
  return (0x1p-7 + 0x1p-16 + std::ldexp(static_cast<double>(s.c + 24), -24)) *
             y[oy % 2 * 2 + ox % 2] +
         0x1p-20;
}

struct Errors {
  double worst = 0;    // in units of the bound
  double squares = 0;  // of the differences, before the result is rounded, relative to the results'
};

Errors errors_of(const WinogradBf16Row& row, const ConvShape& s, int variant, int threads) {
  const FloatType type = FloatType::bf16;
  auto a = numbers(s.n * s.h * s.w * s.c, 1), residual = numbers(s.pixels() * s.oc, 4);
  auto b = numbers(s.oc * s.c * 9, 2);
  const auto a_bytes = testing::stored(a, type), residual_bytes = testing::stored(residual, type);
  testing::stored(b, type);
  const auto bias = numbers(s.oc, 3);
  const std::vector<float> padding(static_cast<size_t>(s.c), 0.0f);
  GemmF32Call call;
  call.a = RowSource::pixels(a.data(), s, padding.data(), false);
  call.out_stride = s.oc + 1;
  call.bias = variant % 2 ? bias.data() : nullptr;
  if (variant / 2 % 2) call.residual = residual.data();
  call.residual_stride = s.oc;
  if (variant % 4 == 3) call.min = 0, call.max = 6;
  std::vector<float> expected(static_cast<size_t>(s.pixels() * call.out_stride), -77.0f);
  auto out_bytes = testing::stored(expected, type);
  MatrixLayout layout = conv_layout(s);
  layout.flatten = false;
  call.out = expected.data();
  reference(layout, b.data(), call, s.pixels());
  std::vector<std::byte> packed(packed_bytes(row, s));
  const WinogradBf16Weights w = pack(row, s, b.data(), packed.data());
  call.type = call.a_type = type;
  call.a.data = a_bytes.data();
  if (call.residual) call.residual = residual_bytes.data();
  call.out = out_bytes.data();
  const WorkSplit split = winograd_split(w.tiles(s), w, threads);
  std::vector<std::byte> scratch(scratch_bytes(w, split.m_chunk));
  for (int64_t i = 0; i < split.tasks(); ++i)
    run(w, call, split.rows(i), split.columns(i), scratch.data());
  const std::vector<float> out = testing::loaded(out_bytes, type);
  Errors e;
  double squares = 0;
  for (int64_t m = 0; m < s.pixels(); ++m) {
    if (out[static_cast<size_t>(m * call.out_stride + s.oc)] != -77.0f) e.worst = 1e9;
    for (int64_t oc = 0; oc < s.oc; ++oc) {
      const auto i = static_cast<size_t>(m * call.out_stride + oc);
      const double y = static_cast<double>(expected[i]);
      const double off = std::abs(static_cast<double>(out[i]) - y);
      const double sums =
          bound(s, a.data(), b.data(), m / (s.oh * s.ow), m / s.ow % s.oh, m % s.ow, oc);
      e.worst = std::max(e.worst, off / (sums + testing::rounding(type, std::abs(y) + sums)));
      e.squares += off * off;
      squares += y * y;
    }
  }
  e.squares /= squares;
  return e;
}

TEST(WinogradBf16, MatchesTheDirectConvolution) {
  const ConvShape shapes[] = {shape_of(1, 6, 6, 16, 8, 0),  shape_of(1, 7, 9, 6, 33, 1),
                              shape_of(2, 8, 5, 34, 40, 1), shape_of(1, 1, 1, 32, 7, 1),
                              shape_of(3, 9, 8, 2, 64, 1),  shape_of(1, 5, 20, 120, 32, 2)};
  for (const WinogradBf16Row& row : runnable_rows()) {
    int variant = 0;
    for (const ConvShape& s : shapes)
      for (int repeat = 0; repeat < 4; ++repeat, ++variant)
        ASSERT_LT(errors_of(row, s, variant, 1 + variant % 3).worst, 1)
            << row.name << " " << s.h << " x " << s.w << ", " << s.c << " to " << s.oc;
  }
}

// Numbers of random sign: 5/3 of two roundings to bf16, and the result's own. A rounding changes a
// number by 2^-8 / sqrt(3) of its power of two at most in the mean, that is 3/4 of it.
TEST(WinogradBf16, ErrsAsFiveThirdsOfRoundedOperands) {
  const double rounding = 0x1p-8 / std::sqrt(3.0) * 0.75;
  const double squares = rounding * rounding * (2 * 25.0 / 9 + 1);
  for (const WinogradBf16Row& row : runnable_rows())
    EXPECT_LT(errors_of(row, shape_of(1, 12, 12, 64, 32, 1), 0, 1).squares, squares * 1.1)
        << row.name;
}

TEST(WinogradBf16, IsChosenForSuitableShapes) {
  const base::IsaSet bf16 = base::up_to(Isa::avx512bf16);
  const WinogradBf16Row* row = select_winograd_bf16(shape_of(1, 56, 56, 64, 64, 1), bf16);
  ASSERT_NE(nullptr, row);
  EXPECT_STREQ("winograd_bf16_avx512bf16_14x32", row->name);
  EXPECT_EQ(nullptr,
            select_winograd_bf16(shape_of(1, 56, 56, 64, 64, 1), base::up_to(Isa::avx512vnni)));
  EXPECT_EQ(nullptr, select_winograd_bf16(shape_of(1, 56, 56, 64, 64, 1), base::up_to(Isa::amx)));
  EXPECT_EQ(nullptr, select_winograd_bf16(shape_of(1, 224, 224, 3, 64, 1), bf16));
  EXPECT_EQ(nullptr, select_winograd_bf16(shape_of(1, 2, 2, 512, 512, 1), bf16));
  ConvShape strided = shape_of(1, 56, 56, 64, 64, 1);
  strided.stride_h = strided.stride_w = 2;
  EXPECT_EQ(nullptr, select_winograd_bf16(strided, bf16));
}

}  // namespace
}  // namespace tersor::kernels
