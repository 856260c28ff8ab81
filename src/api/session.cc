#include "tersor/session.h"

#include <algorithm>
#include <fstream>
#include <thread>

#include "api/impl.h"
#include "base/error.h"
#include "base/isa.h"
#include "base/limits.h"
#include "calib/arrays.h"
#include "onnx/onnx.h"
#include "passes/pipeline.h"

namespace tersor {
namespace {

std::vector<std::string> isa_names(base::IsaSet set) {
  std::vector<std::string> names;
  for (base::Isa isa : base::kIsas)
    if (set.has(isa)) names.emplace_back(base::name(isa));
  return names;
}

}  // namespace

ir::Model api::prepared(const ir::Model& model) {
  ir::Model simple = model;
  passes::Options options;
  options.opset_ceiling = limits::kNewestOpset;  // it is never exported
  passes::simplify(simple, options);
  return simple;
}

Session::Session(const Model& model, const SessionOptions& options) {
  engine::CompileOptions compile;
  compile.integers = options.integers;
  auto session = std::make_unique<engine::Session>(
      api::prepared(model.impl().model), compile,
      engine::SessionOptions{options.threads, options.max_memory});
  const engine::Plan& plan = session->plan();
  std::vector<std::string> input_names;
  for (int slot : plan.inputs) input_names.push_back(plan.slots[slot].name);
  impl_ =
      std::make_unique<Impl>(Impl{std::move(session), std::move(input_names), plan.output_names});
}
Session::~Session() = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;

std::vector<Tensor> Session::run(const std::vector<Tensor>& inputs) const {
  return impl_->session->run(inputs);
}

Tensors Session::run(const Tensors& inputs) const {
  std::vector<Tensor> ordered;
  for (const std::string& name : impl_->input_names) {
    const auto it = inputs.find(name);
    if (it == inputs.end())
      base::fail_input("E26", "no value was given for input {}", base::quoted(name));
    ordered.push_back(it->second);
  }
  for (const auto& [name, tensor] : inputs)
    if (std::ranges::find(impl_->input_names, name) == impl_->input_names.end())
      base::fail_input("E26", "the model has no input named {}", base::quoted(name));
  const std::vector<Tensor> outputs = run(ordered);
  Tensors named;
  for (size_t i = 0; i < outputs.size(); ++i) named[impl_->output_names[i]] = outputs[i];
  return named;
}

Tensors Session::run(const Tensor& input) const {
  if (impl_->input_names.size() != 1)
    base::fail_input("E26", "the model has {} inputs; one was given", impl_->input_names.size());
  return run(Tensors{{impl_->input_names[0], input}});
}

PlanInfo Session::plan() const {
  const engine::Plan& plan = impl_->session->plan();
  PlanInfo info{isa_names(base::detect_isa()), {}, 0, 0};
  for (const engine::StepInfo& s : plan.info) {
    info.steps.push_back({.name = s.name,
                          .op = s.op,
                          .kernel = s.kernel,
                          .type = s.integer ? "int8" : s.type,
                          .layout = s.layout == runtime::Layout::kRows ? "rows" : "channels_last",
                          .note = s.note,
                          .why = s.why,
                          .integer = s.integer,
                          .reference = s.reference});
    info.integer_steps += s.integer;
    info.reference_steps += s.reference;
  }
  return info;
}

uint64_t Session::peak_bytes() const { return impl_->session->peak_bytes(); }

Tensor load_tensor(const std::string& path) { return onnx::read_tensor(path); }

void save_tensor(const Tensor& tensor, const std::string& path, const std::string& name,
                 bool force) {
  onnx::write_tensor(tensor, path, name, force);
}

void save_npz(const Tensors& tensors, const std::string& path, bool force) {
  calib::write_npz(path, {tensors.begin(), tensors.end()}, force);
}

Host host() {
  Host h;
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("model name")) {
      const size_t colon = line.find(": ");
      if (colon != std::string::npos) h.cpu = line.substr(colon + 2);
      break;
    }
  h.isa = isa_names(base::detect_isa());
  h.cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  return h;
}

std::string version() { return TERSOR_VERSION; }

}  // namespace tersor
