// Families of plain loops, which memory bounds where arithmetic does not: each build, in arrays of
// the size of each level of memory.
#include <algorithm>
#include <chrono>
#include <memory>
#include <random>

#include "cases.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/elementwise/quantized_binary.h"
#include "kernels/layernorm/layernorm.h"
#include "kernels/lut/lut.h"
#include "kernels/pool/pool.h"
#include "kernels/quantize/quantize.h"
#include "kernels/softmax/softmax.h"
#include "memory.h"
#include "results.h"

namespace tersor::bench_kernels {
namespace {

using namespace kernels;
using base::Isa;
using base::IsaSet;
using Run = std::function<void()>;

// Inputs and output of n elements; as floats within [-4, 4], as bytes anything.
struct Arrays {
  Memory a, b;
  Results<uint8_t> y;
  std::vector<const uint8_t*> pixels;

  template <typename T>
  T* out() {
    return reinterpret_cast<T*>(y.out.data());
  }
};

struct Family {
  const char* name;
  int in, out;  // bytes of an element
  Isa (*build)(IsaSet);
  Run (*make)(IsaSet, Arrays&, int64_t n);
  const char* mix = "";  // where the loop computes
};

constexpr int64_t kSoftmaxRow = 1024, kLayernormRow = 1024, kPoolChannels = 256, kWindow = 9;
constexpr int64_t kUnit = 4096;  // every n is a multiple of it, and it of the numbers above

template <auto kTable>
Isa build_of(IsaSet isa) {
  return kTable(isa).isa;
}

Run make_quantize(IsaSet isa, Arrays& v, int64_t n) {
  return [f = quantize::table(isa).u8.quantize, x = v.a.as<float>(), y = v.out<uint8_t>(), n] {
    f(x, y, n, {0.02f, 128});
  };
}
Run make_dequantize(IsaSet isa, Arrays& v, int64_t n) {
  return [f = quantize::table(isa).u8.dequantize, x = v.a.as<uint8_t>(), y = v.out<float>(), n] {
    f(x, y, n, 0.02f, 128);
  };
}
template <elementwise::Unary kUnary>
Run make_unary(IsaSet isa, Arrays& v, int64_t n) {
  return [f = elementwise::table(isa).unary(kUnary), x = v.a.as<float>(), y = v.out<float>(), n] {
    f(x, y, n, {});
  };
}
Run make_add(IsaSet isa, Arrays& v, int64_t n) {
  const auto f =
      elementwise::table(isa).binary(elementwise::Binary::add, elementwise::Pattern::vector_vector);
  return [=, a = v.a.as<float>(), b = v.b.as<float>(), y = v.out<float>()] { f(a, b, y, n, {}); };
}
Run make_byte_add(IsaSet isa, Arrays& v, int64_t n) {
  const auto& table = elementwise::byte_table(isa);
  const auto f = table.binary(elementwise::Binary::add, elementwise::Pattern::vector_vector);
  elementwise::ByteBinaryCall call{{0.02f, 128}, {0.03f, 120}, {0.035f, 124}};
  call.estimate = table.settle(elementwise::Binary::add, call);
  return [=, a = v.a.as<uint8_t>(), b = v.b.as<uint8_t>(), y = v.out<uint8_t>()] {
    f(a, b, y, n, call);
  };
}
Run make_lut(IsaSet isa, Arrays& v, int64_t n) {
  return [f = lut::table(isa).bytes, x = v.a.as<uint8_t>(), y = v.out<uint8_t>(), n] {
    f(x, x, y, n);  // any 256 entries
  };
}
Run make_softmax(IsaSet isa, Arrays& v, int64_t n) {
  return [f = softmax::table(isa).softmax, x = v.a.as<float>(), y = v.out<float>(), n] {
    f(x, y, n / kSoftmaxRow, kSoftmaxRow);
  };
}
Run make_layernorm(IsaSet isa, Arrays& v, int64_t n) {
  layernorm::Call call;
  call.x = v.a.as<float>();
  call.y = v.out<float>();
  return [=, f = layernorm::table(isa).layernorm] { f(call, n / kLayernormRow, kLayernormRow); };
}
Run make_max_pool(IsaSet isa, Arrays& v, int64_t n) {
  v.pixels.clear();
  for (int64_t i = 0; i < kWindow; ++i) v.pixels.push_back(v.a.as<uint8_t>() + i * kPoolChannels);
  const pool::Run run{kWindow, kWindow * kPoolChannels, n / kPoolChannels, kPoolChannels};
  return [f = pool::table(isa).u8.max, rows = v.pixels.data(), y = v.out<uint8_t>(), run] {
    f(rows, run, y);
  };
}

constexpr Family kFamilies[] = {
    {"quantize_u8", 4, 1, build_of<quantize::table>, make_quantize, "quantize"},
    {"dequantize_u8", 1, 4, build_of<quantize::table>, make_dequantize, "dequantize"},
    {"add_u8", 2, 1, build_of<elementwise::byte_table>, make_byte_add, "add_bytes"},
    {"lut_u8", 1, 1, build_of<lut::table>, make_lut, "look_up"},
    {"max_pool_u8", kWindow, 1, build_of<pool::table>, make_max_pool, "nine_pixels"},
    {"add_f32", 8, 4, build_of<elementwise::table>, make_add},
    {"relu_f32", 4, 4, build_of<elementwise::table>, make_unary<elementwise::Unary::relu>},
    {"gelu_f32", 4, 4, build_of<elementwise::table>, make_unary<elementwise::Unary::gelu>, "gelu"},
    {"softmax_f32", 4, 4, build_of<softmax::table>, make_softmax, "softmax"},
    {"layernorm_f32", 4, 4, build_of<layernorm::table>, make_layernorm, "layernorm"},
};

struct Level {
  const char* name;
  int64_t bytes;     // of all arrays together
  bool far = false;  // memory decides
};
constexpr Level kLevels[] = {{"L1", 16 << 10}, {"L2", 384 << 10}, {"DRAM", 64 << 20, true}};

std::string describe(const Family& f, const Level& level) {
  return fmt::format("{} in {}", f.name, level.name);
}
std::string row_name(const Family& f, Isa isa) {
  return fmt::format("{}_{}", f.name, base::name(isa));
}

// The builds of a family by the smallest set that gives them.
std::vector<IsaSet> builds(const Family& f, IsaSet isa) {
  std::vector<IsaSet> sets;
  for (Isa each : {Isa::portable, Isa::avx2, Isa::avx512})
    if (isa.has(each) && f.build(base::up_to(each)) == each) sets.push_back(base::up_to(each));
  return sets;
}

// Both bound a row: the slower one is its limit.
struct Limit {
  Run run;
  const char* name;
};
Limit limit_of(const Family& f, Isa build, int64_t n) {
  const Limit limits[] = {{make_stream(build, n * f.in, n * f.out), "stream"},
                          {make_mix(f.mix, build, static_cast<double>(n)), f.mix}};
  if (!limits[0].run || !limits[1].run) return limits[limits[1].run ? 1 : 0];
  // By turns, for longer than what disturbs.
  constexpr int kTurns = 5;
  constexpr double kTurn = 3e4, kAll = 6e6;
  double best[2] = {1e18, 1e18}, spent = 0;
  for (int turn = 0; turn < kTurns || spent < kAll; ++turn)
    for (int i = 0; i < 2; ++i) {
      const auto repeats = std::max<int64_t>(1, static_cast<int64_t>(kTurn / best[i]));
      const auto start = std::chrono::steady_clock::now();
      for (int64_t j = 0; j < repeats; ++j) limits[i].run();
      const std::chrono::duration<double, std::nano> took =
          std::chrono::steady_clock::now() - start;
      best[i] = std::min(best[i], took.count() / static_cast<double>(repeats));
      spent += took.count();
    }
  return limits[best[1] > best[0] ? 1 : 0];
}

Case stream_case(const Family& f, const Level& level, IsaSet isa) {
  const int64_t n = std::max<int64_t>(level.bytes / (f.in + f.out) / kUnit, 1) * kUnit;
  const int64_t in = n * f.in, out = n * f.out;
  auto arrays = std::make_shared<Arrays>(Arrays{Memory(in), Memory(in), {}, {}});
  arrays->y.out.resize(static_cast<size_t>(out));
  std::mt19937 gen(1);
  std::uniform_real_distribution<float> value(-4, 4);
  for (Memory* memory : {&arrays->a, &arrays->b})
    for (int64_t i = 0; i < in / 4; ++i) memory->as<float>()[i] = value(gen);
  Case c{describe(f, level),
         static_cast<double>(in + out),
         "GB/s",
         row_name(f, f.build(isa)),
         {},
         [arrays] { return arrays->y.wrong(); },
         !level.far};
  for (const IsaSet& set : builds(f, isa)) {
    const Isa build = f.build(set);
    const Limit limit = limit_of(f, build, n);
    c.candidates.push_back(
        {row_name(f, build), build, f.make(set, *arrays, n), limit.run, limit.name});
  }
  return c;
}

}  // namespace

std::vector<Plan> stream_plans() {
  std::vector<Plan> plans;
  for (const Family& f : kFamilies)
    for (const Level& level : kLevels)
      plans.push_back(
          {describe(f, level), [&f, &level](IsaSet isa) { return stream_case(f, level, isa); }});
  return plans;
}

}  // namespace tersor::bench_kernels
