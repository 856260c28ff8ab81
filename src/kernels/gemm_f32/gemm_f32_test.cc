#include "kernels/gemm_f32/gemm_f32.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "kernels/conv_common/testing.h"
#include "kernels/halves/testing.h"
#include "simd/emu.h"

namespace tersor::kernels {
namespace emu {
#include "kernels/gemm_f32/gemm_f32-inl.h"
#include "kernels/tiles/tiles-inl.h"
// It builds on that.
#include "kernels/gemm_f32/tiles-inl.h"

template <int kBits, int kMr>
GemmF32Row pairs(const char* name) {
  using S = simd::Emu<kBits>;
  return {name,          base::Isa::portable,           kMr,
          2 * S::kLanes, any_tile<S, kMr, 2, Pairs<S>>, FloatType::bf16};
}
GemmF32Row bf16_tiles(const char* name) {
  using S = simd::Emu<512>;
  return {name,
          base::Isa::portable,
          32,
          16,
          nullptr,
          FloatType::bf16,
          any_tiles_panel<S>,
          {copy_rows<S, simd::Emu<256>, true>, S::Tiles::open, S::Tiles::close}};
}
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
  rows.push_back(emu::pairs<128, 4>("emu128_bf16_4x8"));
  rows.push_back(emu::pairs<512, 14>("emu512_bf16_14x32"));
  rows.push_back(emu::bf16_tiles("emu512_bf16_tiles_32x16"));
  return rows;
}

// The types that a row's operands may come from.
std::vector<FloatType> types_of(const GemmF32Row& row) {
  if (row.operands == FloatType::bf16) return {FloatType::bf16};
  return {std::begin(testing::kFloatTypes), std::end(testing::kFloatTypes)};
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

// What a product reads besides its rows, in f32.
struct Operands {
  std::vector<float> a, b, residual;
};

// Runs the row on operands of that type, to results of the other, and the reference; an empty
// string if every element is within the bound that `products` sums of numbers of at most 1 allow,
// and nothing beside the output was written.
std::string compare(const GemmF32Row& row, FloatType type, FloatType to, const MatrixLayout& layout,
                    Operands x, GemmF32Call call, int64_t m, int threads) {
  const testing::AtPageEnd a(testing::stored(x.a, type));
  const auto b = testing::stored(x.b, type);
  const auto residual = testing::stored(x.residual, to);
  const int64_t columns = layout.groups * layout.n;
  Aligned packed(packed_bytes(row, layout));
  pack(row, layout, b.data(), type, packed.get());
  const GemmF32Weights weights(row, layout, packed.get());
  call.out_stride = columns + 3;
  std::vector<float> expected(static_cast<size_t>(m * call.out_stride), 77.0f);
  auto out = testing::stored(expected, to);
  call.a.data = x.a.data();
  call.residual = x.residual.empty() ? nullptr : x.residual.data();
  call.out = expected.data();
  reference(layout, x.b.data(), call, m);
  call.a_type = type;
  call.type = to;
  Aligned scratch(scratch_bytes(weights, call));
  call.a.data = a.data();
  call.residual = x.residual.empty() ? nullptr : residual.data();
  call.out = out.data();
  const WorkSplit split = split_work(weights, m, threads);
  for (int64_t i = 0; i < split.tasks(); ++i)
    run(weights, call, split.rows(i), split.columns(i), scratch.get());
  const double products = static_cast<double>(layout.positions * layout.k) + 2;
  const double bound = products * products * 0x1p-24;
  const std::vector<float> got = testing::loaded(out, to);
  for (size_t i = 0; i < got.size(); ++i) {
    const double y = static_cast<double>(expected[i]);
    if (!(std::fabs(static_cast<double>(got[i]) - y) <=
          bound + testing::rounding(to, std::fabs(y) + bound)))
      return std::string(row.name) + " element " + std::to_string(i) + ": " +
             std::to_string(got[i]) + " instead of " + std::to_string(y);
  }
  return "";
}

TEST(GemmF32, MatchesReferenceOnProducts) {
  for (const GemmF32Row& row : runnable_rows())
    for (int64_t m : {0, 1, row.mr - 1, row.mr, row.mr + 1, 3 * row.mr + 2})
      for (int64_t n : {1, row.nr - 1, row.nr, row.nr + 1, 2 * row.nr + 5})
        for (int64_t k : {0, 1, 3, 4, 17, 64, 75}) {
          const bool transposed = (m + n + k) % 2;
          const int64_t lda = k + m % 3;
          Operands x{random(static_cast<size_t>(m * lda + 1), 1),
                     random(static_cast<size_t>(k * n), 2),
                     {}};
          // What lies between rows is not to be multiplied, not even by zero.
          for (int64_t i = 0; i <= m * lda; ++i)
            if (i == m * lda || i % lda >= k) x.a[static_cast<size_t>(i)] = std::nanf("");
          const auto bias = random(static_cast<size_t>(n), 3);
          if (n % 2) x.residual = random(static_cast<size_t>(m * (n + 1)), 4);
          GemmF32Call call;
          call.a = RowSource::dense(nullptr, lda);
          if (k % 2) call.bias = bias.data();
          call.residual_stride = n + 1;
          if (m % 2) call.min = -0.25f, call.max = 0.5f;
          for (FloatType type : types_of(row)) {
            const FloatType to = k % 2 ? testing::kFloatTypes[(m + n) % 3] : type;
            ASSERT_EQ("", compare(row, type, to, MatrixLayout::rows(k, n, transposed), x, call, m,
                                  1 + static_cast<int>(k % 3)))
                << m << " " << n << " " << k;
          }
        }
}

TEST(GemmF32, MatchesReferenceOnConvolutions) {
  struct Case {
    int64_t n, h, w, c, oc, groups, kh, kw, stride, dilation, pad, pixel = 0;
  };
  const Case cases[] = {
      {1, 7, 9, 3, 8, 1, 3, 3, 1, 1, 1},     {2, 8, 8, 16, 33, 1, 3, 3, 2, 1, 1},
      {1, 9, 5, 32, 40, 2, 3, 2, 1, 2, 2},   {2, 6, 6, 20, 10, 1, 1, 1, 2, 1, 0},
      {1, 1, 12, 18, 7, 1, 1, 5, 1, 1, 2},   {1, 4, 4, 12, 24, 4, 3, 3, 1, 1, 1},
      {2, 6, 20, 32, 40, 1, 3, 3, 1, 1, 1},  {1, 9, 5, 64, 33, 1, 2, 3, 1, 1, 1},
      {1, 3, 40, 32, 17, 1, 3, 3, 1, 1, 0},  {2, 9, 6, 32, 40, 1, 3, 3, 2, 1, 1},
      {1, 11, 10, 32, 33, 1, 3, 2, 3, 2, 2}, {1, 12, 9, 32, 17, 1, 5, 3, 2, 3, 0},
      {1, 7, 9, 64, 80, 2, 1, 1, 1, 1, 0},   {1, 9, 12, 21, 40, 1, 5, 1, 2, 1, 0, 3},
  };
  for (const GemmF32Row& row : runnable_rows())
    for (const Case& t : cases) {
      ConvShape s;
      s.n = t.n, s.h = t.h, s.w = t.w, s.c = t.c, s.oc = t.oc, s.groups = t.groups;
      s.kh = t.kh, s.kw = t.kw, s.stride_h = s.stride_w = t.stride;
      s.dilation_h = s.dilation_w = t.dilation;
      s.pixel = t.pixel;
      s.pad_top = t.h > 1 ? t.pad : 0, s.pad_left = t.pad;
      s.oh = (t.h + 2 * s.pad_top - t.dilation * (t.kh - 1) - 1) / t.stride + 1;
      s.ow = (t.w + 2 * t.pad - t.dilation * (t.kw - 1) - 1) / t.stride + 1;
      const Operands x{random(static_cast<size_t>(s.n * s.h * s.w * s.pixel_stride() + s.c), 1),
                       random(static_cast<size_t>(s.oc * s.group_inputs() * s.positions()), 2),
                       {}};
      const auto bias = random(static_cast<size_t>(s.oc), 3);
      const std::vector<float> zeros(static_cast<size_t>(s.group_inputs()));
      const MatrixLayout layout = conv_layout(s);
      GemmF32Call call;
      call.a = RowSource::pixels(nullptr, s, zeros.data(), layout.flatten);
      call.bias = bias.data();
      for (FloatType type : types_of(row))
        ASSERT_EQ("", compare(row, type, type, layout, x, call, s.pixels(), 3))
            << s.c << " " << s.kh;
    }
}

TEST(GemmF32, PassesNanThroughTheClamp) {
  for (const GemmF32Row& row : runnable_rows())
    for (FloatType type : types_of(row)) {
      std::vector<float> nan{std::nanf("")}, one{1};
      const auto a = testing::stored(nan, type), b = testing::stored(one, type);
      std::vector<std::byte> out(a.size());
      const MatrixLayout layout = MatrixLayout::rows(1, 1, false);
      Aligned packed(packed_bytes(row, layout));
      pack(row, layout, b.data(), type, packed.get());
      const GemmF32Weights weights(row, layout, packed.get());
      GemmF32Call call;
      call.type = call.a_type = type;
      Aligned scratch(scratch_bytes(weights, call));
      call.a = RowSource::dense(a.data(), 1);
      call.out = out.data();
      call.out_stride = 1;
      call.min = 0;
      call.max = 6;
      run(weights, call, {0, 1}, {0, 1}, scratch.get());
      EXPECT_TRUE(std::isnan(testing::loaded(out, type)[0])) << row.name;
    }
}

simd::bfloat16 narrowed(float x) {
  simd::bfloat16 b;
  simd::narrow(x, b);
  return b;
}

// The order of sums, and what counts as 0, as the manual has them of tdpbf16ps.
TEST(GemmF32, TilesSumAsTheInstructionDoes) {
  struct Case {
    std::vector<std::pair<float, float>> products;  // along k
    float before, after;
  };
  const Case cases[] = {
      // Elements of even and of odd places have sums of their own.
      {{{1, 1}, {0x1p-12f, 0x1p-12f}, {0, 0}, {0x1p-12f, 0x1p-12f}}, 0, 1 + 0x1p-23f},
      {{{1, 1}, {0, 0}, {0x1p-12f, 0x1p-12f}, {0, 0}, {0x1p-12f, 0x1p-12f}}, 0, 1},
      // What was there is added last.
      {{{0x1p-12f, 0x1p-12f}, {0x1p-12f, 0x1p-12f}}, 1, 1 + 0x1p-23f},
      // Operands, products and sums below 2^-126 are 0.
      {{{0x1p-127f, 0x1p100f}}, 0, 0},
      {{{0x1p-64f, 0x1p-63f}}, 0, 0},
      {{{0x1p-64f, 0x1p-62f}}, 0, 0x1p-126f},
      {{{0x1p-64f, 0x1.8p-62f}, {-0x1p-64f, 0x1p-62f}}, 0, 0},
      {{}, 0x1p-127f, 0},
  };
  using Tiles = simd::Emu<512>::Tiles;
  for (const Case& c : cases) {
    simd::bfloat16 a[16][32] = {}, b[16][32] = {};
    float sums[16][16] = {};
    for (size_t i = 0; i < c.products.size(); ++i) {
      a[2][i] = narrowed(c.products[i].first);
      b[i / 2][2 * 3 + i % 2] = narrowed(c.products[i].second);
    }
    sums[2][3] = c.before;
    Tiles::open();
    Tiles::load<0>(sums, 64);
    Tiles::load<1>(a, 64);
    Tiles::load<2>(b, 64);
    Tiles::dot2<0, 1, 2>();
    Tiles::store<0>(sums, 64);
    Tiles::close();
    EXPECT_EQ(c.after, sums[2][3]);
  }
}

// A processor with tiles computes what they do as plain arrays, but for the order of its sums.
TEST(GemmF32, TilesEqualPlainArrays) {
  constexpr int64_t kM = 45, kN = 70, kK = 150;
  std::mt19937 gen(5);
  const auto numbers = [&](int64_t count) {
    std::vector<simd::bfloat16> v;
    std::uniform_int_distribution<int> exponent(-90, 20);
    std::uniform_real_distribution<float> d(-1, 1);
    for (; count > 0; --count) v.push_back(narrowed(std::ldexp(d(gen), exponent(gen))));
    return v;
  };
  const auto a = numbers(kM * kK), b = numbers(kK * kN);
  const MatrixLayout layout = MatrixLayout::rows(kK, kN, false);
  std::vector<std::vector<float>> results;
  for (const GemmF32Row& row : runnable_rows()) {
    if (!row.by_tiles()) continue;
    Aligned packed(packed_bytes(row, layout));
    pack(row, layout, b.data(), FloatType::bf16, packed.get());
    const GemmF32Weights weights(row, layout, packed.get());
    std::vector<float> out(kM * kN);
    GemmF32Call call;
    call.a_type = FloatType::bf16;
    call.a = RowSource::dense(a.data(), kK);
    call.out = out.data();
    call.out_stride = kN;
    Aligned scratch(scratch_bytes(weights, call));
    run(weights, call, {0, kM}, {0, weights.panels()}, scratch.get());
    results.push_back(out);
    for (int64_t m = 0; m < kM; ++m)
      for (int64_t n = 0; n < kN; ++n) {
        double size = 0;
        for (int64_t k = 0; k < kK; ++k)
          size += std::fabs(static_cast<double>(to_float(a[static_cast<size_t>(m * kK + k)])) *
                            static_cast<double>(to_float(b[static_cast<size_t>(k * kN + n)])));
        const auto at = static_cast<size_t>(m * kN + n);
        ASSERT_NEAR(out[at], results[0][at], 2 * (kK + 2) * (0x1p-24 * size + 0x1p-126))
            << row.name;
      }
  }
}

TEST(GemmF32, SelectsByInstructionSet) {
  const GemmF32Shape shape{100, MatrixLayout::rows(64, 64, false)};
  EXPECT_STREQ("gemm_f32_portable_4x8", select_gemm_f32(shape, {}).name);
  EXPECT_STREQ("gemm_f32_avx2_6x16", select_gemm_f32(shape, base::up_to(Isa::avxvnni)).name);
  EXPECT_STREQ("gemm_f32_avx512_14x32", select_gemm_f32(shape, base::up_to(Isa::avx512)).name);
  EXPECT_STREQ("gemm_f32_avx512_14x32", select_gemm_f32(shape, base::up_to(Isa::avx512bf16)).name);
  const GemmF32Shape bf16{100, MatrixLayout::rows(64, 64, false), FloatType::bf16};
  EXPECT_STREQ("gemm_f32_avx512_14x32", select_gemm_f32(bf16, base::up_to(Isa::avx512vnni)).name);
  EXPECT_STREQ("gemm_bf16_avx512bf16_14x32",
               select_gemm_f32(bf16, base::up_to(Isa::avx512bf16)).name);
  EXPECT_STREQ("gemm_bf16_amx_tiles_32x16", select_gemm_f32(bf16, base::up_to(Isa::amx)).name);
  EXPECT_STREQ("gemm_f32_avx512_14x32", select_gemm_f32(shape, base::up_to(Isa::amx)).name);
  for (const auto& [k, n] : {std::pair{31, 64}, std::pair{64, 16}}) {
    const GemmF32Shape small{100, MatrixLayout::rows(k, n, false), FloatType::bf16};
    EXPECT_STREQ("gemm_f32_avx512_14x32", select_gemm_f32(small, base::up_to(Isa::amx)).name);
  }
  const GemmF32Shape computed{-1, {}, FloatType::bf16};
  EXPECT_STREQ("gemm_bf16_amx_tiles_32x16", select_gemm_f32(computed, base::up_to(Isa::amx)).name);
}

}  // namespace
}  // namespace tersor::kernels
