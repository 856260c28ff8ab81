#include "recipe_options.h"

#include <fmt/format.h>

namespace tersor::cli {
namespace {

std::vector<std::string> names_of(const std::vector<std::pair<std::string, std::string>>& list) {
  std::vector<std::string> names;
  for (const auto& [name, summary] : list) names.push_back(name);
  return names;
}

}  // namespace

void add_recipe(CLI::App& app, RecipeOptions& o) {
  add_data(app, o.data, true);
  app.add_option("-t,--type", o.quantize.type,
                 "of weights: int8 (default), int4; activations have 8 bits");
  std::string presets;
  for (const auto& [name, summary] : recipes())
    presets += fmt::format("{}{}: {}", presets.empty() ? "" : "; ", name, summary);
  app.add_option("--recipe", o.quantize.recipe, presets + " (balanced)");
  app.add_option("--target", o.quantize.target,
                 "any (default): runs as int8 in onnxruntime, OpenVINO and tersor; or for one of "
                 "onnxruntime, openvino, tensorrt, tersor, tersor-avx2");
  app.add_option("-n,--samples", o.quantize.samples,
                 "calibration samples, spread over the data (300)")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 40));
  std::string names;
  for (const auto& [name, summary] : calibrators()) names += (names.empty() ? "" : ", ") + name;
  app.add_option("--calib", o.quantize.calibrator, names);
  app.add_option("--stats", o.stats,
                 "statistics of 'tersor calibrate' instead of calibrating; -d is compared on only");
  app.add_option("--bias-correct", o.quantize.bias_correct,
                 "on or off: biases make up for the mean error of rounded weights");
  app.add_option("--gptq", o.quantize.gptq,
                 "on or off: weights make up for the rounding of those before them");
  app.add_option("--adaround", o.quantize.adaround,
                 "on or off: weights round to where the output of their layer changes least");
  app.add_option(
      "--equalize", o.quantize.equalize,
      "auto (default), on, off: bring channels of unlike size between two layers together");
  app.add_flag("--per-tensor", o.per_tensor, "one scale for a whole weight, not one per channel");
  app.add_option("--keep", o.quantize.keep, "leave these nodes or operators in float (globs)");
  app.add_flag("--requantize", o.quantize.requantize,
               "accept a quantized model: dequantize it first");
}

void finish_recipe(RecipeOptions& o, const Common& common) {
  check_choice("type", o.quantize.type, {"int8", "int4"});
  check_choice("recipe", o.quantize.recipe, names_of(recipes()));
  check_choice("choice for --equalize", o.quantize.equalize, {"auto", "on", "off"});
  check_choice("target", o.quantize.target, target_names());
  o.quantize.per_channel = !o.per_tensor;
  o.quantize.threads = common.threads;
  if (!o.stats.empty()) o.quantize.statistics = Statistics::load(o.stats);
  o.quantize = o.quantize.settled();
}

}  // namespace tersor::cli
