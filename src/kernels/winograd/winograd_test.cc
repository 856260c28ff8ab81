#include "kernels/winograd/winograd.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <utility>
#include <vector>

#include "kernels/winograd/testing.h"
#include "kernels/winograd/tile_pixels.h"
#include "simd/emu.h"

namespace tersor::kernels {
namespace emu {
#include "kernels/winograd/winograd-inl.h"

template <int kBits, int kMr, int kLines>
WinogradRow row(const char* name) {
  using S = simd::Emu<kBits>;
  return {name,         base::Isa::portable,     kMr, 2 * S::kLanes, 2 * S::kLanes, kLines,
          transform<S>, panel<S, kMr, 2, kLines>};
}
}  // namespace emu

namespace {

using base::Isa;

std::vector<WinogradRow> runnable_rows() {
  return testing::runnable<WinogradRow>(
      winograd_rows(), {emu::row<128, 4, 1>("emu128"), emu::row<256, 6, 2>("emu256"),
                        emu::row<512, 5, 3>("emu512")});
}

enum class Fill { random, largest, smallest, mixed };

std::vector<uint8_t> bytes(int64_t n, unsigned seed, Fill fill, bool is_signed) {
  std::mt19937 gen(seed);
  const uint8_t low = is_signed ? 0x80 : 0, high = is_signed ? 0x7f : 0xff;
  std::vector<uint8_t> v(static_cast<size_t>(n));
  for (uint8_t& x : v)
    x = fill == Fill::random     ? static_cast<uint8_t>(gen())
        : fill == Fill::largest  ? high
        : fill == Fill::smallest ? low
        : gen() % 2              ? low
                                 : high;
  return v;
}

using testing::shape_of;

struct Aligned {
  explicit Aligned(size_t bytes) : storage(bytes + 64) {}
  std::byte* get() {
    const auto address = reinterpret_cast<uintptr_t>(storage.data());
    return storage.data() + ((address + 63) / 64 * 64 - address);
  }
  std::vector<std::byte> storage;
};

// Runs the row and the reference of gemm_u8s8; an empty string if both wrote the same bytes.
std::string compare(const WinogradRow& row, const ConvShape& s, int variant, Fill a_fill,
                    Fill b_fill, int threads) {
  const bool a_signed = variant % 2;
  const int32_t za = a_signed ? -3 : variant % 3 ? 0 : 131;
  const auto a = bytes(s.n * s.h * s.w * s.c, 1, a_fill, a_signed);
  const auto b = bytes(s.oc * s.c * 9, 2, b_fill, true);
  const auto* weights = reinterpret_cast<const int8_t*>(b.data());
  const std::vector<uint8_t> padding(static_cast<size_t>(s.c), static_cast<uint8_t>(za));
  const auto columns = static_cast<size_t>(s.oc);
  std::vector<int32_t> bias, sums(columns), folded(columns);
  std::vector<float> scale, residual(static_cast<size_t>(s.pixels() * s.oc), 1.5f);
  for (int64_t i = 0; i < s.oc; ++i) {
    bias.push_back(static_cast<int32_t>(i * 37 % 1001) - 500);
    scale.push_back(1e-5f * static_cast<float>(1 + i % 7));
  }
  GemmU8S8Call call;
  call.a_signed = a_signed;
  call.a = RowSource::pixels(a.data(), s, padding.data(), false);
  call.out_stride = s.oc + 1;
  GemmU8S8Epilogue& e = call.epilogue;
  e.kind = static_cast<GemmOutput>(variant % 4);
  e.bias = bias.data();
  e.scale = scale.data();
  e.small_scales = variant % 3 != 0;
  if (e.kind == GemmOutput::f32) e.residual = residual.data();
  e.residual_stride = s.oc;
  if (e.kind == GemmOutput::u8) e.zero = 20, e.qmin = 20, e.qmax = 250;
  if (e.kind == GemmOutput::s8) e.zero = -7, e.qmin = -128, e.qmax = 127;
  std::vector<std::byte> expected(static_cast<size_t>(s.pixels() * call.out_stride) * 4);
  std::vector<std::byte> out = expected;
  call.out = expected.data();
  MatrixLayout layout = conv_layout(s);
  layout.flatten = false;
  reference(layout, b.data(), true, {za, nullptr, 0}, call, s.pixels());

  Aligned packed(winograd_packed_bytes(row, s));
  const WinogradWeights w =
      winograd_pack(row, s, weights, reinterpret_cast<int8_t*>(packed.get()), sums.data());
  for (size_t n = 0; n < columns; ++n) folded[n] = bias[n] - (za + (a_signed ? 128 : 0)) * sums[n];
  e.bias = folded.data();
  call.out = out.data();
  const WorkSplit split = winograd_split(winograd_tiles(s), w, threads);
  Aligned scratch(winograd_scratch_bytes(w, split.m_chunk));
  for (int64_t i = 0; i < split.tasks(); ++i)
    winograd_run(w, call, split.rows(i), split.columns(i), scratch.get());
  for (size_t i = 0; i < out.size(); ++i)
    if (out[i] != expected[i])
      return std::string(row.name) + " byte " + std::to_string(i) + ": " +
             std::to_string(static_cast<int>(out[i])) + " instead of " +
             std::to_string(static_cast<int>(expected[i]));
  return "";
}

TEST(Winograd, EqualsTheDirectConvolution) {
  const ConvShape shapes[] = {shape_of(1, 6, 6, 16, 8, 0),   shape_of(1, 7, 9, 5, 33, 1),
                              shape_of(2, 8, 5, 34, 40, 1),  shape_of(1, 1, 1, 32, 7, 1),
                              shape_of(3, 14, 14, 3, 64, 1), shape_of(1, 9, 30, 64, 32, 2)};
  for (const WinogradRow& row : runnable_rows()) {
    int variant = 0;
    for (const ConvShape& s : shapes)
      for (int repeat = 0; repeat < 4; ++repeat, ++variant)
        ASSERT_EQ("", compare(row, s, variant, Fill::random, Fill::random, 1 + variant % 3))
            << s.h << " x " << s.w << ", " << s.c << " to " << s.oc << ", variant " << variant;
  }
}

// The largest sums, of the results and of the transforms on the way.
TEST(Winograd, IsExactOnExtremes) {
  for (const WinogradRow& row : runnable_rows())
    for (Fill a : {Fill::largest, Fill::smallest, Fill::mixed})
      for (Fill b : {Fill::largest, Fill::smallest, Fill::mixed})
        for (int64_t c : {64, 1820}) {
          const ConvShape s = shape_of(1, 5, 4, c, 3, 1);
          ASSERT_TRUE(winograd_fits(s));
          for (int variant : {0, 3}) ASSERT_EQ("", compare(row, s, variant, a, b, 1));
        }
}

TEST(Winograd, IsChosenForSuitableShapes) {
  const base::IsaSet vnni = base::up_to(Isa::avx512vnni);
  const WinogradRow* row = select_winograd(shape_of(1, 56, 56, 64, 64, 1), vnni);
  ASSERT_NE(nullptr, row);
  EXPECT_STREQ("winograd_avx512vnni_14x32", row->name);
  EXPECT_NE(nullptr, select_winograd(shape_of(1, 7, 7, 512, 512, 1), base::up_to(Isa::avx2)));
  EXPECT_EQ(nullptr, select_winograd(shape_of(1, 3, 3, 512, 512, 1), vnni));
  EXPECT_NE(nullptr, select_winograd(shape_of(1, 32, 32, 16, 16, 1), base::up_to(Isa::avx2)));
  EXPECT_EQ(nullptr, select_winograd(shape_of(1, 32, 32, 12, 16, 1), base::up_to(Isa::avx2)));
  EXPECT_EQ(nullptr, select_winograd(shape_of(1, 224, 224, 3, 64, 1), vnni));
  ConvShape strided = shape_of(1, 56, 56, 64, 64, 1);
  strided.stride_h = strided.stride_w = 2;
  EXPECT_EQ(nullptr, select_winograd(strided, vnni));
  ConvShape unknown = shape_of(1, 56, 56, 64, 64, 1);
  unknown.oh = -1;
  EXPECT_EQ(nullptr, select_winograd(unknown, vnni));
}

}  // namespace
}  // namespace tersor::kernels
