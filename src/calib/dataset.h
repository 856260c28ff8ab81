// Data sets: streams of samples that fit the inputs of a model, from files of many kinds or a
// generator.
//
// Memory does not grow with the number of samples: files are opened one at a time, arrays and IDX
// files are read piece by piece, compressed or not.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "calib/preprocess.h"
#include "runtime/pool.h"
#include "tensor/tensor.h"

namespace tersor::calib {

// One sample: a tensor for every input of the model, in the model's order and types. The batch
// axis, if there is one, is there, with size 1 or more; where the model fixes it to N > 1, Batcher
// makes it so.
struct Sample {
  std::vector<std::pair<std::string, Tensor>> inputs;
  std::string source;  // the file it came from
  int64_t index = 0;   // in the whole data set, from 0; messages count from 1
  std::optional<int64_t> label;
};

struct DatasetSpec {
  // A folder of pictures (or of folders of pictures), of .npy or .npz files, or of ONNX test data
  // (input_0.pb ... or test_data_set_*); one picture, .npy, .npz, IDX file (gzipped or not);
  // "random:N".
  std::string path = {};
  std::vector<std::map<std::string, Tensor>> memory =
      {};                      // samples by input name, where there is no path
  Preprocess preprocess = {};  // for pictures
  std::string labels = {};     // a file for read_labels; empty: none
  // At most so many samples, spread evenly over the data set; 0: all. With `rest`: those that the
  // limit leaves out.
  int64_t limit = 0;
  bool rest = false;
  int64_t rest_limit = 0;  // with `rest`: at most so many of them, spread evenly; 0: all
  // Of the samples that the limit chooses, those at shard, shard + shards, ...
  int64_t shard = 0, shards = 1;
  bool skip_bad = false;  // leave out items with NaN, a wrong shape or damage, instead of an Error
  uint64_t seed = 0;      // for random:N
  std::map<std::string, int64_t> symbols = {};  // for random:N: sizes of named dimensions
};

class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual std::string name() const = 0;   // as the user gave it
  virtual std::string noun() const = 0;   // "images" or "samples"
  virtual int64_t size() const = 0;       // samples that next() will give (bad ones included)
  virtual int64_t total() const = 0;      // without limit
  virtual bool next(Sample& sample) = 0;  // false at the end
  // Reads some of the next samples by all threads, if the kind of data allows it: what next() gives
  // stays the same.
  virtual void read_ahead(runtime::ThreadPool& /*pool*/, int64_t /*most*/) {}
  virtual void reset() = 0;
  virtual bool synthetic() const = 0;   // random: results are not meaningful
  virtual int64_t skipped() const = 0;  // bad items left out so far
  // For the user: "resize 256, crop 224, ImageNet mean/std", and what was guessed.
  virtual std::string summary() const = 0;
  virtual std::string guessed() const = 0;
};

// Errors: E01 missing, E24 nothing usable in it, E20 does not fit the inputs, E22 labels; next():
// E20 wrong shape or type, E21 NaN or infinite values, E23 malformed file, E60 limits.
std::unique_ptr<Dataset> open_dataset(const DatasetSpec& spec,
                                      const std::vector<InputSpec>& inputs);

// Labels by `items` (the file name of each item, or what stands for it): IDX, .npy, or CSV with a
// header `file,label`, or `label` alone, in order. E22 if the counts differ or an item has none.
std::vector<int64_t> read_labels(const std::string& path, const std::vector<std::string>& items,
                                 const std::string& noun = "items");

// Samples put together along axis 0.
struct Batch {
  std::vector<std::pair<std::string, Tensor>> inputs;
  int64_t count = 0;     // samples in it; the tensors may hold more where the model fixes the batch
                         // (repeats of the last)
  bool stacked = false;  // each is one row along axis 0
  std::vector<int64_t> indices;
  std::vector<std::string> sources;
  std::vector<std::optional<int64_t>> labels;
};

struct Warning {
  std::string code, text;  // "W20"
};

// Looks at what goes by and says what a user should know: fewer than 32 samples (W20), all
// identical (W21), values of 0..255 into a float input (W22), synthetic data (W23), bad items left
// out (W24).
class DataCheck {
 public:
  void observe(const Sample& sample);
  std::vector<Warning> finish(const Dataset& data) const;

 private:
  uint64_t samples_ = 0, first_hash_ = 0;
  bool all_same_ = true;
  struct Extent {
    double min = 0, max = 0;
    bool any = false;
  };
  std::map<std::string, Extent> extents_;
};

class Batcher {
 public:
  // `wish` samples at once where dimension 0 of every input is symbolic (or, where it is a fixed N
  // > 1, that many); one otherwise. Samples of different shapes never share a batch. Refers to
  // `data`, and shows every sample to `check`, if there is one.
  Batcher(Dataset& data, const std::vector<InputSpec>& inputs, int64_t wish,
          DataCheck* check = nullptr);
  // Samples are read by these threads, some at a time.
  void use(runtime::ThreadPool& pool) { pool_ = &pool; }
  // Another wish from the next batch on; true if that changes anything: a fixed batch stays.
  bool wish(int64_t samples);
  bool next(Batch& batch);
  int64_t batch() const noexcept { return batch_; }

 private:
  Dataset& data_;
  DataCheck* check_;
  runtime::ThreadPool* pool_ = nullptr;
  int64_t batch_ = 1;
  bool fixed_ = false, open_ = false;  // the model says how many, or takes any number
  std::optional<Sample> ahead_;
};

}  // namespace tersor::calib
