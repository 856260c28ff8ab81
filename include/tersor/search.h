// Which layers pay for 8 bits with accuracy, and which of them stay in float for it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tersor/data.h"
#include "tersor/model.h"

namespace tersor {

struct QuantizeOptions;

struct LayerSensitivity {
  std::string node, op;   // a node without a name is called as its first output
  double alone_db = 0;    // SQNR of the worst output with this layer alone in 8 bits
  double without_db = 0;  // with all layers in 8 bits but this one
  uint64_t bytes = 0;     // that its weights lose in 8 bits
};

struct Sensitivity {
  double all_db = 0;  // SQNR of the worst output with all layers in 8 bits
  int64_t samples = 0;
  std::vector<LayerSensitivity> layers;  // that can be 8 bits; those that hurt most first
  double seconds = 0;
  std::vector<Warning> warnings;
};

// Scores a model, in any unit; higher is better. Long work asks `go_on` now and then: false says
// that the search is at its end, and nothing is to be returned. An Error is about this model.
using Score =
    std::function<std::optional<double>(const Model& model, const std::function<bool()>& go_on)>;

// What quantize() must keep to, by leaving layers in float.
struct Goal {
  std::string metric = "top1";  // "top1", "sqnr", "cosine", "score"
  // top1: the most accuracy that is lost or, without labels, the largest share of samples that get
  // another label; cosine: the most that is missing to 1; sqnr: the least of the worst output, dB;
  // score: the most that is lost of the original's score, in its unit.
  double limit = 0.01;
  double seconds = 0;     // for the search; 0: no limit
  Score score;            // where that is the metric
  bool relative = false;  // `limit` is a share of the original's score
};

// One mix of precisions that was tried.
struct Mix {
  std::vector<std::string> left;  // layers in float
  uint64_t bytes = 0;             // of weights
  double value = 0;               // of the measure
  bool holds = false;
};

struct Search {
  std::string measure, condition;          // "top1_drop", "top1_drop>0.01": what must not be
  double limit = 0;                        // of the measure
  std::optional<double> original;          // score of the original, where that is the measure
  std::optional<Sensitivity> sensitivity;  // nothing where 8 bits hold, or time was too short
  std::vector<Mix> tried;  // fewest layers in float first; nothing if there was no time for one
  std::optional<size_t> chosen;
  // "time", "interrupted", "failed" (there was no score): the best until then was taken.
  std::string stopped;
  std::string failure;  // why there was no score
  double seconds = 0;
  std::optional<Model> all_8_bits;  // where layers were left in float: to compare with
};

// By measurement on data that calibration did not see (at most `samples`): one layer alone in 8
// bits, and all but one. Only what changes runs again. Errors: those of quantize().
Sensitivity sensitivity(const Model& model, const Data& data, const QuantizeOptions& options,
                        int64_t samples = 16);

}  // namespace tersor
