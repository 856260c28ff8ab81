#include "ops/detail/pool_step.h"

#include <algorithm>
#include <array>
#include <limits>

#include "base/error.h"
#include "kernels/pool/pool.h"
#include "ops/detail/product.h"

namespace tersor::ops::detail {
namespace {

namespace kp = kernels::pool;

// How many bytes of input one task shall read at least.
constexpr int64_t kTaskElements = 16384;

struct PoolStep {
  PoolKind kind;
  bool global, padding_counts;
  Window window;
  const kp::Table* table;
  DType dtype;                        // of input and output elements
  std::optional<ByteFormat> in, out;  // average of bytes
  std::optional<ByteMap> recode;      // behind a maximum, if the output has another format
  DType recoded = DType::kUndefined;

  void operator()(runtime::StepContext& c) const;
  template <typename T>
  void slide(runtime::StepContext& c, const Tensor& x, Tensor& y,
             const std::array<WindowAxis, 3>& axes) const;
  template <typename T>
  void whole(runtime::StepContext& c, const Tensor& x, Tensor& y, int64_t pixels) const;
  template <typename T>
  const kp::Bytes<T>& bytes() const {
    if constexpr (std::is_same_v<T, uint8_t>)
      return table->u8;
    else
      return table->s8;
  }
  kp::ByteAverage average(int64_t divisor) const {
    const int32_t low = out->is_signed ? -128 : 0;
    return {kp::average_multiplier(in->scale, out->scale, divisor), in->zero, out->zero, low,
            low + 255};
  }
  // Output pixels of as many input pixels each.
  template <typename T>
  void pool(const T* const* rows, const kp::Run& of, int64_t divisor, T* y) const {
    if (kind == PoolKind::kMax) {
      if (of.count == 0) {
        std::fill(y, y + of.run * of.channels,
                  std::numeric_limits<T>::has_infinity ? static_cast<T>(-HUGE_VALF)
                                                       : std::numeric_limits<T>::lowest());
      } else if constexpr (std::is_same_v<T, float>) {
        table->max_f32(rows, of, y);
      } else {
        bytes<T>().max(rows, of, y);
      }
    } else if constexpr (std::is_same_v<T, float>) {
      table->average_f32(rows, of, y, static_cast<float>(std::max<int64_t>(divisor, 1)));
    } else {
      bytes<T>().average(rows, of, y, average(std::max<int64_t>(divisor, 1)));
    }
  }
};

// Taps of an output along one axis that lie inside the padded input.
int64_t padded(const WindowAxis& a, int64_t o) {
  const int64_t room = a.in + a.end - (o * a.stride - a.begin);
  return std::clamp<int64_t>((room + a.dilation - 1) / a.dilation, 0, a.kernel);
}

// The outputs along one axis whose taps all lie inside the input.
kernels::Range whole_windows(const WindowAxis& a) {
  const int64_t begin = std::clamp<int64_t>((a.begin + a.stride - 1) / a.stride, 0, a.out);
  const int64_t last = a.in - 1 - (a.kernel - 1) * a.dilation + a.begin;
  return {begin, last < 0 ? begin : std::clamp(last / a.stride + 1, begin, a.out)};
}

template <typename T>
void PoolStep::slide(runtime::StepContext& c, const Tensor& x, Tensor& y,
                     const std::array<WindowAxis, 3>& axes) const {
  const auto& [az, ay, ax] = axes;
  const int64_t channels = x.dims().back(), images = x.dim(0);
  const int64_t image_size = az.in * ay.in * ax.in * channels;
  const T* in_data = reinterpret_cast<const T*>(x.raw());
  T* out_data = reinterpret_cast<T*>(y.raw_mutable());
  const int64_t window_size = az.kernel * ay.kernel * ax.kernel;
  const int64_t lines = images * az.out * ay.out;
  const int64_t cost =
      std::max<int64_t>(1, ax.out * channels * std::min<int64_t>(window_size, 1 << 20));
  const WorkerScratch scratch(c, static_cast<size_t>(window_size) * sizeof(void*));
  const kernels::Range inside = whole_windows(ax);
  c.pool->parallel_for(lines, std::max<int64_t>(1, kTaskElements / cost),
                       [&](int64_t begin, int64_t end, int worker) {
                         auto** rows = reinterpret_cast<const T**>(scratch.of(worker));
                         for (int64_t line = begin; line < end; ++line) {
                           const int64_t oy = line % ay.out, oz = line / ay.out % az.out,
                                         image = line / (ay.out * az.out);
                           const T* base = in_data + image * image_size;
                           T* to = out_data + line * ax.out * channels;
                           const int64_t z0 = az.first_tap(oz), z1 = az.last_tap(oz);
                           const int64_t y0 = ay.first_tap(oy), y1 = ay.last_tap(oy);
                           const int64_t padded_lines = padded(az, oz) * padded(ay, oy);
                           kp::Run of{0, ax.stride * channels, 1, channels};
                           for (int64_t ox = 0; ox < ax.out; ox += of.run) {
                             of.run = ox == inside.begin ? std::max<int64_t>(1, inside.size()) : 1;
                             const int64_t x0 = ax.first_tap(ox), x1 = ax.last_tap(ox);
                             of.count = 0;
                             for (int64_t kz = z0; kz < z1; ++kz) {
                               const int64_t iz = oz * az.stride - az.begin + kz * az.dilation;
                               for (int64_t ky = y0; ky < y1; ++ky) {
                                 const int64_t iy = oy * ay.stride - ay.begin + ky * ay.dilation;
                                 const int64_t ix = ox * ax.stride - ax.begin;
                                 const T* from = base + ((iz * ay.in + iy) * ax.in + ix) * channels;
                                 for (int64_t kx = x0; kx < x1; ++kx)
                                   rows[of.count++] = from + kx * ax.dilation * channels;
                               }
                             }
                             pool<T>(rows, of,
                                     padding_counts ? padded_lines * padded(ax, ox) : of.count,
                                     to + ox * channels);
                           }
                         }
                       });
}

template <typename T>
void PoolStep::whole(runtime::StepContext& c, const Tensor& x, Tensor& y, int64_t pixels) const {
  const int64_t channels = x.dims().back(), images = x.dim(0);
  const T* in_data = reinterpret_cast<const T*>(x.raw());
  T* out_data = reinterpret_cast<T*>(y.raw_mutable());
  constexpr int64_t kChannels = 64;
  const int64_t pieces = (channels + kChannels - 1) / kChannels;
  const int64_t cost = std::max<int64_t>(1, pixels * std::min(channels, kChannels));
  const WorkerScratch scratch(
      c, kind == PoolKind::kMax ? static_cast<size_t>(pixels) * sizeof(void*) : 0);
  c.pool->parallel_for(images * pieces, std::max<int64_t>(1, kTaskElements / cost),
                       [&](int64_t begin, int64_t end, int worker) {
                         for (int64_t i = begin; i < end; ++i) {
                           const int64_t first = i % pieces * kChannels,
                                         some = std::min(kChannels, channels - first);
                           const T* from = in_data + i / pieces * pixels * channels + first;
                           T* to = out_data + i / pieces * channels + first;
                           if (kind == PoolKind::kMax || pixels == 0) {
                             auto** rows = reinterpret_cast<const T**>(scratch.of(worker));
                             for (int64_t p = 0; p < pixels; ++p) rows[p] = from + p * channels;
                             pool<T>(rows, {pixels, 0, 1, some}, pixels, to);
                           } else if constexpr (std::is_same_v<T, float>) {
                             table->global_f32(from, pixels, channels, some, to);
                           } else {
                             bytes<T>().global(from, pixels, channels, some, to, average(pixels));
                           }
                         }
                       });
}

void PoolStep::operator()(runtime::StepContext& c) const {
  const Tensor& x = c.in(0);
  Dims dims{x.dims().front()};
  const auto spatial = std::span(x.dims()).subspan(1, x.dims().size() - 2);
  std::array<WindowAxis, 3> axes{};
  for (WindowAxis& a : axes) a.out = 1;
  if (!global) {
    const std::vector<WindowAxis> placed = window.place(spatial);
    std::ranges::copy(placed, axes.end() - static_cast<int64_t>(placed.size()));
    for (const WindowAxis& a : placed) dims.push_back(a.out);
  } else {
    dims.resize(spatial.size() + 1, 1);
  }
  dims.push_back(x.dims().back());
  Tensor& y = c.make(0, dtype, dims);
  const int64_t pixels = base::element_count(spatial);
  const auto run = [&]<typename T>() {
    if (global)
      whole<T>(c, x, y, pixels);
    else
      slide<T>(c, x, y, axes);
  };
  if (dtype == DType::kFloat32)
    run.template operator()<float>();
  else if (dtype == DType::kUint8)
    run.template operator()<uint8_t>();
  else
    run.template operator()<int8_t>();
  if (recode) c.outputs[0] = mapped(c, *recode, Tensor(y), recoded);
}

}  // namespace

std::optional<runtime::Bound> bind_pool(const ir::Node& node, const runtime::BindContext& c,
                                        PoolKind kind, bool global) {
  if (!c.has(0) || !c.has_output(0) || c.has_output(1)) return {};
  const runtime::Wire &x = c.in(0), &y = c.outputs[0];
  if (!channels_last(x) || !channels_last(y) || x.rank < 3 || (!global && x.rank > 5)) return {};
  PoolStep step{kind, global, node.attr_int("count_include_pad", 0) != 0, {}, nullptr, x.dtype, {},
                {},   {}};
  step.table = &kp::table(c.isa);
  if (!global) {
    step.window = window_of(node, {});
    if (step.window.rank() != static_cast<size_t>(x.rank) - 2) return {};
  }
  const bool bytes = x.dtype == DType::kUint8 || x.dtype == DType::kInt8;
  std::string type = "f32";
  if (x.quant || y.quant) {
    step.in = byte_format(x);
    step.out = byte_format(y);
    if (!step.in || !step.out) return {};
    type = x.dtype == DType::kUint8 ? "u8" : "s8";
    const bool recodes = kind == PoolKind::kMax ? !(*step.in == *step.out)
                                                : step.in->is_signed != step.out->is_signed;
    if (recodes) {
      // An average is first stored with the input's sign.
      ByteFormat from = *step.in;
      if (kind == PoolKind::kAverage) {
        from = *step.out;
        from.is_signed = step.in->is_signed;
        from.zero += from.is_signed ? -128 : 128;
      }
      step.recode.emplace(requantize_table(from, *step.out), c.isa);
      step.recoded = step.out->dtype();
      if (kind == PoolKind::kAverage) step.out = from;
    }
  } else if (x.dtype != DType::kFloat32 && !(bytes && kind == PoolKind::kMax)) {
    return {};
  }
  if (x.dtype == DType::kUint8) type = "u8";
  if (x.dtype == DType::kInt8) type = "s8";
  const std::string name = std::string(global ? "global_" : "") +
                           (kind == PoolKind::kMax ? "maxpool_" : "averagepool_") + type + "_" +
                           std::string(base::name(step.table->isa));
  return runtime::Bound{
      [step = std::make_shared<const PoolStep>(std::move(step))](runtime::StepContext& context) {
        return guarded([&] { (*step)(context); });
      },
      name, bytes};
}

}  // namespace tersor::ops::detail
