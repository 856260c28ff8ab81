#include "ops/detail/matmul_step.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "ops/detail/bind.h"
#include "ops/detail/quant.h"

namespace tersor::ops::detail {
namespace {

// A product of matrices as the kernels take it: every pair is m rows of a times one matrix of b.
struct Problem {
  Dims out;
  int64_t m, n, k;
  int64_t matrices;  // of b
  std::vector<std::pair<int64_t, int64_t>> pairs;
  // Heads of a, b and the result, 1 where matrices lie one after the other.
  int64_t a_heads = 1, b_heads = 1, out_heads = 1;
};

// Where matrix i of `rows` x `columns` begins if the rows of so many lie side by side.
int64_t matrix_at(int64_t i, int64_t heads, int64_t rows, int64_t columns) {
  return i / heads * heads * rows * columns + i % heads * columns;
}

Dims with_heads(const Dims& dims, bool heads, bool transposed) {
  if (!heads) return dims;
  if (dims.size() != 4)
    base::fail_input("E17", "heads of a value of shape {}", tensor::to_string(dims));
  return transposed ? Dims{dims[0], dims[2], dims[3], dims[1]}
                    : Dims{dims[0], dims[2], dims[1], dims[3]};
}

Problem problem_of(const MatMulForm& form, const Dims& a, const Dims& b) {
  if (form.transpose_a || form.transpose_b) {
    if (a.size() != 2 || b.size() != 2 ||
        a[form.transpose_a ? 0 : 1] != b[form.transpose_b ? 1 : 0])
      base::fail_input("E17", "a matrix product of shapes {} and {}", tensor::to_string(a),
                       tensor::to_string(b));
    Problem p{{},
              a[form.transpose_a ? 1 : 0],
              b[form.transpose_b ? 0 : 1],
              a[form.transpose_a ? 0 : 1],
              1,
              {{0, 0}}};
    p.out = {p.m, p.n};
    return p;
  }
  const Dims left = with_heads(a, form.a_heads, false);
  const Dims right = with_heads(b, form.b_heads, form.b_heads_transposed);
  const MatMulShape s = matmul_shape(left, right);
  Problem p{s.out, s.m, s.n, s.k, 1, {}};
  if (form.a_heads) p.a_heads = left[1];
  if (form.b_heads) p.b_heads = right[1];
  if (form.out_heads) {
    p.out = with_heads(s.out, true, false);
    p.out_heads = s.out[1];
  }
  if (b.size() > 2) p.matrices = base::element_count(std::span(right).first(right.size() - 2));
  if (p.matrices == 1 && !form.a_heads && !form.out_heads) {
    p.m = base::checked_mul(base::element_count(s.batch), s.m);
    p.pairs = {{0, 0}};
  } else {
    p.pairs = matmul_batches(s, left, right);
  }
  return p;
}

kernels::MatrixLayout layout_of(const MatMulForm& form, const Problem& p) {
  const bool transposed = form.transpose_b || form.b_heads_transposed;
  kernels::MatrixLayout l = kernels::MatrixLayout::rows(p.k, p.n, transposed);
  (transposed ? l.n_stride : l.k_stride) *= p.b_heads;
  return l;
}

// The element of b at which a matrix begins.
int64_t b_at(const MatMulForm& form, const Problem& p, int64_t i) {
  return form.b_heads_transposed ? matrix_at(i, p.b_heads, p.n, p.k)
                                 : matrix_at(i, p.b_heads, p.k, p.n);
}

template <typename T>
void transpose(const std::byte* from, int64_t m, int64_t k, std::byte* to) {
  const auto* x = reinterpret_cast<const T*>(from);
  auto* y = reinterpret_cast<T*>(to);
  for (int64_t i = 0; i < k; ++i)
    for (int64_t j = 0; j < m; ++j) y[j * k + i] = x[i * m + j];
}

// The left operand as matrices of rows of k elements of so many bytes.
class LeftOperand {
 public:
  LeftOperand(const MatMulForm& form, const Problem& p, runtime::StepContext& c, int64_t element)
      : data_(c.in(form.a).raw()), m_(p.m), k_(p.k), heads_(p.a_heads), element_(element) {
    if (!form.transpose_a) return;
    memory_ = c.arena->make(DType::kUint8, {p.m * p.k * element});
    const auto move = element == 4   ? transpose<uint32_t>
                      : element == 2 ? transpose<uint16_t>
                                     : transpose<uint8_t>;
    move(data_, p.m, p.k, memory_.raw_mutable());
    data_ = memory_.raw();
  }
  kernels::RowSource rows(int64_t matrix) const {
    return kernels::RowSource::dense(data_ + matrix_at(matrix, heads_, m_, k_) * element_,
                                     heads_ * k_);
  }

