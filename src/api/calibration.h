// From a model to what is calibrated, and from data to statistics: what calibrate() and quantize()
// share. Inside api/ only.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "api/impl.h"
#include "calib/collect.h"
#include "passes/pipeline.h"
#include "quant/algorithms/equalize.h"
#include "quant/decisions.h"
#include "tersor/quantize.h"
#include "tersor/statistics.h"

namespace tersor {

struct Statistics::Impl {
  stats::Statistics statistics;
};

namespace api {

// The float model that is calibrated and quantized.
struct Prepared {
  ir::Model model;
  passes::Report report;
  int64_t equalizable = 0;
  std::vector<quant::Equalized> equalized;
  std::string settings;  // that its values depend on
};
// E30, E32; E14 weights that are not finite. `target` may refuse the opset, which is one that has
// `weights`.
Prepared prepare(const Model& model, bool per_channel, const std::string& equalize, bool requantize,
                 int threads, const quant::Target& target, DType weights = DType::kInt8);

// Gives back what deferred weights take until they are looked at again: of a model that is not
// shared.
void unload(const ir::Model& model);

// The values that a recipe with any target, and nothing kept in float, needs.
std::map<std::string, int> all_points(const ir::Model& prepared);

// At most `samples` of the data, for calibration.
Data limited(const Data& data, int64_t samples);
// At most `wanted` of the data that calibration with these options does not see; of those it sees,
// and a warning, if there are no others. With statistics, `data` are not calibrated on.
Data held_out(const Data& data, const QuantizeOptions& options, int64_t wanted,
              const ir::Model& model, std::vector<Warning>& warnings);

struct Gathered {
  stats::Statistics statistics;
  std::vector<Warning> warnings;
  std::string guessed;
  bool interrupted = false;
  double seconds = 0;
};
// Of the values in `points`, see calib::collect.
Gathered gather(const Model& model, const Prepared& prepared, const Data& data,
                const CalibrateOptions& options, std::map<std::string, int> points,
                bool histograms = true);

// `options.statistics`, or what calibration with these options sees of the values that the recipe
// needs.
Gathered gather(const Model& model, const Prepared& prepared, const Data& data,
                const QuantizeOptions& options, const quant::Recipe& recipe);

// What a recipe needs of them, histograms only if the calibrator does or `histograms` says so. E25
// if they are of another model, gathered with other settings, or lack something (unless `partial`).
stats::Statistics chosen(const stats::Statistics& statistics, const Model& model,
                         const Prepared& prepared, const quant::Recipe& recipe, bool partial,
                         bool histograms);

}  // namespace api
}  // namespace tersor
