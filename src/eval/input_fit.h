// Whether data look as a trained model expects them.
#pragma once

#include <memory>
#include <string>

#include "calib/dataset.h"
#include "engine/session.h"

namespace tersor::eval {

// What a model still tells of the data it was trained on: the running statistics of its first
// BatchNormalization; otherwise, of a classifier, whether its answers are sure and yet unlike.
class InputFit {
 public:
  // `original`: as it was loaded, its normalizations not yet folded into weights. nullptr: the
  // model tells nothing. `answers`: run the whole model where it has no such statistics.
  static std::unique_ptr<InputFit> of(const ir::Model& original, bool answers, int threads);

  // Nats, less is better: how far the mean and variance of each channel, taken for normal
  // distributions, are from the running ones (Kullback-Leibler divergence, mean over channels); or
  // what answers do not tell of their samples, log(samples or classes) - H(mean p) + mean H(p).
  double misfit(calib::Dataset& data) const;
  // Nothing to look for; what the statistics of few pictures may differ by.
  bool good(double misfit) const;
  bool clearly_better(double misfit, double than) const;
  const std::string& evidence() const { return evidence_; }  // "the running statistics of ..."
  int64_t samples() const;                                   // that are enough

 private:
  std::vector<double> mean_, variance_;  // running; empty for a classifier
  std::string evidence_;
  std::vector<calib::InputSpec> inputs_;
  std::unique_ptr<engine::Session> session_;
};

}  // namespace tersor::eval