 private:
  const std::byte* data_;
  int64_t m_, k_, heads_, element_;
  Tensor memory_;
};

// Runs f(pair, split task, worker) for all pairs of a problem, spread over the pool.
template <typename Weights, typename F>
void for_each_task(const Problem& p, const Weights& weights, runtime::ThreadPool& pool, F&& f) {
  const auto pairs = static_cast<int64_t>(p.pairs.size());
  const bool many = pairs >= 4 * static_cast<int64_t>(pool.size());
  const auto split = kernels::split_work(weights, p.m, many ? 1 : pool.size());
  const int64_t tasks = split.tasks();
  // Products of a few thousand multiplications are not worth a thread each.
  const int64_t cost = std::max<int64_t>(1, p.m * p.n * p.k / std::max<int64_t>(1, tasks));
  const int64_t grain = std::clamp<int64_t>(32768 / cost, 1, std::max<int64_t>(1, pairs * tasks));
  pool.parallel_for(pairs * tasks, grain, [&](int64_t begin, int64_t end, int worker) {
    for (int64_t i = begin; i < end; ++i)
      f(p.pairs[static_cast<size_t>(i / tasks)], i / tasks, split.rows(i % tasks),
        split.columns(i % tasks), worker);
  });
}

template <typename Row>
size_t matrix_stride(const Row& row, const kernels::MatrixLayout& layout) {
  return base::align_up(kernels::packed_bytes(row, layout), 64);
}

// Calls f(matrix, panels) for pieces of all matrices.
template <typename F>
void for_each_panels(runtime::ThreadPool& pool, int64_t matrices, int64_t panels, F&& f) {
  const int64_t pieces = matrices >= pool.size() ? 1 : std::min<int64_t>(panels, pool.size());
  pool.parallel_for(matrices * pieces, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t piece = i % pieces;
      f(i / pieces, kernels::Range{panels * piece / pieces, panels * (piece + 1) / pieces});
    }
  });
}

// Bytes that fit: the product of a matrix and its count, checked.
int64_t total_bytes(int64_t matrices, size_t stride) {
  return base::checked_mul(matrices, static_cast<int64_t>(stride), "packed matrices");
}

template <typename Step>
runtime::Call call_of(Step step) {
  return [step = std::make_shared<const Step>(std::move(step))](runtime::StepContext& c) {
    return guarded([&] { (*step)(c); });
  };
}

// ---- float -------------------------------------------------------------------------------------

struct FloatMatMul {
  MatMulForm form;
  FloatMatMulOptions options;
  const kernels::GemmF32Row* row;
  Dims b_dims;                           // of a constant b
  std::shared_ptr<const Buffer> packed;  // likewise

