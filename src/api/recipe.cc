#include "api/recipe.h"

#include "base/error.h"
#include "calib/grams.h"
#include "quant/algorithms/rounding/learned_rounding.h"
#include "quant/partial.h"

namespace tersor {
namespace {

// A preset of what options leave open.
struct Preset {
  const char *name, *summary;
  const char* calibrator;
  bool bias_correct, learns;
};
constexpr Preset kPresets[] = {
    {"fast", "ranges from minimum to maximum, nothing corrected", "minmax", false, false},
    {"balanced", "ranges of least squared error, biases corrected", "mse", true, false},
    {"best", "the same, and rounding of weights learned from the data", "mse", true, true},
};

const Preset& find_preset(const std::string& name) {
  for (const Preset& p : kPresets)
    if (name == p.name) return p;
  throw Error(ErrorKind::kUsage, "E50", "unknown recipe " + base::quoted(name),
              "fast, balanced or best");
}

DType parse_type(const std::string& name) {
  if (name == "int8") return DType::kInt8;
  if (name == "int4") return DType::kInt4;
  throw Error(ErrorKind::kUsage, "E50", "unknown type " + base::quoted(name), "int8 or int4");
}

}  // namespace

std::vector<std::pair<std::string, std::string>> recipes() {
  std::vector<std::pair<std::string, std::string>> list;
  for (const Preset& p : kPresets) list.emplace_back(p.name, p.summary);
  return list;
}

QuantizeOptions QuantizeOptions::settled() const {
  const Preset& preset = find_preset(recipe);
  const bool learns = preset.learns || tensor::bits(parse_type(type)) < 8;
  QuantizeOptions o = *this;
  if (o.calibrator.empty()) o.calibrator = preset.calibrator;
  if (!o.bias_correct) o.bias_correct = preset.bias_correct || learns;
  if (!o.gptq) o.gptq = learns;
  if (!o.adaround) o.adaround = learns;
  return o;
}

namespace api {
namespace {

// Rounds weights by a run of the model as it is quantized so far.
void learn_rounding(const Prepared& prepared, const quant::Recipe& recipe, const Data& data,
                    const QuantizeOptions& options, quant::Decisions& decisions) {
  const std::set<std::string> layers = quant::rounding_points(prepared.model, decisions);
  ir::Model quantized = quant::apply(prepared.model, decisions);
  if (options.partial) {
    std::map<std::string, int> points;
    for (const std::string& name : layers) points[name] = 0;
    quantized = quant::observable_part(quantized, points);
  }
  const auto samples = open(limited(data, options.samples), prepared.model);
  calib::GramOptions grams{.threads = options.threads};
  grams.advance = advance_of(options.progress, "round");
  quant::learn_rounding(prepared.model, recipe,
                        calib::collect_grams(quantized, layers, *samples, grams), decisions,
                        options.threads);
}

}  // namespace

quant::Recipe recipe_of(const QuantizeOptions& settled, const Data& data) {
  quant::Recipe recipe{.calibrator = stats::parse_calibrator(settled.calibrator),
                       .per_channel = settled.per_channel,
                       .bias_correct = *settled.bias_correct,
                       .weights = parse_type(settled.type),
                       .gptq = *settled.gptq,
                       .adaround = *settled.adaround,
                       .keep = settled.keep,
                       .target = &quant::find_target(settled.target)};
  quant::check_weight_type(recipe.weights, *recipe.target);
  if (recipe.learns() && data.empty())
    throw Error(ErrorKind::kUsage, "E51",
                "learned rounding looks at samples again, statistics are not enough",
                "pass the data too, or switch gptq and adaround off");
  return recipe;
}

quant::Decisions decide(const Prepared& prepared, const stats::Statistics& statistics,
                        const quant::Recipe& recipe, const Data& data,
                        const QuantizeOptions& options) {
  quant::Decisions decisions =
      quant::decide(prepared.model, statistics, recipe, nullptr, options.threads);
  if (recipe.learns()) learn_rounding(prepared, recipe, data, options, decisions);
  return decisions;
}

}  // namespace api
}  // namespace tersor
