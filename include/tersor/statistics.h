// What calibration saw of a model's values, as data: to keep, to add up, and to quantize from.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tersor/data.h"
#include "tersor/model.h"

namespace tersor {

// A value. Its JSON form holds no paths, and the same statistics give the same bytes.
class Statistics {
 public:
  // E01 missing, E25 no statistics ("-": standard input).
  static Statistics load(const std::filesystem::path& path);
  static Statistics parse(std::string_view json);
  std::string json() const;
  // Whole or not at all. E40 if the file exists and `force` is not set.
  void save(const std::filesystem::path& path, bool force = false) const;

  // What one run over the samples of both had given. E25 if they belong to different models,
  // settings or preprocessing.
  void merge(const Statistics& other);

  int64_t samples() const;
  int64_t values() const;        // how many values of the model were observed
  bool synthetic() const;        // from random data: not meaningful
  std::string model() const;     // sha256 of the model's file
  std::string settings() const;  // of calibrate() that the numbers depend on
  std::string data() const;      // how samples became tensors

  struct Impl;
  explicit Statistics(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  const Impl& impl() const { return *impl_; }

 private:
  std::shared_ptr<const Impl> impl_;
};

struct CalibrateOptions {
  // As in QuantizeOptions: the values observed depend on them, and quantize() must be given the
  // same.
  bool per_channel = true;
  std::string equalize = "auto";
  bool requantize = false;

  bool partial = false;   // observe what can be, around operators that the engine lacks
  int64_t samples = 300;  // spread over the data
  // When `progress` stops the work, give what was gathered until then instead of an Error.
  bool checkpoint = false;
  int threads = 0;
  Progress progress;
};

struct CalibrateResult {
  explicit CalibrateResult(Statistics gathered) : statistics(std::move(gathered)) {}
  Statistics statistics;
  bool interrupted = false;
  double seconds = 0;
  std::string data_guessed;
  std::vector<Warning> warnings;
};

// Observes every value that any calibrator, target and recipe of quantize() may ask for. Errors:
// those of quantize().
CalibrateResult calibrate(const Model& model, const Data& data,
                          const CalibrateOptions& options = {});
// "mse", "percentile:99.99", ... with what each does.
std::vector<std::pair<std::string, std::string>> calibrators();

}  // namespace tersor
