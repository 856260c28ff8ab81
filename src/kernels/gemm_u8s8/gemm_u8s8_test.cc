#include "kernels/gemm_u8s8/gemm_u8s8.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cstring>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "kernels/conv_common/testing.h"
#include "simd/emu.h"

namespace tersor::kernels {
namespace emu {
#include "kernels/gemm_u8s8/gemm_u8s8-inl.h"
#include "kernels/gemm_u8s8/panels-inl.h"
// They build on it.
#include "kernels/gemm_u8s8/fours-inl.h"
#include "kernels/gemm_u8s8/magnitudes-inl.h"
#include "kernels/tiles/tiles-inl.h"
// It builds on that.
#include "kernels/gemm_u8s8/tiles-inl.h"

template <int kBits, int kMr>
GemmU8S8Row quads(const char* name) {
  using S = simd::Emu<kBits>;
  return {name, base::Isa::portable, GemmU8S8Form::quads, kMr, 2 * S::kLanes, any_tile<S, kMr, 2>};
}
template <int kBits, int kMr>
GemmU8S8Row fours(const char* name) {
  using S = simd::Emu<kBits>;
  return {name,    base::Isa::portable,    GemmU8S8Form::fours, kMr, 2 * S::kLanes,
          nullptr, any_fours_panel<S, kMr>};
}
template <int kBits, int kMr>
GemmU8S8Row magnitudes(const char* name) {
  using S = simd::Emu<kBits>;
  return {name,    base::Isa::portable,          GemmU8S8Form::magnitudes, kMr, 2 * S::kLanes,
          nullptr, any_magnitudes_panel<S, kMr>, prepare_rows<S, kMr>};
}
GemmU8S8Row tiles(const char* name) {
  using S = simd::Emu<512>;
  return {name,
          base::Isa::portable,
          GemmU8S8Form::tiles,
          32,
          16,
          nullptr,
          any_tiles_panel<S>,
          nullptr,
          {copy_rows<S, simd::Emu<256>>, S::Tiles::open, S::Tiles::close}};
}
}  // namespace emu

namespace {

using base::Isa;

// What this machine can run, and every shape of tile over plain arrays.
std::vector<GemmU8S8Row> runnable_rows() {
  std::vector<GemmU8S8Row> rows;
  const base::IsaSet here = base::detect_isa();
  for (const GemmU8S8Row& row : gemm_u8s8_rows())
    if (here.has(row.isa)) rows.push_back(row);
  rows.push_back(emu::quads<128, 4>("emu128_4x8"));
  rows.push_back(emu::quads<256, 3>("emu256_3x16"));
  rows.push_back(emu::quads<512, 5>("emu512_5x32"));
  rows.push_back(emu::fours<128, 4>("emu128_fours_4x8"));
  rows.push_back(emu::fours<256, 3>("emu256_fours_3x16"));
  rows.push_back(emu::fours<512, 2>("emu512_fours_2x32"));
  rows.push_back(emu::magnitudes<128, 3>("emu128_magnitudes_3x8"));
  rows.push_back(emu::magnitudes<256, 4>("emu256_magnitudes_4x16"));
  rows.push_back(emu::magnitudes<512, 2>("emu512_magnitudes_2x32"));
  rows.push_back(emu::tiles("emu512_tiles_32x16"));
  return rows;
}

// low: one of 40 is the largest; small: within 32 of zero, few within 64.
enum class Fill { random, largest, smallest, mixed, low, small };

std::vector<uint8_t> bytes(size_t n, unsigned seed, Fill fill, bool is_signed) {
  std::mt19937 gen(seed);
  const uint8_t low = is_signed ? 0x80 : 0, high = is_signed ? 0x7f : 0xff;
  std::vector<uint8_t> v(n);
  for (uint8_t& x : v)
    x = fill == Fill::random     ? static_cast<uint8_t>(gen())
        : fill == Fill::largest  ? high
        : fill == Fill::smallest ? low
        : fill == Fill::small
            ? static_cast<uint8_t>((gen() % 100 ? gen() % 65 - 32 : gen() % 129 - 64) ^
                                   (is_signed ? 0 : 0x80))
        : fill == Fill::low ? static_cast<uint8_t>(gen() % 40 ? low + gen() % 128 : high)
        : gen() % 2         ? low
                            : high;
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

struct Problem {
  MatrixLayout layout;
  bool a_signed = false, b_signed = true;
  GemmU8S8Zeros zeros;
  int64_t m = 0;
  GemmU8S8Call call;  // out and the folded bias are filled in here
};

// Runs the row and the reference; an empty string if both wrote the same bytes, the gaps included.
std::string compare(const GemmU8S8Row& row, const Problem& problem, const std::vector<uint8_t>& b,
                    int threads) {
  const MatrixLayout& layout = problem.layout;
  const int64_t columns = layout.groups * layout.n;
  Aligned packed(packed_bytes(row, layout));
  std::vector<int32_t> sums(static_cast<size_t>(columns)), folded(sums), b_zero(sums);
  auto* data = reinterpret_cast<int8_t*>(packed.get());
  pack(row, layout, b.data(), problem.b_signed, data, sums.data());
  const GemmU8S8Weights weights(row, layout, data, problem.b_signed);
  GemmU8S8Call call = problem.call;
  call.a_signed = problem.a_signed;
  call.a_zero = problem.zeros.za;
  call.out_stride = columns + 3;
  std::vector<std::byte> expected(static_cast<size_t>(problem.m * call.out_stride) * 4);
  std::vector<std::byte> out = expected;
  call.out = expected.data();
  reference(layout, b.data(), problem.b_signed, problem.zeros, call, problem.m);
  const bool any =
      fold_zero_points(weights, sums.data(), problem.a_signed, problem.zeros.za, problem.zeros.zw,
                       problem.zeros.zw_count, call.epilogue.bias, folded.data(), b_zero.data());
  call.epilogue.bias = folded.data();
  call.epilogue.b_zero = any ? b_zero.data() : nullptr;
  call.out = out.data();
  Aligned scratch(scratch_bytes(weights));
  const WorkSplit split = split_work(weights, problem.m, threads);
  for (int64_t i = 0; i < split.tasks(); ++i)
    run(weights, call, split.rows(i), split.columns(i), scratch.get());
  for (size_t i = 0; i < out.size(); ++i)
    if (out[i] != expected[i])
      return std::string(row.name) + " byte " + std::to_string(i) + ": " +
             std::to_string(static_cast<int>(out[i])) + " instead of " +
             std::to_string(static_cast<int>(expected[i]));
  return "";
}

// The arrays an epilogue of `columns` columns needs.
struct Arrays {
  explicit Arrays(int64_t columns, int64_t rows) {
    std::mt19937 gen(9);
    std::uniform_real_distribution<float> d(0.0001f, 0.01f);
    for (int64_t i = 0; i < columns; ++i) {
      bias.push_back(static_cast<int32_t>(gen() % 4001) - 2000);
      zw.push_back(static_cast<int32_t>(gen() % 11));
      scale.push_back(d(gen));
      fbias.push_back(d(gen) * 100);
    }
    for (int64_t i = 0; i < rows * (columns + 1); ++i) residual.push_back(d(gen) * 1000);
  }
  std::vector<int32_t> bias, zw;
  std::vector<float> scale, fbias, residual;
};

void set_epilogue(GemmU8S8Epilogue& e, const Arrays& arrays, int variant, int64_t columns) {
  e.kind = static_cast<GemmOutput>(variant % 4);
  if (variant % 3) e.bias = arrays.bias.data();
  e.scale = arrays.scale.data();
  e.small_scales = variant % 2 == 0;
  if (variant % 5) e.fbias = arrays.fbias.data();
  if (variant % 2) e.residual = arrays.residual.data();
  e.residual_stride = columns + 1;
  if (variant % 7 == 0) e.min = 0, e.max = 6;
  if (e.kind == GemmOutput::u8) e.zero = variant % 256, e.qmin = variant % 20, e.qmax = 250;
  if (e.kind == GemmOutput::s8) e.zero = -7, e.qmin = -128, e.qmax = 127;
}

TEST(GemmU8S8, EqualsReferenceOnProducts) {
  constexpr Fill kWeights[] = {Fill::random, Fill::largest, Fill::smallest, Fill::mixed,
                               Fill::small};
  for (const GemmU8S8Row& row : runnable_rows()) {
    int variant = 0;
    for (int64_t m : {0, 1, row.mr - 1, row.mr, row.mr + 1, 3 * row.mr + 2, 5 * row.mr / 8})
      for (int64_t n : {1, row.nr - 1, row.nr, row.nr + 1, 2 * row.nr + 5})
        for (int64_t k : {0, 1, 2, 3, 4, 5, 19, 64}) {
          ++variant;
          Problem p;
          p.layout = MatrixLayout::rows(k, n, variant % 2);
          p.a_signed = variant / 2 % 2;
          p.b_signed = (variant / 4 + variant / 8) % 2;
          p.m = m;
          const Fill fill = static_cast<Fill>(variant % 5);
          const testing::AtPageEnd a(bytes(static_cast<size_t>(m * k), 1, fill, p.a_signed));
          const auto b =
              bytes(static_cast<size_t>(k * n), 2, kWeights[variant / 4 % 5], p.b_signed);
          const Arrays arrays(n, m);
          p.zeros.za = variant % 3 ? 0 : p.a_signed ? -5 : 131;
          p.zeros.zw = arrays.zw.data();
          p.zeros.zw_count = variant % 3 == 0 ? 0 : variant % 3 == 1 ? 1 : n;
          p.call.a = RowSource::dense(a.data(), k);
          set_epilogue(p.call.epilogue, arrays, variant, n);
          ASSERT_EQ("", compare(row, p, b, 1 + variant % 3)) << m << " " << n << " " << k;
        }
  }
}

TEST(GemmU8S8, EqualsReferenceOnConvolutions) {
  struct Case {
    int64_t n, h, w, c, oc, groups, kh, kw, stride, dilation, pad;
  };
  const Case cases[] = {
      {1, 7, 9, 3, 8, 1, 3, 3, 1, 1, 1},    {2, 8, 8, 16, 33, 1, 3, 3, 2, 1, 1},
      {1, 9, 5, 34, 40, 2, 3, 2, 1, 2, 2},  {2, 6, 6, 20, 10, 1, 1, 1, 2, 1, 0},
      {1, 1, 12, 18, 7, 1, 1, 5, 1, 1, 2},  {1, 4, 4, 12, 24, 4, 3, 3, 1, 1, 1},
      {2, 6, 20, 64, 40, 1, 3, 3, 1, 1, 1}, {1, 9, 5, 128, 33, 1, 2, 3, 1, 1, 1},
      {1, 3, 40, 64, 17, 1, 3, 3, 1, 1, 0}, {1, 1, 70, 64, 20, 1, 1, 3, 1, 1, 1},
      {2, 9, 6, 64, 40, 1, 3, 3, 2, 1, 1},  {1, 11, 10, 64, 33, 1, 3, 2, 3, 2, 2},
      {1, 12, 9, 64, 17, 1, 5, 3, 2, 3, 0}, {2, 6, 20, 64, 40, 1, 3, 3, 1, 1, 0},
      {3, 7, 5, 128, 33, 1, 3, 2, 1, 2, 0}, {2, 3, 3, 1024, 72, 1, 3, 3, 1, 1, 1},
  };
  for (const GemmU8S8Row& row : runnable_rows()) {
    int variant = 0;
    for (const Case& t : cases)
      for (int repeat = 0; repeat < 4; ++repeat) {
        ++variant;
        ConvShape s;
        s.n = t.n, s.h = t.h, s.w = t.w, s.c = t.c, s.oc = t.oc, s.groups = t.groups;
        s.kh = t.kh, s.kw = t.kw, s.stride_h = s.stride_w = t.stride;
        s.dilation_h = s.dilation_w = t.dilation;
        s.pad_top = t.h > 1 ? t.pad : 0, s.pad_left = t.pad;
        s.oh = (t.h + 2 * s.pad_top - t.dilation * (t.kh - 1) - 1) / t.stride + 1;
        s.ow = (t.w + 2 * t.pad - t.dilation * (t.kw - 1) - 1) / t.stride + 1;
        Problem p;
        p.layout = conv_layout(s);
        p.a_signed = variant % 2;
        p.b_signed = variant / 2 % 2;
        p.m = s.pixels();
        const testing::AtPageEnd a(
            bytes(static_cast<size_t>(s.n * s.h * s.w * s.c), 1, Fill::random, false));
        const auto b = bytes(static_cast<size_t>(s.oc * s.group_inputs() * s.positions()), 2,
                             variant % 5 < 3 ? Fill::small : Fill::random, p.b_signed);
        const Arrays arrays(s.oc, p.m);
        p.zeros.za = p.a_signed ? 3 : 120;
        p.zeros.zw = arrays.zw.data();
        p.zeros.zw_count = variant % 3 == 0 ? s.oc : 0;
        const std::vector<uint8_t> padding(static_cast<size_t>(s.group_inputs()),
                                           static_cast<uint8_t>(p.zeros.za));
        p.call.a = RowSource::pixels(a.data(), s, padding.data(), p.layout.flatten);
        set_epilogue(p.call.epilogue, arrays, variant, s.oc);
        ASSERT_EQ("", compare(row, p, b, 3)) << s.c << " " << s.kh << " " << variant;
      }
  }
}

// The nine taps of a channel side by side have a path of their own.
TEST(GemmU8S8, PacksTheSameFromEveryOrderOfMemory) {
  for (const GemmU8S8Row& row : gemm_u8s8_rows())
    for (int64_t k : {4, 12, 64})
      for (int64_t n : {1, 8, 17, 40})
        for (int variant = 0; variant < 8; ++variant) {
          MatrixLayout taps, channels;
          taps.groups = 1 + variant % 2, taps.n = n, taps.k = k, taps.positions = 9;
          taps.position_stride = 1, taps.k_stride = 9, taps.n_stride = 9 * k;
          taps.group_stride = 9 * k * n;
          taps.flatten = variant / 2 % 2;
          channels = taps;
          channels.position_stride = k, channels.k_stride = 1;
          const int64_t columns = taps.groups * n;
          const auto b = bytes(static_cast<size_t>(columns * 9 * k), 3, Fill::random, false);
          std::vector<uint8_t> moved(b.size());
          for (int64_t c = 0; c < columns; ++c)
            for (int64_t i = 0; i < 9 * k; ++i)
              moved[static_cast<size_t>(c * 9 * k + i % 9 * k + i / 9)] =
                  b[static_cast<size_t>(c * 9 * k + i)];
          std::vector<int8_t> got(packed_bytes(row, taps)), want(got.size(), 1);
          std::vector<int32_t> got_sums(static_cast<size_t>(columns)), want_sums(got_sums);
          const bool is_signed = variant / 4;
          pack(row, taps, b.data(), is_signed, got.data(), got_sums.data());
          pack(row, channels, moved.data(), is_signed, want.data(), want_sums.data());
          ASSERT_EQ(got, want) << row.name << " " << k << " " << n << " " << variant;
          ASSERT_EQ(got_sums, want_sums);
        }
}

// The sums that saturate in 16-bit pair kernels.
TEST(GemmU8S8, IsExactOnTheLargestSums) {
  for (const GemmU8S8Row& row : runnable_rows()) {
    const int64_t k = 1000;
    for (int b_value : {127, -128}) {
      const std::vector<uint8_t> a(static_cast<size_t>(k), 255);
      const std::vector<int8_t> b(static_cast<size_t>(k), static_cast<int8_t>(b_value));
      const MatrixLayout layout = MatrixLayout::rows(k, 1, false);
      Aligned packed(packed_bytes(row, layout));
      auto* data = reinterpret_cast<int8_t*>(packed.get());
      int32_t sums = 0, folded = 0, b_zero = 0;
      pack(row, layout, b.data(), true, data, &sums);
      const GemmU8S8Weights weights(row, layout, data);
      fold_zero_points(weights, &sums, false, 0, nullptr, 0, nullptr, &folded, &b_zero);
      Aligned scratch(scratch_bytes(weights));
      int32_t out = 0;
      GemmU8S8Call call;
      call.a = RowSource::dense(a.data(), k);
      call.out = &out;
      call.out_stride = 1;
      call.epilogue.bias = &folded;
      run(weights, call, {0, 1}, {0, 1}, scratch.get());
      EXPECT_EQ(255 * b_value * k, out) << row.name;
    }
  }
}

// Most of A within 128 numbers, and more quads with others than 16-bit sums take at once.
TEST(GemmU8S8, IsExactWithSomeHighDigits) {
  for (const GemmU8S8Row& row : runnable_rows())
    for (int zero : {0, 40, 131, 255})  // of A counted from its least
      for (int value : {-128, 127, 0}) {
        Problem p;
        const int64_t k = 2001, n = row.nr + 3;
        p.m = row.mr + 2;
        p.layout = MatrixLayout::rows(k, n, false);
        p.a_signed = value == 127;
        p.zeros.za = zero - (p.a_signed ? 128 : 0);
        auto a = bytes(static_cast<size_t>(p.m * k), 1, Fill::random, false);
        const int least = std::min(std::max(zero - 64, 0), 128);
        for (int64_t i = 0; i < p.m * k; ++i) {
          uint8_t& x = a[static_cast<size_t>(i)];
          const bool any = i % k / 4 % 3 == 0;
          const int number = any ? (value == 0   ? x
                                    : zero < 128 ? 255
                                                 : 0)
                                 : least + (value == 0 ? x % 128 : 127);
          x = static_cast<uint8_t>(number ^ (p.a_signed ? 0x80 : 0));
        }
        auto b = bytes(static_cast<size_t>(k * n), 2, Fill::random, true);
        if (value) std::fill(b.begin(), b.end(), static_cast<uint8_t>(value));
        p.call.a = RowSource::dense(a.data(), k);
        p.call.epilogue.kind = GemmOutput::s32;
        ASSERT_EQ("", compare(row, p, b, 1)) << zero << " " << value;
      }
}

// Sums of four at both ends of what 16 bits hold, beside quads that go beyond.
TEST(GemmU8S8, IsExactWhereFoursJustFit) {
  for (const GemmU8S8Row& row : runnable_rows())
    for (int sign : {1, -1})
      for (int more : {0, 1}) {
        Problem p;
        const int64_t k = 40, n = row.nr;
        p.m = row.mr;
        p.layout = MatrixLayout::rows(k, n, true);
        const std::vector<uint8_t> a(static_cast<size_t>(p.m * k), 255);
        std::vector<uint8_t> b(static_cast<size_t>(n * k));
        for (size_t i = 0; i < b.size(); ++i) {
          const int w = sign * (i % 8 < 4 ? 60 : 4);
          b[i] = static_cast<uint8_t>(w + (i == b.size() / 2 ? sign * more : 0));
        }
        EXPECT_EQ(adds_in_fours(p.layout, b.data(), true), true);
        p.call.a = RowSource::dense(a.data(), k);
        ASSERT_EQ("", compare(row, p, b, 1)) << sign << more;
      }
}

TEST(GemmU8S8, TellsWeightsThatAddInFours) {
  const MatrixLayout rows = MatrixLayout::rows(64, 48, true);
  auto b = bytes(64 * 48, 1, Fill::small, true);
  EXPECT_TRUE(adds_in_fours(rows, b.data(), true));
  for (uint8_t& x : b) x ^= 0x80;
  EXPECT_TRUE(adds_in_fours(rows, b.data(), false));
  EXPECT_FALSE(adds_in_fours(rows, b.data(), true));
  b = bytes(64 * 48, 1, Fill::random, true);
  EXPECT_FALSE(adds_in_fours(rows, b.data(), true));
}

TEST(GemmU8S8, SelectsByInstructionSet) {
  const GemmU8S8Shape shape{100, MatrixLayout::rows(64, 64, false)};
  EXPECT_STREQ("gemm_u8s8_portable_4x8", select_gemm_u8s8(shape, {}).name);
  EXPECT_STREQ("gemm_u8s8_avx2_magnitudes_4x16",
               select_gemm_u8s8(shape, base::up_to(Isa::avx2)).name);
  EXPECT_STREQ("gemm_u8s8_avxvnni_6x16", select_gemm_u8s8(shape, base::up_to(Isa::avxvnni)).name);
  EXPECT_STREQ("gemm_u8s8_avx512_magnitudes_8x32",
               select_gemm_u8s8(shape, base::up_to(Isa::avx512)).name);
  EXPECT_STREQ("gemm_u8s8_avx512vnni_14x32",
               select_gemm_u8s8(shape, base::up_to(Isa::avx512bf16)).name);
  EXPECT_STREQ("gemm_u8s8_amx_tiles_32x16", select_gemm_u8s8(shape, base::up_to(Isa::amx)).name);
  GemmU8S8Shape computed = shape;
  computed.constant = false;
  EXPECT_STREQ("gemm_u8s8_amx_tiles_32x16", select_gemm_u8s8(computed, base::up_to(Isa::amx)).name);
  GemmU8S8Shape small = shape;
  small.fours = true;
  EXPECT_STREQ("gemm_u8s8_avx2_fours_4x16", select_gemm_u8s8(small, base::up_to(Isa::avx2)).name);
  EXPECT_STREQ("gemm_u8s8_avxvnni_6x16", select_gemm_u8s8(small, base::up_to(Isa::avxvnni)).name);
  EXPECT_STREQ("gemm_u8s8_avx512_fours_8x32",
               select_gemm_u8s8(small, base::up_to(Isa::avx512)).name);
  EXPECT_STREQ("gemm_u8s8_avx512vnni_14x32",
               select_gemm_u8s8(small, base::up_to(Isa::avx512bf16)).name);
  EXPECT_STREQ("gemm_u8s8_avx2_4x16", select_gemm_u8s8(computed, base::up_to(Isa::avx2)).name);
  EXPECT_STREQ("gemm_u8s8_avx512_10x32", select_gemm_u8s8(computed, base::up_to(Isa::avx512)).name);
}

}  // namespace
}  // namespace tersor::kernels