  void operator()(runtime::StepContext& c) const {
    const Tensor& a = c.in(form.a);
    const Dims& b = packed ? b_dims : c.in(form.b).dims();
    const Problem p = problem_of(form, a.dims(), b);
    const kernels::MatrixLayout layout = layout_of(form, p);
    const size_t stride = matrix_stride(*row, layout);
    const auto panels = (p.n + row->nr - 1) / row->nr;
    const int64_t element = kernels::element_bytes(options.type);
    Tensor memory;
    const std::byte* matrices = packed ? packed->data() : nullptr;
    if (!packed) {
      memory = c.arena->make(DType::kUint8, {total_bytes(p.matrices, stride)});
      const std::byte* from = c.in(form.b).raw();
      for_each_panels(*c.pool, p.matrices, panels, [&](int64_t i, kernels::Range range) {
        kernels::pack_panels(*row, layout, from + b_at(form, p, i) * element, options.type, range,
                             memory.raw_mutable() + static_cast<size_t>(i) * stride);
      });
      matrices = memory.raw();
    }
    const LeftOperand left(form, p, c, element);
    kernels::GemmF32Call base;
    base.type = base.a_type = options.type;
    base.out_stride = p.out_heads * p.n;
    base.min = options.bounds.min;
    base.max = options.bounds.max;
    if (!options.bias.empty()) base.bias = options.bias.data();
    if (options.addend && c.has(*options.addend)) {
      const Tensor& t = c.in(*options.addend);
      if (t.dtype() == DType::kFloat32 && t.count() == p.n &&
          (t.rank() <= 1 || t.dims().back() == p.n)) {
        base.bias = t.data<float>().data();
      } else if (t.dims() == p.out) {
        base.residual = t.raw();
        base.residual_stride = p.n;
      } else {
        base::fail_unsupported("a computed bias of shape {} for a result of {}",
                               tensor::to_string(t.dims()), tensor::to_string(p.out));
      }
    }
    std::byte* out = c.make(0, dtype_of(options.type), p.out).raw_mutable();
    const kernels::GemmF32Weights weights(*row, layout, nullptr);
    const WorkerScratch scratch(c, kernels::scratch_bytes(weights, base));
    for_each_task(p, weights, *c.pool,
                  [&](const std::pair<int64_t, int64_t>& pair, int64_t index, kernels::Range rows,
                      kernels::Range columns, int worker) {
                    kernels::GemmF32Call call = base;
                    call.a = left.rows(pair.first);
                    call.out = out + matrix_at(index, p.out_heads, p.m, p.n) * element;
                    const std::byte* data = matrices + static_cast<size_t>(pair.second) * stride;
                    kernels::run(kernels::GemmF32Weights(*row, layout, data), call, rows, columns,
                                 scratch.of(worker));
                  });
  }
};

// ---- blocks ------------------------------------------------------------------------------------

// The results of a product of float32 as a map makes them, block by block, each while it is near.
// For one worker.
class MappedBlocks {
 public:
  // `columns`: a multiple of which a block has.
  MappedBlocks(const runtime::RealMap& map, int64_t columns)
      : map_(map), columns_((kWidth + columns - 1) / columns * columns) {}
  size_t bytes() const { return static_cast<size_t>(kRows * columns_ * (4 + width())); }

  // Calls run(origin, stride, rows, columns) for some of `rows` and `columns` at a time, which puts
  // the product of row m and column i to origin[m * stride + i]; then maps them to rows of `out`,
  // `out_stride` elements apart.
  template <typename F>
  void each(kernels::Range rows, kernels::Range columns, int64_t out_stride, std::byte* out,
            std::byte* memory, F&& run) const {
    auto* reals = reinterpret_cast<float*>(memory);
    std::byte* mapped = memory + kRows * columns_ * 4;
    for (int64_t n0 = columns.begin; n0 < columns.end; n0 += columns_) {
      const kernels::Range some{n0, std::min(n0 + columns_, columns.end)};
      const auto row_bytes = static_cast<size_t>(some.size() * width());
      for (int64_t m0 = rows.begin; m0 < rows.end; m0 += kRows) {
        const kernels::Range these{m0, std::min(m0 + kRows, rows.end)};
        // Where the first of all products would lie.
        const int64_t before = (m0 * some.size() + n0) * static_cast<int64_t>(sizeof(float));
        auto* origin = reinterpret_cast<float*>(reinterpret_cast<intptr_t>(reals) - before);
        run(origin, some.size(), these, some);
        map_.run(reals, mapped, these.size() * some.size());
        for (int64_t m = 0; m < these.size(); ++m)
          std::memcpy(out + ((m0 + m) * out_stride + n0) * width(), mapped + m * row_bytes,
                      row_bytes);
      }
    }
  }

 private:
  // A block of 128 KiB stays in L2 and has work for a call.
  static constexpr int64_t kRows = 128, kWidth = 256;
  int64_t width() const { return tensor::bits(map_.type) / 8; }

  const runtime::RealMap& map_;
  int64_t columns_;
};

