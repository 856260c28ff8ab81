// Where the samples of a data set come from: private to the room.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "calib/dataset.h"

namespace tersor::calib {

class Source {
 public:
  virtual ~Source() = default;
  virtual int64_t size() const = 0;
  // Fills sample.inputs and sample.source. Cheap for rising numbers.
  virtual void read(int64_t index, Sample& sample) = 0;
  // Whether several threads may read at once.
  virtual bool concurrent() const { return false; }
  // What a label file calls the item; empty if it is just a number.
  virtual std::string item_name(int64_t) const { return {}; }

  std::string noun = "samples";
  std::string summary, guessed;
  bool synthetic = false;
};

using Inputs = std::vector<InputSpec>;
namespace fs = std::filesystem;

// Regular files below `folder` (hidden ones left out), relative to it, sorted by name.
std::vector<fs::path> list_files(const fs::path& folder, bool recursive);

std::unique_ptr<Source> open_images(const fs::path& folder, std::vector<fs::path> files,
                                    const DatasetSpec& spec, const Inputs& inputs);
std::unique_ptr<Source> open_idx(const fs::path& path, bool gzip, const DatasetSpec& spec,
                                 const Inputs& inputs);
std::unique_ptr<Source> open_npy(const fs::path& path, const DatasetSpec& spec,
                                 const Inputs& inputs);
std::unique_ptr<Source> open_npz(const fs::path& path, const DatasetSpec& spec,
                                 const Inputs& inputs);
std::unique_ptr<Source> open_array_folder(const fs::path& folder, std::vector<fs::path> files,
                                          const DatasetSpec& spec, const Inputs& inputs);
// nullptr if the folder holds no ONNX test data.
std::unique_ptr<Source> open_test_data(const fs::path& folder, const Inputs& inputs);
std::unique_ptr<Source> open_random(const std::string& count, const DatasetSpec& spec,
                                    const Inputs& inputs);
std::unique_ptr<Source> open_memory(std::vector<std::map<std::string, Tensor>> samples,
                                    const Inputs& inputs);

// The header of an IDX file: element type code and sizes. The stream then stands at the data.
struct IdxHeader {
  int type = 0;
  std::vector<int64_t> dims;
};
bool looks_like_idx(const unsigned char* start);  // four bytes
IdxHeader read_idx_header(class ByteStream& stream, const std::string& name);

// The only input, for kinds of data that feed one. E20 otherwise.
const InputSpec& only_input(const Inputs& inputs, const std::string& what);

}  // namespace tersor::calib
