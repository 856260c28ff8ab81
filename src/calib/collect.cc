#include "calib/collect.h"

#include <algorithm>

#include "base/error.h"
#include "engine/session.h"

namespace tersor::calib {

void fail_interrupted() { throw Error(ErrorKind::kInterrupted, "E80", "interrupted"); }

Collected collect(const ir::Model& model, const std::map<std::string, int>& points, Dataset& data,
                  const CollectOptions& options) {
  engine::CompileOptions compile;
  for (const auto& [name, axis] : points) compile.keep.insert(name);
  engine::SessionOptions session_options;
  session_options.threads = options.threads;
  const engine::Session session(engine::compile(model, compile), session_options);

  Collected out;
  out.statistics.synthetic = data.synthetic();
  auto& tensors = out.statistics.tensors;
  const engine::Tap tap = [&](const engine::TapView& view) {
    const auto point = points.find(view.name);
    if (point == points.end()) return;
    stats::TensorStats& stats = tensors[view.name];
    // The order of the elements does not matter; only other types need a copy.
    const bool plain = view.tensor.dtype() == DType::kFloat32 && !view.quant;
    const Tensor real = plain ? view.tensor : view.to_rows();
    stats.add(real.data<float>());
    if (point->second == 0 || real.rank() < 2) return;
    const bool last = point->second < 0 || (plain && view.layout == runtime::Layout::kChannelsLast);
    const auto& dims = real.dims();
    const size_t axis = last ? dims.size() - 1 : 1;
    int64_t outer = 1, inner = 1;
    for (size_t d = 0; d < dims.size(); ++d) (d < axis ? outer : inner) *= d == axis ? 1 : dims[d];
    stats.channels.add(real.data<float>(), outer, dims[axis], inner);
  };

  const std::vector<InputSpec> inputs = input_specs(model.graph);
  DataCheck check;
  Batcher batcher(data, inputs, options.batch, &check);
  const int64_t total = data.size();
  Batch batch;
  if (options.advance && !options.advance(0, total)) fail_interrupted();
  while (batcher.next(batch)) {
    std::vector<Tensor> values;
    for (auto& [name, tensor] : batch.inputs) values.push_back(std::move(tensor));
    session.run(values, tap);
    out.statistics.samples += static_cast<uint64_t>(batch.count);
    if (options.advance && !options.advance(static_cast<int64_t>(out.statistics.samples), total))
      fail_interrupted();
  }
  out.warnings = check.finish(data);
  uint64_t bad = 0;
  std::string first;
  for (const auto& [name, stats] : tensors) {
    const uint64_t n = stats.range.nan + stats.range.inf;
    if (n > 0 && bad == 0) first = name;
    bad += n;
  }
  if (bad > 0)
    out.warnings.push_back(
        {"W25", fmt::format("{} values of the original are not finite, first in {}", bad,
                            base::quoted(first))});
  return out;
}

}  // namespace tersor::calib