// ---- 8 bits ------------------------------------------------------------------------------------

// What the epilogue needs for every matrix of b.
struct ColumnConstants {
  std::vector<int32_t> sums, folded, b_zero;  // sums, folded: [matrices * n]
  std::vector<float> scale;                   // [n]
  bool any_zero = false;

  void fold(const ByteNumbers& numbers, const kernels::GemmU8S8Weights& w, int64_t matrices,
            int32_t za) {
    const auto n = static_cast<size_t>(w.n);
    folded.resize(sums.size());
    b_zero.resize(n);
    for (size_t i = 0; i < static_cast<size_t>(matrices); ++i)
      any_zero = kernels::fold_zero_points(w, sums.data() + i * n, numbers.a_signed, za,
                                           numbers.zw.empty() ? nullptr : numbers.zw.data(),
                                           static_cast<int64_t>(numbers.zw.size()),
                                           numbers.bias.empty() ? nullptr : numbers.bias.data(),
                                           folded.data() + i * n, b_zero.data());
  }
};

struct ByteMatMul {
  MatMulForm form;
  ByteMatMulOptions options;
  const kernels::GemmU8S8Row* row;
  Dims b_dims;
  std::shared_ptr<const Buffer> packed;
  ColumnConstants columns;  // of a constant b
  bool small_scales = false;
  std::optional<runtime::RealMap> map = {};  // of the results

  void operator()(runtime::StepContext& c) const {
    const ByteNumbers& numbers = options.numbers;
    const Tensor& a = c.in(form.a);
    const Dims& b = packed ? b_dims : c.in(form.b).dims();
    const Problem p = problem_of(form, a.dims(), b);
    const kernels::MatrixLayout layout = layout_of(form, p);
    const size_t stride = matrix_stride(*row, layout);
    const auto panels = (p.n + row->nr - 1) / row->nr;
    const kernels::GemmU8S8Weights weights(*row, layout, nullptr, numbers.w_signed);
    Tensor memory;
    ColumnConstants own;
    const ColumnConstants* k = &columns;
    const std::byte* matrices = packed ? packed->data() : nullptr;
    if (!packed) {
      memory = c.arena->make(DType::kUint8, {total_bytes(p.matrices, stride)});
      own.sums.resize(static_cast<size_t>(p.matrices * p.n));
      const std::byte* from = c.in(form.b).raw();
      for_each_panels(*c.pool, p.matrices, panels, [&](int64_t i, kernels::Range range) {
        kernels::pack_panels(
            *row, layout, from + b_at(form, p, i), numbers.w_signed, range,
            reinterpret_cast<int8_t*>(memory.raw_mutable() + static_cast<size_t>(i) * stride),
            own.sums.data() + i * p.n);
      });
      matrices = memory.raw();
    }
    int32_t za = numbers.za;
    if (options.a_zero && c.has(*options.a_zero))
      za = static_cast<int32_t>(single_int(c.in(*options.a_zero)));
    if (!packed || options.a_zero) {
      if (packed) own.sums = columns.sums;
      own.fold(numbers, weights, p.matrices, za);
      own.scale = columns.scale;
      k = &own;
    }
    std::vector<float> scaled;
    const float* scale = k->scale.empty() ? nullptr : k->scale.data();
    if (options.a_scale || (!scale && !numbers.scale.empty())) {
      const auto n = static_cast<size_t>(p.n);
      const float sa = options.a_scale ? single_float(c.in(*options.a_scale)) : 1.0F;
      for (size_t i = 0; i < n; ++i) {
        const float s = numbers.scale[numbers.scale.size() == 1 ? 0 : i];
        scaled.push_back(options.a_scale ? multiplier(sa, s) : s);
      }
      scale = scaled.data();
    }
    const LeftOperand left(form, p, c, 1);
    kernels::GemmU8S8Call base;
    base.a_signed = numbers.a_signed;
    base.a_zero = za;
    base.out_stride = p.out_heads * p.n;
    auto& e = base.epilogue;
    e.kind = numbers.kind;
    e.b_zero = k->any_zero ? k->b_zero.data() : nullptr;
    e.scale = scale;
    e.small_scales = small_scales && !options.a_scale;
    if (e.kind == kernels::GemmOutput::f32) {
      e.min = numbers.min;
      e.max = numbers.max;
      e.fbias = options.fbias.empty() ? nullptr : options.fbias.data();
    }
    e.zero = numbers.zero;
    e.qmin = numbers.qmin;
    e.qmax = numbers.qmax;
    const DType type = map ? map->type : numbers.out;
    std::byte* out = c.make(0, type, p.out).raw_mutable();
    const int64_t width = tensor::bits(type) / 8;
    const size_t own_bytes = base::align_up(kernels::scratch_bytes(weights), 64);
    const auto blocks = map ? std::optional<MappedBlocks>(std::in_place, *map, row->nr)
                            : std::optional<MappedBlocks>();
    const WorkerScratch scratch(c, own_bytes + (blocks ? blocks->bytes() : 0));
    for_each_task(
        p, weights, *c.pool,
        [&](const std::pair<int64_t, int64_t>& pair, int64_t index, kernels::Range rows,
            kernels::Range range, int worker) {
          kernels::GemmU8S8Call call = base;
          call.a = left.rows(pair.first);
          call.epilogue.bias = k->folded.data() + pair.second * p.n;
          const auto* data =
              reinterpret_cast<const int8_t*>(matrices + static_cast<size_t>(pair.second) * stride);
          const kernels::GemmU8S8Weights own_weights(*row, layout, data, numbers.w_signed);
          std::byte* to = out + matrix_at(index, p.out_heads, p.m, p.n) * width;
          if (!blocks) {
            call.out = to;
            kernels::run(own_weights, call, rows, range, scratch.of(worker));
            return;
          }
          const int64_t nr = row->nr;
          blocks->each(
              rows, {range.begin * nr, std::min(range.end * nr, p.n)}, base.out_stride, to,
              scratch.of(worker) + own_bytes,
              [&](float* origin, int64_t apart, kernels::Range these, kernels::Range some) {
                call.out = origin;
                call.out_stride = apart;
                kernels::run(own_weights, call, these, {some.begin / nr, (some.end + nr - 1) / nr},
                             scratch.of(worker));
              });
        });
  }
};

