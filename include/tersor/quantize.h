// Static quantization to 8 bits, or of weights to 4: simplify, calibrate on data, decide, write
// QDQ.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tersor/compare.h"
#include "tersor/data.h"
#include "tersor/model.h"
#include "tersor/search.h"
#include "tersor/statistics.h"

namespace tersor {

struct QuantizeOptions {
  std::string type = "int8";  // of weights, or "int4"; activations have 8 bits
  // What the options below are that are not set: "fast", "balanced", "best" (recipes()).
  std::string recipe = "balanced";
  std::string calibrator;            // a name of calibrators()
  bool per_channel = true;           // scales of weights
  std::optional<bool> bias_correct;  // biases make up for the mean error of rounded weights
  // Weights are rounded by what that does to the output of their layer, in a second run over the
  // data: each makes up for those before it (GPTQ); each goes to where that is least (AdaRound).
  // Types of less than 8 bits do both unless told not to.
  std::optional<bool> gptq, adaround;
  // Units of channels between layers that quantize better, the float function unchanged: "auto"
  // (where the weights say that it is needed), "on", "off".
  std::string equalize = "auto";
  std::string target = "any";     // see targets.h
  std::vector<std::string> keep;  // node names or operators (globs) that stay in float
  bool partial = false;           // quantize what can be observed, leave unknown operators in float
  bool requantize = false;        // accept a model that is quantized already
  int64_t samples = 300;          // calibration samples
  // Of calibrate(), instead of calibrating: `data` is for the comparison alone, and may be empty.
  std::optional<Statistics> statistics;
  int64_t verify = 50;  // other samples to compare on at the end; 0: no comparison
  // Layers stay in float until this holds on the samples of `verify`, as few as can be found. When
  // time is over or `progress` stops the search, the best until then is the result.
  std::optional<Goal> goal;
  // Histograms, and a comparison of every layer with the samples that changed most: for a report.
  bool details = false;
  int threads = 0;
  Progress progress;

  // With everything that recipe and type leave to choose set. E50: an unknown recipe or type.
  QuantizeOptions settled() const;
};
// "fast", "balanced", "best" with what each does.
std::vector<std::pair<std::string, std::string>> recipes();

// Counts of values in equal bins from lo to hi.
struct Bins {
  double lo = 0, hi = 0;
  std::vector<uint64_t> counts;
};

// What was decided about one value that is stored in 8 bits.
struct TensorDecision {
  std::string tensor, node, op;  // the node that makes it; empty for an input
  std::string dtype;             // "uint8", "int8"
  std::string why;               // "it ends a Relu", "shares the format of 'x'"
  float min = 0, max = 0;        // observed
  float lo = 0, hi = 0;          // range covered
  float scale = 0;
  int32_t zero_point = 0;
  double clipped_share = 0;
  Bins histogram;  // observed values, if `details` were asked for
};

// What was decided about one node.
struct LayerDecision {
  std::string node, op;
  bool quantized = false;
  std::string reason;       // why it stays in float; empty if quantized
  std::string granularity;  // "channel" or "tensor" for weighted layers
  std::string weights;      // "int8", "int4", of quantized weighted layers
  bool learned = false;     // their rounding
  std::optional<double> weight_sqnr_db;
  std::string tensor;      // its output
  std::string stored;      // where its result is stored in 8 bits: behind its bias and activation
  float min = 0, max = 0;  // observed
  float lo = 0, hi = 0;    // range covered
  float scale = 0;
  int32_t zero_point = 0;
  double clipped_share = 0;
  uint64_t bytes_before = 0, bytes_after = 0;  // of weights and biases, with their scales
  Bins histogram;                              // of the weights, if `details` were asked for
};

// Two layers whose channels between them got other units.
struct EqualizedPair {
  std::string first, second;          // nodes
  int64_t channels = 0, changed = 0;  // between them, and with another unit
  int smallest = 0, largest = 0;      // powers of 2 by which the values shrank
  double gain_db = 0;                 // predicted from the weights
};

struct QuantizeResult {
  QuantizeResult(Model quantized_model, Model prepared_model)
      : model(std::move(quantized_model)), prepared(std::move(prepared_model)) {}
  Model model;
  Model prepared;  // the simplified float model that was calibrated
  std::vector<LayerDecision> layers;
  std::vector<TensorDecision> tensors;  // in graph order
  std::vector<EqualizedPair> equalized;
  int64_t equalizable = 0;              // pairs of layers that were looked at
  int64_t weighted = 0, quantized = 0;  // layers with weights, and how many of them are quantized
  int64_t calibration_samples = 0;
  bool synthetic = false;
  double seconds = 0;      // of calibration
  std::string recipe;      // "int8 mse per-channel bias-correct"
  std::string simplified;  // "fuse_batchnorm 20, ..."
  int64_t nodes_before = 0, nodes_after = 0;
  std::string data_summary, data_guessed;
  std::optional<Search> search;  // with a goal
  std::optional<Comparison> comparison;
  std::vector<Warning> warnings;
};

// Errors: E30 already quantized, E10 an operator that cannot run (without `partial`), E20..E24
// data, E25 statistics of another model or with other settings, E51 rounding shall be learned and
// there is no data.
QuantizeResult quantize(const Model& model, const Data& data, const QuantizeOptions& options = {});

}  // namespace tersor
