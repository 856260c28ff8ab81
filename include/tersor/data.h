// The user's own data: what calibration, comparison and accuracy are measured on.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tersor/tensor.h"

namespace tersor {

// Named tensors for one call of a model.
using Tensors = std::map<std::string, Tensor>;

// How pictures become tensors. Empty fields are guessed from the model's input; what was guessed is
// reported.
struct Preprocess {
  std::string preset;     // "imagenet", "fashion-mnist", "none"
  std::string resize;     // "256" (shorter side) or "320x240" (width x height)
  std::string crop;       // "224" or "224x224"
  std::string mean, std;  // "0.5" or "0.485,0.456,0.406"
  std::string layout;     // "nchw", "nhwc"
  std::string channels;   // "rgb", "bgr", "gray"
};

// A description of data; opened against a model when it is used. A value.
class Data {
 public:
  // A folder of pictures, of .npy or .npz files, or of ONNX test data; one picture, .npy, .npz, IDX
  // file; "random:N".
  static Data open(std::string path, Preprocess preprocess = {});
  // Samples in memory, one Tensors each.
  static Data of(std::vector<Tensors> samples);
  // For models of one input.
  static Data of(std::vector<Tensor> samples);

  Data& labels(std::string file);  // IDX, .npy or CSV
  Data& take(int64_t samples);     // at most so many, spread evenly; 0: all
  Data& shard(int64_t index,
              int64_t count);        // of what take() chose, every count-th, from index 0..
  Data& rest(int64_t samples = 0);   // of those that take() leaves out at most so many; 0: all
  Data& skip_bad(bool skip = true);  // leave out items with NaN, a wrong shape or damage
  Data& seed(uint64_t seed);
  bool empty() const { return path.empty() && memory.empty(); }

  std::string path, labels_path;
  Preprocess preprocess;
  std::vector<Tensors> memory;
  int64_t limit = 0, rest_limit = 0;
  bool rest_only = false, skip_damaged = false;
  int64_t shard_index = 0, shard_count = 1;
  uint64_t random_seed = 0;
};
// A folder of pictures.
Data images(std::string folder, Preprocess preprocess = {});

// Called during long work with a stage ("calibrate"), the samples done, and how many there are.
// Returning false stops the work with an Error of kind kInterrupted.
using Progress = std::function<bool(const std::string& stage, int64_t done, int64_t total)>;

struct Warning {
  std::string code, text;
};

}  // namespace tersor