// The problem of a constant b, with any a that fits it.
Problem constant_problem(const MatMulForm& form) {
  const Dims& b = form.constant->dims();
  Problem p{{}, -1, 1, 1, 1, {}};
  if (b.empty()) base::fail_input("E17", "a matrix product with a scalar");
  if (b.size() == 1) {
    p.k = b[0];
    return p;
  }
  p.k = b[b.size() - (form.transpose_b ? 1 : 2)];
  p.n = b[b.size() - (form.transpose_b ? 2 : 1)];
  p.matrices = base::element_count(std::span(b).first(b.size() - 2));
  return p;
}

// t, widened to float32, times alpha.
Tensor scaled(const Tensor& t, float alpha, base::IsaSet isa) {
  const Tensor x = in_float32(t, isa);
  Tensor y = Tensor::empty(DType::kFloat32, x.dims());
  std::ranges::transform(x.data<float>(), y.mutable_data<float>().begin(),
                         [&](float v) { return v * alpha; });
  return y;
}

}  // namespace

int64_t MatMulForm::columns(const runtime::BindContext& c) const {
  const runtime::Wire& w = c.in(b);
  const Dims& dims = constant ? constant->dims() : w.dims;
  if (dims.empty()) return -1;
  if (dims.size() == 1) return 1;
  if (b_heads_transposed) return dims[1];
  return dims[dims.size() - (transpose_b ? 2 : 1)];
}

std::optional<std::vector<float>> column_bias(const Tensor& t, int64_t n) {
  if (!float_type(t.dtype()) || n < 0) return {};
  if (t.count() != 1 && (t.count() != n || t.dims().back() != n)) return {};
  const Tensor wide = in_float32(t, {});
  const auto values = wide.data<float>();
  if (t.count() == 1) return std::vector<float>(static_cast<size_t>(n), values[0]);
  return std::vector<float>(values.begin(), values.end());
}

