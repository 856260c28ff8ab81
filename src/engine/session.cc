#include "engine/session.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "base/error.h"
#include "base/limits.h"
#include "engine/convert_layout.h"
#include "runtime/tasks.h"

namespace tersor::engine {

Tensor TapView::to_rows() const {
  Tensor t = tensor;
  if (layout == runtime::Layout::kChannelsLast) t = engine::to_rows(t);
  if (!quant) return tensor::to_float32(t);
  Tensor real = Tensor::empty(DType::kFloat32, t.dims());
  auto out = real.mutable_data<float>();
  for (size_t i = 0; i < out.size(); ++i)
    out[i] =
        static_cast<float>(tensor::as_int64(t, static_cast<int64_t>(i)) - quant->zero_point()) *
        quant->scale();
  return real;
}

runtime::Status execute(const Plan& plan, std::span<const Tensor> inputs,
                        std::span<const Tensor> captures, std::vector<Tensor>& outputs,
                        runtime::Arena& arena, runtime::ThreadPool& pool, const Tap& tap,
                        const Trace& trace) {
  std::vector<Tensor> values(plan.slots.size());
  for (const auto& [slot, tensor] : plan.constants) values[slot] = tensor;
  for (size_t i = 0; i < plan.inputs.size() && i < inputs.size(); ++i)
    values[plan.inputs[i]] = inputs[i];
  for (size_t i = 0; i < plan.captures.size() && i < captures.size(); ++i)
    values[plan.captures[i]] = captures[i];
  std::vector<const Tensor*> in;
  std::vector<Tensor> out;
  std::vector<std::pair<int, const std::string*>> taps;
  const auto observe = [&](int slot) {
    if (!tap) return;
    for (const auto& [tapped, name] : plan.taps)
      if (tapped == slot && values[slot].defined())
        tap({name, values[slot], plan.slots[slot].wire.layout, plan.slots[slot].wire.quant, pool});
  };
  for (int slot : plan.inputs) observe(slot);
  for (const Step& step : plan.steps) {
    in.clear();
    for (int v : step.inputs) in.push_back(v < 0 || !values[v].defined() ? nullptr : &values[v]);
    out.assign(step.outputs.size(), Tensor());
    runtime::StepContext context{in, out, &arena, &pool};
    const auto start =
        trace ? std::chrono::steady_clock::now() : std::chrono::steady_clock::time_point{};
    runtime::Status status;
    try {
      status = step.call(context);
    } catch (Error& error) {
      status.error = std::move(error);
    } catch (const std::bad_alloc&) {
      status = runtime::Status::failure(ErrorKind::kLimit, "E61", "not enough memory");
    }
    if (!status.ok()) {
      const StepInfo& info = plan.info[step.info];
      status.error->add_frame(
          fmt::format("node {} ({})", base::quoted(info.name), base::printable(info.op)));
      return status;
    }
    if (trace)
      trace(step.info,
            std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    for (size_t i = 0; i < out.size(); ++i)
      if (step.outputs[i] >= 0) {
        values[step.outputs[i]] = std::move(out[i]);
        observe(step.outputs[i]);
      }
    for (int v : step.release) values[v] = Tensor();
  }
  outputs.clear();
  for (int v : plan.outputs) outputs.push_back(values[v]);
  return {};
}

struct Session::State {
  runtime::Arena arena;
  explicit State(size_t budget) : arena(budget) {}
};

Session::Session(std::shared_ptr<const Plan> plan, const SessionOptions& options)
    : options_(options),
      pool_(std::make_unique<runtime::ThreadPool>(options.threads)),
      plan_(std::move(plan)) {}

Session::Session(const ir::Model& model, const CompileOptions& compile_options,
                 const SessionOptions& options)
    : options_(options),
      pool_(std::make_unique<runtime::ThreadPool>(options.threads)),
      plan_(compile(model, compile_options, *pool_)) {}

Session::~Session() = default;

namespace {

void check_input(const Slot& slot, const Tensor& given) {
  const ir::Type& type = slot.type;
  if (type.elem != DType::kUndefined && given.dtype() != type.elem)
    base::fail_input("E26", "input {} is {}; the model needs {}", base::quoted(slot.name),
                     tensor::name(given.dtype()), tensor::name(type.elem));
  if (!type.shape) return;
  bool fits = static_cast<size_t>(given.rank()) == type.shape->size();
  for (size_t i = 0; fits && i < type.shape->size(); ++i)
    fits = !(*type.shape)[i].known() || (*type.shape)[i].value == given.dims()[i];
  if (!fits)
    base::fail_input("E26", "input {} has shape {}; the model needs {}", base::quoted(slot.name),
                     tensor::to_string(given.dims()), ir::to_string(*type.shape));
}

}  // namespace

std::vector<Tensor> Session::run(std::span<const Tensor> inputs, const Tap& tap,
                                 const Trace& trace) const {
  if (inputs.size() != plan_->inputs.size())
    base::fail_input("E25", "the model has {} inputs, {} were given", plan_->inputs.size(),
                     inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) check_input(plan_->slots[plan_->inputs[i]], inputs[i]);
  const int64_t count = tap || trace ? 1 : pieces(inputs);
  return count > 1 ? run_pieces(inputs, count) : run_whole(inputs, tap, trace);
}

// Pieces to run `inputs` in: as many for each thread as for the others.
int64_t Session::pieces(std::span<const Tensor> inputs) const {
  if (plan_->piece.least == 0) return 1;
  const int64_t batch = inputs[0].dim(0), threads = pool_->size();
  for (const Tensor& t : inputs)
    if (t.dim(0) != batch) return 1;
  const int64_t count = batch / plan_->piece.best / threads * threads;
  return count > 0 ? count : batch / plan_->piece.least >= threads ? threads : 1;
}

std::vector<Tensor> Session::run_pieces(std::span<const Tensor> inputs, int64_t count) const {
  const int64_t batch = inputs[0].dim(0);
  const auto begin_of = [&](int64_t piece) { return batch * piece / count; };
  std::vector<std::vector<Tensor>> results(static_cast<size_t>(count));
  runtime::run_tasks(*pool_, count, [&](int64_t i, int) {
    const int64_t begin = begin_of(i), size = begin_of(i + 1) - begin;
    std::vector<Tensor> part;
    for (const Tensor& whole : inputs) {
      Dims dims = whole.dims();
      dims[0] = size;
      const size_t sample = whole.bytes() / static_cast<size_t>(batch);
      part.emplace_back(whole.dtype(), std::move(dims), whole.buffer(),
                        whole.offset() + static_cast<size_t>(begin) * sample);
    }
    results[static_cast<size_t>(i)] = run_whole(part, {}, {});
  });
  {
    const std::lock_guard lock(mutex_);
    size_t together = 0;
    for (const auto& state : idle_) together += state->arena.peak();
    peak_ = std::max(peak_, together);
  }
  std::vector<Tensor> outputs;
  for (size_t o = 0; o < plan_->outputs.size(); ++o) {
    Dims dims = results[0][o].dims();
    dims[0] = batch;
    Tensor whole = Tensor::empty(results[0][o].dtype(), std::move(dims));
    std::byte* to = whole.raw_mutable();
    for (const std::vector<Tensor>& result : results) {
      std::memcpy(to, result[o].raw(), result[o].bytes());
      to += result[o].bytes();
    }
    outputs.push_back(std::move(whole));
  }
  return outputs;
}

std::vector<Tensor> Session::run_whole(std::span<const Tensor> inputs, const Tap& tap,
                                       const Trace& trace) const {
  size_t input_bytes = 0;
  for (const Tensor& input : inputs) input_bytes += input.bytes();
  std::unique_ptr<State> state;
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      state = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  if (!state) {
    const size_t automatic =
        std::max<size_t>(limits::kMinMemoryBudget, 4 * (plan_->weight_bytes + input_bytes));
    state = std::make_unique<State>(options_.max_memory ? options_.max_memory : automatic);
  }
  std::vector<Tensor> outputs;
  runtime::Status status = execute(*plan_, inputs, {}, outputs, state->arena, *pool_, tap, trace);
  const std::lock_guard lock(mutex_);
  peak_ = std::max(peak_, state->arena.peak());
  idle_.push_back(std::move(state));
  if (!status.ok()) throw *std::move(status.error);
  return outputs;
}

void Session::trim() const {
  const std::lock_guard lock(mutex_);
  for (const auto& state : idle_) state->arena.trim();
}

size_t Session::held_bytes() const {
  const std::lock_guard lock(mutex_);
  size_t held = 0;
  for (const auto& state : idle_) held += state->arena.bytes_held();
  return held;
}

size_t Session::peak_bytes() const {
  const std::lock_guard lock(mutex_);
  return peak_;
}

}  // namespace tersor::engine
