#include "ops/detail/conv_transpose_step.h"

#include <cstring>

#include "base/error.h"
#include "ops/detail/bind.h"
#include "ops/detail/conv_step.h"

namespace tersor::ops::detail {
namespace {

// One phase of one axis.
struct Phase {
  int64_t first_tap = 0, taps = 0;  // k = first_tap + t * stride
  int64_t first_output = 0;         // o = first_output + u * stride
  int64_t begin = 0, end = 0;       // padding of the convolution
};

int64_t modulo(int64_t a, int64_t n) { return (a % n + n) % n; }

// nullopt where a phase has no taps or crops the input. Outputs: stride * in + `extra`.
std::optional<std::vector<Phase>> phases_of(int64_t kernel, int64_t stride, int64_t begin,
                                            int64_t extra) {
  std::vector<Phase> phases;
  for (int64_t r = 0; r < stride; ++r) {
    Phase p;
    p.first_tap = r;
    p.taps = (kernel - r + stride - 1) / stride;
    if (kernel <= r || p.taps < 1) return {};
    p.first_output = modulo(r - begin, stride);
    const int64_t q = (p.first_output + begin - r) / stride;
    p.begin = p.taps - 1 - q;
    // Outputs of this phase: in + c, with c = ceil((extra - first_output) / stride).
    const int64_t room = extra - p.first_output;
    const int64_t c = room >= 0 ? (room + stride - 1) / stride : -(-room / stride);
    p.end = c - 1 + p.taps - p.begin;
    if (p.begin < 0 || p.end < 0) return {};
    phases.push_back(p);
  }
  return phases;
}

// [C, M/g, k...] -> [M, C/g, taps...] of the phases chosen for each axis, taps in reverse.
Tensor phase_weight(const Tensor& w, int64_t groups, const std::vector<Phase>& at,
                    const Dims& strides) {
  const int64_t inputs = w.dim(0) / groups, per_group = w.dim(1);
  const size_t axes = at.size(), width = static_cast<size_t>(tensor::bits(w.dtype()) / 8);
  Dims dims{per_group * groups, inputs};
  for (const Phase& p : at) dims.push_back(p.taps);
  Tensor out = Tensor::empty(w.dtype(), dims);
  const Dims kernel(w.dims().begin() + 2, w.dims().end()), taps(dims.begin() + 2, dims.end());
  const int64_t kernel_size = base::element_count(kernel);
  std::byte* to = out.raw_mutable();
  for (int64_t m = 0; m < dims[0]; ++m)
    for (int64_t c = 0; c < inputs; ++c)
      for_each_index(taps, [&](std::span<const int64_t> t) {
        int64_t k = 0;
        for (size_t a = 0; a < axes; ++a)
          k = k * kernel[a] + at[a].first_tap + (taps[a] - 1 - t[a]) * strides[a];
        const int64_t from =
            ((m / per_group * inputs + c) * per_group + m % per_group) * kernel_size + k;
        std::memcpy(to, w.raw() + static_cast<size_t>(from) * width, width);
        to += width;
      });
  return out;
}

struct Part {
  runtime::Call call;
  std::vector<Phase> at;  // by axis
};

struct Step {
  std::vector<Part> parts;
  TransposedWindow window;
  int64_t outputs = 0;

  void operator()(runtime::StepContext& c) const {
    const Tensor& x = c.in(0);
    const size_t axes = window.window.rank();
    const auto placed = window.place(std::span(x.dims()).subspan(1, axes));
    Dims dims{x.dim(0)};
    for (const WindowAxis& a : placed) dims.push_back(a.out);
    dims.push_back(outputs);
    Tensor y;
    for (const Part& part : parts) {
      std::vector<Tensor> piece(1);
      runtime::StepContext inner{c.inputs, piece, c.arena, c.pool};
      if (runtime::Status status = part.call(inner); !status.ok()) throw *std::move(status.error);
      if (!y.defined()) y = c.arena->make(piece[0].dtype(), dims);
      spread(*c.pool, piece[0], part.at, placed, y);
    }
    c.outputs[0] = std::move(y);
  }