std::optional<runtime::Bound> matmul_float(const MatMulForm& form, FloatMatMulOptions options,
                                           base::IsaSet isa) {
  FloatMatMul step{form, std::move(options), nullptr, {}, nullptr};
  kernels::GemmF32Shape shape;
  shape.type = step.options.type;
  if (form.constant) {
    const Problem p = constant_problem(form);
    shape.layout = layout_of(form, p);
    // Scaled weights have finer numbers.
    Tensor b = *form.constant;
    if (step.options.alpha != 1) {
      b = scaled(b, step.options.alpha, isa);
      shape.type = kernels::FloatType::f32;
    }
    step.row = &kernels::select_gemm_f32(shape, isa);
    step.b_dims = form.constant->dims();
    const size_t stride = matrix_stride(*step.row, shape.layout);
    auto memory = Buffer::allocate(static_cast<size_t>(total_bytes(p.matrices, stride)));
    const int64_t bytes = p.k * p.n * kernels::element_bytes(*float_type(b.dtype()));
    for (int64_t i = 0; i < p.matrices; ++i)
      kernels::pack(*step.row, shape.layout, b.raw() + i * bytes, *float_type(b.dtype()),
                    memory->data() + static_cast<size_t>(i) * stride);
    step.packed = std::move(memory);
  } else {
    if (step.options.alpha != 1) return {};
    step.row = &kernels::select_gemm_f32(shape, isa);
  }
  step.form.constant = nullptr;
  const kernels::GemmF32Row& row = *step.row;
  return runtime::Bound{call_of(std::move(step)), row.name}.because(
      why_products(row, shape.type, isa));
}

std::optional<runtime::Bound> matmul_u8s8(const MatMulForm& form, ByteMatMulOptions options,
                                          base::IsaSet isa) {
  ByteMatMul step{form, std::move(options), nullptr, {}, nullptr, {}};
  step.small_scales = step.options.numbers.small_scales();
  kernels::GemmU8S8Shape shape;
  const ByteNumbers& numbers = step.options.numbers;
  if (form.constant) {
    const Problem p = constant_problem(form);
    shape.layout = layout_of(form, p);
    step.row = &kernels::select_gemm_u8s8(shape, form.constant->raw(), numbers.w_signed, isa);
    step.b_dims = form.constant->dims();
    const size_t stride = matrix_stride(*step.row, shape.layout);
    auto memory = Buffer::allocate(static_cast<size_t>(total_bytes(p.matrices, stride)));
    step.columns.sums.resize(static_cast<size_t>(p.matrices * p.n));
    for (int64_t i = 0; i < p.matrices; ++i)
      kernels::pack(*step.row, shape.layout, form.constant->raw() + i * p.k * p.n, numbers.w_signed,
                    reinterpret_cast<int8_t*>(memory->data() + static_cast<size_t>(i) * stride),
                    step.columns.sums.data() + i * p.n);
    step.packed = std::move(memory);
    const kernels::GemmU8S8Weights weights(*step.row, shape.layout, nullptr, numbers.w_signed);
    step.columns.fold(numbers, weights, p.matrices, numbers.za);
    step.columns.scale = numbers.scale;
    if (numbers.scale.size() == 1)
      step.columns.scale.assign(static_cast<size_t>(p.n), numbers.scale[0]);
  } else {
    // What lies along the columns must be known with them.
    if (numbers.zw.size() > 1 || numbers.scale.size() > 1 || !numbers.bias.empty() ||
        !step.options.fbias.empty())
      return {};
    shape.constant = false;
    step.row = &kernels::select_gemm_u8s8(shape, isa);
  }
  step.form.constant = nullptr;
  const kernels::GemmU8S8Row& row = *step.row;
  runtime::Bound bound{{}, row.name, true};
  bound.because(why_exact(row));
  // Magnitudes would prepare the rows for each block again.
  if (step.options.numbers.kind == kernels::GemmOutput::f32 && !row.magnitudes())
    bound.mapped_by = [step](runtime::RealMap map) {
      ByteMatMul own = step;
      own.map = std::move(map);
      return call_of(std::move(own));
    };
  bound.call = call_of(std::move(step));
  return bound;
}

}  // namespace tersor::ops::detail
