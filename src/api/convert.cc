#include "tersor/convert.h"

#include <algorithm>

#include "api/halves.h"
#include "api/impl.h"
#include "base/error.h"
#include "base/file.h"
#include "passes/pipeline.h"
#include "quant/halves/halves.h"

namespace tersor {
namespace {

DType target(const std::string& text) {
  if (text == "fp16") return DType::kFloat16;
  if (text == "bf16") return DType::kBfloat16;
  if (text == "fp32") return DType::kFloat32;
  const std::vector<std::string> names{"fp16", "bf16", "fp32"};
  std::string near = base::nearest(text, names);
  if (text == "half" || text == "float16") near = "fp16";
  if (text == "bfloat16") near = "bf16";
  if (text == "float" || text == "float32") near = "fp32";
  throw Error(ErrorKind::kUsage, "E50", "unknown type " + base::quoted(text),
              (near.empty() ? "" : "did you mean '" + near + "'? ") + "types: fp16, bf16, fp32");
}

void check(DType to, bool data, const ConvertOptions& o) {
  const auto refuse = [](const char* sentence, const char* help) {
    throw Error(ErrorKind::kUsage, "E50", sentence, help);
  };
  if (to == DType::kFloat32 && (o.storage_only || o.naive || !o.keep.empty()))
    refuse("storage-only, naive and keep say how to narrow; fp32 is the way back",
           "leave them out, or pass --to fp16 or bf16");
  if (o.max_change < 0 || o.max_change > 1)
    refuse("max-change is not between 0 and 1", "it is a change of probability, like 0.001");
  if (o.max_change > 0 && (to == DType::kFloat32 || o.storage_only || o.naive || !data))
    refuse(
        "max-change says which nodes compute in half precision: not with fp32, storage-only or "
        "naive, nor without data",
        "leave it out, or pass data and --to fp16 or bf16 alone");
  if (o.storage_only && (o.io || o.naive || !o.keep.empty()))
    refuse("storage-only changes weights and nothing else: io, naive and keep do not go with it",
           "leave out one or the other");
}

ConvertResult narrowed(const ir::Model& original, DType to, const Data* calibration,
                       const ConvertOptions& options) {
  quant::HalvesRecipe recipe{to, options.io, options.storage_only, options.naive, options.keep};
  // From one half to the other goes through float32.
  const DType other = to == DType::kFloat16 ? DType::kBfloat16 : DType::kFloat16;
  ir::Model source = original;
  if (quant::has(original, other)) {
    for (ir::ValueId id : original.graph.required_inputs())
      recipe.io |= original.graph.values[id].type.elem == other;
    source = quant::to_float32(original, true);
  }
  for (const char* pass :
       {"inline_functions", "initializers_not_inputs", "constants_to_initializers"})
    passes::run_pass(source, pass);
  std::vector<Warning> warnings;
  quant::Halves halves = calibration
                             ? api::halves_on_data(source, recipe, *calibration, options, warnings)
                             : quant::to_halves(source, recipe, {});
  ConvertResult result(api::wrap(std::move(halves.model)));
  for (quant::FloatNode& n : halves.kept) {
    if (n.node.empty() && n.op.empty())
      warnings.push_back({"W31", n.reason});
    else
      result.kept.push_back({std::move(n.node), std::move(n.op), std::move(n.reason)});
  }
  result.converted = halves.converted;
  result.casts = halves.casts;
  result.stored = halves.stored;
  if (to == DType::kBfloat16 && result.converted > 0)
    warnings.push_back({"W35",
                        "onnxruntime's CPU has no bfloat16 Conv, MatMul or LSTM: this file is for "
                        "tersor and OpenVINO; --storage-only makes one for onnxruntime"});
  if (result.converted + result.stored == 0 && result.kept.empty())
    warnings.push_back(
        {"W33", quant::has(original, to)
                    ? "nothing to convert: what could be is in " + options.to + " already"
                    : std::string("nothing to convert: the model has no float32 "
                                  "numbers to speak of")});
  for (const std::string& glob : halves.unmatched)
    warnings.push_back(
        {"W34", fmt::format("--keep {} matches no node and no operator", base::quoted(glob))});
  result.warnings = std::move(warnings);
  return result;
}

}  // namespace

ConvertResult convert(const Model& model, const std::optional<Data>& data,
                      const ConvertOptions& options) {
  const DType to = target(options.to);
  check(to, data.has_value(), options);
  Data calibration = data.value_or(Data{});
  if (data && calibration.limit == 0) calibration.take(options.samples);
  ConvertResult result =
      to == DType::kFloat32
          ? ConvertResult(api::wrap(quant::to_float32(model.impl().model, !options.io)))
          : narrowed(model.impl().model, to, data ? &calibration : nullptr, options);
  if (!data || options.verify == 0) return result;
  Data unseen = calibration;
  if (api::open(calibration, model.impl().model)->total() > calibration.limit)
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
