#include "kernels/gemm_f32/gemm_f32.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "simd/emu.h"

namespace tersor::kernels {
namespace emu {
#include "kernels/gemm_f32/gemm_f32-inl.h"
}  // namespace emu

namespace {

using base::Isa;

// What this machine can run, and every shape of tile over plain arrays.
std::vector<GemmF32Row> runnable_rows() {
  std::vector<GemmF32Row> rows;
  const base::IsaSet here = base::detect_isa();
  for (const GemmF32Row& row : gemm_f32_rows())
    if (here.has(row.isa)) rows.push_back(row);
  rows.push_back({"emu128_4x8", Isa::portable, 4, 8, emu::any_tile<simd::Emu<128>, 4, 2>});
  rows.push_back({"emu256_6x16", Isa::portable, 6, 16, emu::any_tile<simd::Emu<256>, 6, 2>});
  rows.push_back({"emu512_14x32", Isa::portable, 14, 32, emu::any_tile<simd::Emu<512>, 14, 2>});
  return rows;
}

std::vector<float> random(size_t n, unsigned seed) {
  std::mt19937 gen(seed);
  std::uniform_real_distribution<float> d(-1, 1);
  std::vector<float> v(n);
  for (float& x : v) x = d(gen);
  return v;
}

struct Aligned {
  explicit Aligned(size_t bytes) : storage(bytes + 64) {}
  std::byte* get() {
    const auto address = reinterpret_cast<uintptr_t>(storage.data());
    return storage.data() + ((address + 63) / 64 * 64 - address);
  }
  std::vector<std::byte> storage;
};

// Runs the row and the reference; an empty string if every element is within the bound that
// `products` sums of numbers of at most 1 allow, and nothing beside the output was written.
std::string compare(const GemmF32Row& row, const MatrixLayout& layout, const std::vector<float>& b,
                    GemmF32Call call, int64_t m, int threads) {
  const int64_t columns = layout.groups * layout.n;
  Aligned packed(packed_bytes(row, layout));
  pack(row, layout, b.data(), reinterpret_cast<float*>(packed.get()));
  const GemmF32Weights weights(row, layout, reinterpret_cast<float*>(packed.get()));
  Aligned scratch(scratch_bytes(weights));
  call.out_stride = columns + 3;
  std::vector<float> expected(static_cast<size_t>(m * call.out_stride), 77.0f), out = expected;
  call.out = expected.data();
  reference(layout, b.data(), call, m);
  call.out = out.data();
  const WorkSplit split = split_work(m, weights.panels(), row.mr, threads);
  for (int64_t i = 0; i < split.tasks(); ++i)
    run(weights, call, split.rows(i), split.columns(i), scratch.get());
  const double products = static_cast<double>(layout.positions * layout.k) + 2;
  const double bound = products * products * 0x1p-24;
  for (size_t i = 0; i < out.size(); ++i)
    if (!(std::fabs(out[i] - expected[i]) <= bound))
      return std::string(row.name) + " element " + std::to_string(i) + ": " +
             std::to_string(out[i]) + " instead of " + std::to_string(expected[i]);
  return "";
}

TEST(GemmF32, MatchesReferenceOnProducts) {
  for (const GemmF32Row& row : runnable_rows())
    for (int64_t m : {0, 1, row.mr - 1, row.mr, row.mr + 1, 3 * row.mr + 2})
      for (int64_t n : {1, row.nr - 1, row.nr, row.nr + 1, 2 * row.nr + 5})
        for (int64_t k : {0, 1, 3, 4, 17}) {
          const bool transposed = (m + n + k) % 2;
          const int64_t lda = k + m % 3;
          const auto a = random(static_cast<size_t>(m * lda + 1), 1);
          const auto b = random(static_cast<size_t>(k * n), 2);
          const auto bias = random(static_cast<size_t>(n), 3);
          const auto residual = random(static_cast<size_t>(m * (n + 1)), 4);
          GemmF32Call call;
          call.a = RowSource::dense(a.data(), lda);
          if (k % 2) call.bias = bias.data();
          if (n % 2) call.residual = residual.data();
          call.residual_stride = n + 1;
          if (m % 2) call.min = -0.25f, call.max = 0.5f;
          ASSERT_EQ("", compare(row, MatrixLayout::rows(k, n, transposed), b, call, m,
                                1 + static_cast<int>(k % 3)))
              << m << " " << n << " " << k;
        }
}

TEST(GemmF32, MatchesReferenceOnConvolutions) {
  struct Case {
    int64_t n, h, w, c, oc, groups, kh, kw, stride, dilation, pad;
  };
  const Case cases[] = {
      {1, 7, 9, 3, 8, 1, 3, 3, 1, 1, 1},   {2, 8, 8, 16, 33, 1, 3, 3, 2, 1, 1},
      {1, 9, 5, 32, 40, 2, 3, 2, 1, 2, 2}, {2, 6, 6, 20, 10, 1, 1, 1, 2, 1, 0},
      {1, 1, 12, 18, 7, 1, 1, 5, 1, 1, 2}, {1, 4, 4, 12, 24, 4, 3, 3, 1, 1, 1},
  };
  for (const GemmF32Row& row : runnable_rows())
    for (const Case& t : cases) {
      ConvShape s;
      s.n = t.n, s.h = t.h, s.w = t.w, s.c = t.c, s.oc = t.oc, s.groups = t.groups;
      s.kh = t.kh, s.kw = t.kw, s.stride_h = s.stride_w = t.stride;
      s.dilation_h = s.dilation_w = t.dilation;
      s.pad_top = t.h > 1 ? t.pad : 0, s.pad_left = t.pad;
      s.oh = (t.h + 2 * s.pad_top - t.dilation * (t.kh - 1) - 1) / t.stride + 1;
      s.ow = (t.w + 2 * t.pad - t.dilation * (t.kw - 1) - 1) / t.stride + 1;
      const auto a = random(static_cast<size_t>(s.n * s.h * s.w * s.c), 1);
      const auto b = random(static_cast<size_t>(s.oc * s.group_inputs() * s.positions()), 2);
      const auto bias = random(static_cast<size_t>(s.oc), 3);
      const std::vector<float> zeros(static_cast<size_t>(s.group_inputs()));
      const MatrixLayout layout = conv_layout(s);
      GemmF32Call call;
      call.a = RowSource::pixels(a.data(), s, zeros.data(), layout.flatten);
      call.bias = bias.data();
      ASSERT_EQ("", compare(row, layout, b, call, s.pixels(), 3)) << s.c << " " << s.kh;
    }
}

TEST(GemmF32, PassesNanThroughTheClamp) {
  const float nan = std::nanf(""), one = 1;
  for (const GemmF32Row& row : runnable_rows()) {
    const MatrixLayout layout = MatrixLayout::rows(1, 1, false);
    Aligned packed(packed_bytes(row, layout));
    pack(row, layout, &one, reinterpret_cast<float*>(packed.get()));
    const GemmF32Weights weights(row, layout, reinterpret_cast<float*>(packed.get()));
    Aligned scratch(scratch_bytes(weights));
    float out = 0;
    GemmF32Call call;
    call.a = RowSource::dense(&nan, 1);
    call.out = &out;
    call.out_stride = 1;
    call.min = 0;
    call.max = 6;
    run(weights, call, {0, 1}, {0, 1}, scratch.get());
    EXPECT_TRUE(std::isnan(out)) << row.name;
  }
}

TEST(GemmF32, SelectsByInstructionSet) {
  const GemmF32Shape shape{100, MatrixLayout::rows(64, 64, false)};
  EXPECT_STREQ("gemm_f32_portable_4x8", select_gemm_f32(shape, {}).name);
  EXPECT_STREQ("gemm_f32_avx2_6x16", select_gemm_f32(shape, base::up_to(Isa::avxvnni)).name);
  EXPECT_STREQ("gemm_f32_avx512_14x32", select_gemm_f32(shape, base::up_to(Isa::avx512)).name);
  EXPECT_STREQ("gemm_f32_avx512_14x32", select_gemm_f32(shape, base::up_to(Isa::avx512bf16)).name);
}

}  // namespace
}  // namespace tersor::kernels
