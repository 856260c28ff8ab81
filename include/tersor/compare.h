// The verdict: original against compressed, on the user's data.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tersor/data.h"
#include "tersor/model.h"

namespace tersor {

struct OutputComparison {
  std::string name;
  double sqnr_db = 0;  // +inf if equal
  double cosine = 1;
  double max_abs = 0;  // largest |a - b|
  bool finite = true;  // false: not finite where the original is
};

struct LayerComparison {
  std::string value, node, op;  // the value compared and the node of the original that makes it
  double sqnr_db = 0, cosine = 1, max_abs = 0;
  bool finite = true;  // false: not finite where the original is
};

// 8-bit pixels, rows from the top, 1 (gray) or 3 (red, green, blue) channels.
struct Picture {
  int width = 0, height = 0, channels = 0;
  std::vector<uint8_t> pixels;
};

// One sample of a classifier.
struct SampleComparison {
  std::string source;
  int64_t label_a = 0, label_b = 0;
  double probability_a = 0,
         probability_b = 0;  // of the winning label, softmax where the output is logits
  double margin_a = 0;       // probability of the original's first over its second label
  std::optional<int64_t> truth;
  std::optional<Picture> picture;  // if asked for: the input, stretched to 0..255, made small
};

struct Accuracy {
  int64_t n = 0;
  double top1 = 0;
  std::optional<double> top5;  // where there are more than 5 classes
};

struct Comparison {
  int64_t n = 0;           // samples compared
  bool synthetic = false;  // random data: not meaningful
  std::vector<OutputComparison> outputs;
  std::vector<LayerComparison> layers;    // if asked for, in graph order
  std::vector<SampleComparison> samples;  // classifiers only; the first `keep_samples`
  // Those that changed most, if asked for: other labels first, then by probability.
  std::vector<SampleComparison> most_changed;
  bool classifier = false;
  double top1_agree = 1;  // share of samples with the same label
  // Largest change of the probability of the original's label.
  double max_probability_change = 0;
  std::optional<Accuracy> accuracy_a, accuracy_b;            // with labels
  std::optional<std::pair<double, double>> top1_delta_ci95;  // of accuracy_b - accuracy_a, paired
  bool passed = true;
  std::vector<std::string> broken;  // conditions that do not hold, as sentences
  std::vector<Warning> warnings;
  std::string data_summary;
};

struct CompareOptions {
  int threads = 0;  // 0: one per core
  bool layers = false;
  int64_t keep_samples = 20;
  int64_t most_changed = 0;  // samples that changed most to keep, with pictures
  // Conditions that fail the comparison, e.g. "top1_agree<0.99", "top1_drop>0.5%", "sqnr<20",
  // "cosine<0.99", "max_abs>0.1". Empty: top1_agree<0.95 where there is a class output,
  // an sqnr below 5 dB of an output of floats, and non-finite values.
  std::vector<std::string> fail_if;
  Progress progress;
};

// Both models get the same samples. E26 if their inputs or outputs do not fit each other.
Comparison compare(const Model& original, const Model& compressed, const Data& data,
                   const CompareOptions& options = {});

struct Evaluation {
  Accuracy accuracy;
  double seconds = 0;
  std::string data_summary;
  std::vector<Warning> warnings;
};
// Accuracy on labelled data. E22 if there are no labels for it.
Evaluation evaluate(const Model& model, const Data& data, int threads = 0,
                    const Progress& progress = {});

// ---- latency ---------------------------------------------------------------------------------

struct Timing {
  std::string model;
  int threads = 1;
  int64_t batch = 1;
  double p50_ms = 0, p90_ms = 0, min_ms = 0;
  int64_t rounds = 0;
  double spread = 0;  // (p90 - min) / p50
};
struct LayerTiming {
  std::string node, op, kernel;
  double ms = 0;  // median
};
struct BenchOptions {
  std::vector<int> threads = {1};
  int64_t batch = 1;
  double seconds = 3;  // per model and thread count
  std::map<std::string, int64_t>
      symbols;               // sizes of named dimensions; 1 for a batch, 128 otherwise
  std::optional<Data> data;  // its first samples are the inputs; random numbers otherwise
};
// Interleaved rounds of all models on the same inputs; a row per thread count and model.
std::vector<Timing> bench(const std::vector<std::pair<std::string, Model>>& models,
                          const BenchOptions& options = {});
std::vector<LayerTiming> profile(const Model& model, const BenchOptions& options = {});

}  // namespace tersor
