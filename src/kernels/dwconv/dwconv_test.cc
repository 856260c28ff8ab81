#include "kernels/dwconv/dwconv.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include "kernels/halves/testing.h"
#include "simd/emu.h"

namespace tersor::kernels {
namespace emu {
#include "kernels/dwconv/dwconv_f32-inl.h"
#include "kernels/dwconv/dwconv_u8s8-inl.h"
#include "kernels/dwconv/pairs-inl.h"
#include "kernels/dwconv/slide-inl.h"
}  // namespace emu

namespace {

using base::Isa;
using simd::Emu;

std::vector<DwconvF32Row> f32_rows() {
  std::vector<DwconvF32Row> rows;
  const base::IsaSet here = base::detect_isa();
  for (const DwconvF32Row& row : dwconv_f32_rows())
    if (here.has(row.isa)) rows.push_back(row);
  rows.push_back({"emu128", Isa::portable, 4, 4, emu::any_dw_tile<Emu<128>, 4, 1>,
                  emu::any_dw_line<Emu<128>>, 4, emu::any_dw_slide<Emu<128>, 2>, 2});
  rows.push_back({"emu256", Isa::portable, 4, 16, emu::any_dw_tile<Emu<256>, 4, 2>,
                  emu::any_dw_line<Emu<256>>, 8, emu::any_dw_slide<Emu<256>, 4>, 4});
  rows.push_back({"emu512", Isa::portable, 4, 32, emu::any_dw_tile<Emu<512>, 4, 2>,
                  emu::any_dw_line<Emu<512>>, 16, emu::any_dw_slide<Emu<512>, 3>, 3});
  return rows;
}

std::vector<DwconvU8S8Row> u8s8_rows() {
  std::vector<DwconvU8S8Row> rows;
  const base::IsaSet here = base::detect_isa();
  for (const DwconvU8S8Row& row : dwconv_u8s8_rows())
    if (here.has(row.isa)) rows.push_back(row);
  rows.push_back({"emu128", Isa::portable, 2, 16, emu::any_dw_tile<Emu<128>, 2>,
                  emu::any_dw_line<Emu<128>>, nullptr, emu::any_dw_slide<Emu<128>>});
  rows.push_back({"emu256", Isa::portable, 2, 32, emu::any_dw_tile<Emu<256>, 2>,
                  emu::any_dw_line<Emu<256>>, nullptr, emu::any_dw_slide<Emu<256>>});
  rows.push_back({"emu512", Isa::portable, 2, 64, emu::any_dw_tile<Emu<512>, 2>,
                  emu::any_dw_line<Emu<512>>, nullptr, emu::any_dw_slide<Emu<512>>});
  rows.push_back({"emu128_pairs", Isa::portable, 2, 16, emu::any_dw_tile<Emu<128>, 2>, nullptr,
                  emu::any_dw_pairs<Emu<128>>});
  rows.push_back({"emu256_pairs", Isa::portable, 2, 32, emu::any_dw_tile<Emu<256>, 2>, nullptr,
                  emu::any_dw_pairs<Emu<256>>});
  rows.push_back({"emu512_pairs", Isa::portable, 2, 64, emu::any_dw_tile<Emu<512>, 2>, nullptr,
                  emu::any_dw_pairs<Emu<512>>});
  return rows;
}

struct Case {
  int64_t n, h, w, kh, kw, stride, dilation, pad;
};
constexpr Case kCases[] = {{1, 7, 9, 3, 3, 1, 1, 1},  {2, 8, 6, 3, 3, 2, 1, 1},
                           {1, 9, 11, 5, 5, 1, 1, 2}, {1, 7, 7, 3, 3, 1, 1, 1},
                           {1, 6, 20, 3, 5, 2, 1, 2}, {1, 3, 2, 3, 3, 1, 1, 1},
                           {1, 9, 15, 3, 3, 1, 1, 0}, {1, 10, 7, 3, 2, 1, 2, 2},
                           {1, 1, 11, 1, 7, 1, 1, 3}, {1, 5, 8, 3, 3, 1, 1, 3}};

ConvShape shape_of(const Case& t, int64_t channels) {
  ConvShape s;
  s.n = t.n, s.h = t.h, s.w = t.w, s.c = s.oc = s.groups = channels;
  s.kh = t.kh, s.kw = t.kw, s.stride_h = s.stride_w = t.stride;
  s.dilation_h = s.dilation_w = t.dilation;
  s.pad_top = t.h > 1 ? t.pad : 0, s.pad_left = t.pad;
  s.oh = (t.h + 2 * s.pad_top - t.dilation * (t.kh - 1) - 1) / t.stride + 1;
  s.ow = (t.w + 2 * t.pad - t.dilation * (t.kw - 1) - 1) / t.stride + 1;
  return s;
}

std::vector<int64_t> channels_around(int64_t block) {
  return {1, block - 1, block, block + 1, 2 * block + 3};
}

TEST(DwconvF32, MatchesReference) {
  std::mt19937 gen(1);
  std::uniform_real_distribution<float> d(-1, 1);
  size_t variant = 0;
  for (const DwconvF32Row& row : f32_rows())
    for (const Case& t : kCases)
      for (int64_t channels : channels_around(row.block)) {
        const ConvShape s = shape_of(t, channels);
        std::vector<float> in(static_cast<size_t>(s.n * s.h * s.w * s.c));
        std::vector<float> w(static_cast<size_t>(s.c * s.positions()));
        std::vector<float> bias(static_cast<size_t>(s.c)), padding(bias.size());
        for (auto* v : {&in, &w, &bias})
          for (float& x : *v) x = d(gen);
        const FloatType type = testing::kFloatTypes[variant++ % 3];
        const auto pixels = testing::stored(in, type);
        std::vector<float> packed(packed_bytes(row, s) / 4);
        pack(row, s, w.data(), packed.data());
        std::vector<void*> scratch(scratch_bytes(row, s) / 8);
        std::vector<float> expected(static_cast<size_t>(s.pixels() * s.c));
        auto bytes_out = testing::stored(expected, type);
        DwconvF32Call call;
        call.in = in.data();
        call.padding = padding.data();
        if (channels % 2) call.bias = bias.data(), call.min = 0, call.max = 1;
        call.out = expected.data();
        reference(s, w.data(), call);
        call.type = type;
        call.in = pixels.data();
        call.out = bytes_out.data();
        auto* bytes = reinterpret_cast<std::byte*>(scratch.data());
        run(row, s, packed.data(), call, {0, 1}, bytes);
        run(row, s, packed.data(), call, {1, s.n * s.oh}, bytes);
        const double products = static_cast<double>(s.positions()) + 1;
        const double bound = products * products * 0x1p-24;
        const std::vector<float> out = testing::loaded(bytes_out, type);
        for (size_t i = 0; i < out.size(); ++i)
          ASSERT_NEAR(out[i], expected[i], bound + testing::rounding(type, products))
              << row.name << " " << i;
      }
}

TEST(DwconvU8S8, EqualsReference) {
  std::mt19937 gen(1);
  for (const DwconvU8S8Row& row : u8s8_rows()) {
    int variant = 0;
    for (const Case& t : kCases)
      for (int64_t channels : channels_around(row.block))
        for (int repeat = 0; repeat < 4; ++repeat) {
          ++variant;
          const ConvShape s = shape_of(t, channels);
          std::vector<uint8_t> in(static_cast<size_t>(s.n * s.h * s.w * s.c));
          std::vector<int8_t> w(static_cast<size_t>(s.c * s.positions()));
          for (uint8_t& x : in) x = static_cast<uint8_t>(variant % 3 ? gen() : 255);
          for (int8_t& x : w) x = static_cast<int8_t>(variant % 3 ? gen() : 127);
          std::vector<int32_t> bias, zw;
          std::vector<float> scale, fbias;
          for (int64_t c = 0; c < s.c; ++c) {
            bias.push_back(static_cast<int32_t>(gen() % 2001) - 1000);
            zw.push_back(static_cast<int32_t>(gen() % 9) + 124);
            scale.push_back(static_cast<float>(gen() % 1000) * 1e-5f);
            fbias.push_back(static_cast<float>(gen() % 1000) * 1e-2f);
          }
          DwconvU8S8Constants k;
          k.a_signed = variant % 2;
          k.za = k.a_signed ? -9 : 7;
          if (variant % 5 == 0) {  // unsigned weights about 128
            k.w_signed = false;
            for (int8_t& x : w) x = static_cast<int8_t>(60 + gen() % 120);
            k.zw = zw.data();
            k.zw_count = variant % 2 ? 1 : s.c;
          }
          k.bias = bias.data();
          k.scale = scale.data();
          if (variant % 7) k.fbias = fbias.data();
          ASSERT_TRUE(dwconv_u8s8_fits(s, w.data(), k));
          const std::vector<uint8_t> padding(static_cast<size_t>(s.c), static_cast<uint8_t>(k.za));
          std::vector<std::byte> packed(packed_bytes(row, s));
          pack(row, s, w.data(), k, packed.data());
          std::vector<void*> scratch(scratch_bytes(row, s) / 8);
          std::vector<std::byte> expected(static_cast<size_t>(s.pixels() * s.c) * 4), out(expected);
          DwconvU8S8Call call;
          call.in = in.data();
          call.padding = padding.data();
          call.a_signed = k.a_signed;
          call.kind = static_cast<GemmOutput>(variant / 2 % 4);
          if (call.kind == GemmOutput::u8) call.zero = 12, call.qmin = 12, call.qmax = 240;
          if (call.kind == GemmOutput::s8) call.zero = -3, call.qmin = -128, call.qmax = 127;
          call.small_scales = variant % 2 == 0;
          if (call.kind == GemmOutput::f32) call.min = -100, call.max = 90;
          call.out = expected.data();
          reference(s, w.data(), k, call);
          call.out = out.data();
          auto* bytes = reinterpret_cast<std::byte*>(scratch.data());
          run(row, s, packed.data(), call, {0, 1}, bytes);
          run(row, s, packed.data(), call, {1, s.n * s.oh}, bytes);
          ASSERT_EQ(expected, out) << row.name << " " << channels << " " << variant;
        }
  }
}

TEST(DwconvU8S8, RefusesWeightsThatDoNotFit) {
  ConvShape s;
  s.c = s.oc = s.groups = 2;
  const int8_t w[] = {100, -100};
  const int32_t zw = -30;
  DwconvU8S8Constants k;
  EXPECT_TRUE(dwconv_u8s8_fits(s, w, k));
  k.zw = &zw;
  k.zw_count = 1;
  EXPECT_FALSE(dwconv_u8s8_fits(s, w, k));
}

TEST(Dwconv, SelectsByInstructionSet) {
  EXPECT_STREQ("dwconv_f32_portable_4x4", select_dwconv_f32({}).name);
  EXPECT_STREQ("dwconv_f32_avx2_4x16", select_dwconv_f32(base::up_to(Isa::avx2)).name);
  EXPECT_STREQ("dwconv_u8s8_avxvnni_2x32", select_dwconv_u8s8(64, base::up_to(Isa::avxvnni)).name);
  EXPECT_STREQ("dwconv_u8s8_avx512_pairs_2x64",
               select_dwconv_u8s8(64, base::up_to(Isa::avx512)).name);
  const base::IsaSet vnni = base::up_to(Isa::avx512vnni);
  EXPECT_STREQ("dwconv_u8s8_avx512vnni_2x64", select_dwconv_u8s8(144, vnni).name);
  EXPECT_STREQ("dwconv_u8s8_avx512vnni_2x32", select_dwconv_u8s8(96, vnni).name);
  EXPECT_STREQ("dwconv_u8s8_avx512vnni_2x32", select_dwconv_u8s8(32, vnni).name);
  EXPECT_STREQ("dwconv_u8s8_avx512vnni_2x32", select_dwconv_u8s8(8, vnni).name);
}

}  // namespace
}  // namespace tersor::kernels