  // Pixels of a phase to their places.
  void spread(runtime::ThreadPool& pool, const Tensor& piece, const std::vector<Phase>& at,
              const std::vector<WindowAxis>& placed, Tensor& y) const {
    const size_t axes = at.size();
    const size_t pixel = static_cast<size_t>(outputs * (tensor::bits(y.dtype()) / 8));
    const int64_t rows = axes == 2 ? piece.dim(1) : 1, columns = piece.dim(axes);
    const int64_t y_rows = axes == 2 ? y.dim(1) : 1, y_columns = y.dim(axes);
    const Phase& across = at.back();
    const int64_t row_stride = axes == 2 ? placed[0].stride : 1,
                  row_first = axes == 2 ? at[0].first_output : 0;
    std::byte* to = y.raw_mutable();
    pool.parallel_for(
        piece.dim(0) * rows, std::max<int64_t>(1, 4096 / std::max<int64_t>(columns, 1)),
        [&](int64_t begin, int64_t end, int) {
          for (int64_t i = begin; i < end; ++i) {
            const int64_t row = i / rows * y_rows + row_first + i % rows * row_stride;
            const std::byte* from = piece.raw() + static_cast<size_t>(i * columns) * pixel;
            for (int64_t u = 0; u < columns; ++u, from += pixel)
              std::memcpy(to + static_cast<size_t>(row * y_columns + across.first_output +
                                                   u * placed.back().stride) *
                                   pixel,
                          from, pixel);
          }
        });
  }
};

}  // namespace

std::optional<runtime::Bound> bind_conv_transpose(const ir::Node& node,
                                                  const runtime::BindContext& c) {
  if (!c.has(0) || !c.has(1) || !c.has_output(0) || !c.in(1).constant) return {};
  const runtime::Wire &x = c.in(0), &w = c.in(1), &y = c.outputs[0];
  const Tensor& weight = *w.constant;
  if (!channels_last(x) || !channels_last(y) || weight.rank() != x.rank || x.rank < 3 || x.rank > 4)
    return {};
  const int64_t groups = node.attr_int("group", 1);
  if (groups < 1 || weight.dim(0) % groups != 0 || weight.dim(0) < 1) return {};
  Step step;
  step.window = transposed_window_of(node, Dims(weight.dims().begin() + 2, weight.dims().end()));
  const Window& win = step.window.window;
  if (!step.window.output_shape.empty() || win.auto_pad == Window::AutoPad::kSameUpper ||
      win.auto_pad == Window::AutoPad::kSameLower)
    return {};
  step.outputs = weight.dim(1) * groups;
  const bool bytes = x.quant || w.quant;
  std::optional<ByteNumbers> numbers;
  std::optional<FloatOperands> operands;
  if (bytes) {
    numbers = byte_numbers(node, x, w, c.has(2) ? &c.in(2) : nullptr, y, groups == 1 ? 1 : -1,
                           step.outputs);
    if (!numbers) return {};
  } else {
    operands = FloatOperands::of(c, step.outputs);
    if (!operands) return {};
  }
  std::vector<std::vector<Phase>> by_axis;
  for (size_t a = 0; a < win.rank(); ++a) {
    if (win.dilations[a] != 1) return {};
    const int64_t extra =
        step.window.output_padding[a] + win.kernel[a] - win.strides[a] - win.begin[a] - win.end[a];
    auto phases = phases_of(win.kernel[a], win.strides[a], win.begin[a], extra);
    if (!phases) return {};
    by_axis.push_back(*std::move(phases));
  }
  Dims counts;
  for (const auto& phases : by_axis) counts.push_back(static_cast<int64_t>(phases.size()));
  std::string kernel, why;
  bool failed = false;
  for_each_index(counts, [&](std::span<const int64_t> index) {
    Part part;
    ConvForm form;
    form.groups = groups;
    form.inputs = weight.dim(0);
    form.outputs = step.outputs;
    for (size_t a = 0; a < index.size(); ++a) {
      const Phase& p = by_axis[a][static_cast<size_t>(index[a])];
      part.at.push_back(p);
      form.window.kernel.push_back(p.taps);
      form.window.strides.push_back(1);
      form.window.dilations.push_back(1);
      form.window.begin.push_back(p.begin);
      form.window.end.push_back(p.end);
    }
    runtime::Bound bound;
    if (bytes) {
      bound = conv_u8s8(form, phase_weight(weight, groups, part.at, win.strides), *numbers, c.isa);
    } else {
      FloatOperands phase = *operands;
      phase.weight = phase_weight(operands->weight, groups, part.at, win.strides);
      bound = conv_float(form, phase, bounds_of(node), c.isa);
    }
    failed |= !bound.call;
    kernel = bound.kernel;
    why = bound.why;
    part.call = std::move(bound.call);
    step.parts.push_back(std::move(part));
  });
  if (failed || step.parts.empty()) return {};
  return runtime::Bound{[step = std::make_shared<const Step>(std::move(step))](
                            runtime::StepContext& s) { return guarded([&] { (*step)(s); }); },
                        kernel, bytes}
      .because(why);
}

}  // namespace tersor::ops::detail
