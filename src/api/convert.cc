#include "tersor/convert.h"

#include "api/impl.h"
#include "base/error.h"
#include "base/file.h"
#include "calib/collect.h"
#include "passes/types.h"
#include "quant/halves/halves.h"

namespace tersor {
namespace {

DType target(const std::string& text) {
  if (text == "fp16") return DType::kFloat16;
  if (text == "bf16") return DType::kBfloat16;
  if (text == "fp32") return DType::kFloat32;
  const std::vector<std::string> names{"fp16", "bf16", "fp32"};
  const std::string near = base::nearest(text, names);
  throw Error(ErrorKind::kUsage, "E50", "unknown type " + base::quoted(text),
              (near.empty() ? "" : "did you mean '" + near + "'? ") + "types: fp16, bf16, fp32");
}

}  // namespace

ConvertResult convert(const Model& model, const std::optional<Data>& data,
                      const ConvertOptions& options) {
  const ir::Model& source = model.impl().model;
  const DType to = target(options.to);
  if (to == DType::kFloat32)
    return ConvertResult(api::wrap(quant::to_float32(source, !options.io)));

  stats::Statistics ranges;
  std::vector<Warning> warnings;
  Data calibration;
  if (data) {
    calibration = *data;
    if (calibration.limit == 0) calibration.take(options.samples);
    ir::Model typed = source;
    passes::infer_types(typed);
    const auto samples = api::open(calibration, typed);
    calib::CollectOptions collect{.threads = options.threads};
    if (options.progress)
      collect.advance = [&](int64_t done, int64_t total) {
        return options.progress("ranges", done, total);
      };
    calib::Collected seen = calib::collect(typed, quant::half_points(typed), *samples, collect);
    ranges = std::move(seen.statistics);
    for (const calib::Warning& w : seen.warnings)
      if (w.code != "W20") warnings.push_back({w.code, w.text});
  }
  quant::HalvesRecipe recipe{to, options.io, options.storage_only, options.naive, options.keep};
  quant::Halves halves = quant::to_halves(source, recipe, ranges);
  ConvertResult result(api::wrap(std::move(halves.model)));
  for (quant::FloatNode& n : halves.kept) {
    if (n.node.empty() && n.op.empty())
      warnings.push_back({"W31", n.reason});
    else
      result.kept.push_back({std::move(n.node), std::move(n.op), std::move(n.reason)});
  }
  result.converted = halves.converted;
  result.casts = halves.casts;
  result.warnings = std::move(warnings);
  if (!data || options.verify == 0) return result;
  Data unseen = calibration;
  if (api::open(calibration, source)->total() > calibration.limit)
    unseen.rest(options.verify);
  else
    unseen.take(options.verify);
  CompareOptions compare_options;
  compare_options.threads = options.threads;
  compare_options.progress = options.progress;
  result.comparison = compare(model, result.model, unseen, compare_options);
  return result;
}

}  // namespace tersor
