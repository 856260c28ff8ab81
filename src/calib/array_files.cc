// Sources made of .npy and .npz files.
#include <algorithm>
#include <cstring>

#include "base/checked.h"
#include "base/error.h"
#include "calib/npy.h"
#include "calib/pictures.h"
#include "calib/shapes.h"
#include "calib/source.h"

namespace tersor::calib {
namespace {

bool repeats_gray(const DatasetSpec& spec) {
  return spec.preprocess.preset == "rgb" || spec.preprocess.preset == "bgr" ||
         (spec.preprocess.channels && *spec.preprocess.channels != Channels::kGray);
}

// Slices of an array along axis 0, or the whole of it.
class ArraySlices {
 public:
  ArraySlices(std::unique_ptr<ByteStream> stream, const ArrayHeader& header, const InputSpec& input,
              std::string name)
      : stream_(std::move(stream)),
        header_(header),
        name_(std::move(name)),
        start_(stream_->position()),
        split_(split_samples(header.dims, input)) {}

  const Split& split() const { return split_; }

  Tensor read(int64_t i) {
    if (!split_.along_axis_0) {
      seek(start_);
      return read_array(*stream_, header_, name_);
    }
    Dims dims(header_.dims.begin() + 1, header_.dims.end());
    Dims shape = dims;
    if (split_.keep_axis) shape.insert(shape.begin(), 1);
    const uint64_t bytes = base::checked_mul(static_cast<uint64_t>(base::element_count(dims)),
                                             static_cast<uint64_t>(header_.element_bytes()));
    if (header_.fortran_order && !dims.empty()) {
      // Its slices lie scattered over the file.
      if (!whole_) {
        seek(start_);
        whole_ = read_array(*stream_, header_, name_);
      }
      Tensor t = Tensor::empty(header_.dtype, shape);
      if (bytes > 0)
        std::memcpy(t.raw_mutable(), whole_->raw() + static_cast<uint64_t>(i) * bytes, bytes);
      return t;
    }
    seek(start_ + static_cast<uint64_t>(i) * bytes);
    return read_elements(*stream_, header_, shape);
  }

 private:
  void seek(uint64_t position) {
    if (position < stream_->position()) stream_->rewind();
    stream_->skip(position - stream_->position());
  }

  std::unique_ptr<ByteStream> stream_;
  ArrayHeader header_;
  std::string name_;
  uint64_t start_;
  Split split_;
  std::optional<Tensor> whole_;
};

class OneArray : public Source {
 public:
  OneArray(ArraySlices slices, const InputSpec& input, std::string name, bool repeat_gray)
      : slices_(std::move(slices)),
        input_(input),
        name_(std::move(name)),
        repeat_gray_(repeat_gray) {}
  int64_t size() const override { return slices_.split().samples; }
  void read(int64_t i, Sample& sample) override {
    sample.source = name_;
    sample.inputs.emplace_back(input_.name,
                               fit(slices_.read(i), input_, i + 1, name_, repeat_gray_));
  }

 private:
  ArraySlices slices_;
  InputSpec input_;
  std::string name_;
  bool repeat_gray_;
};

const NpzFile::Member& member_for(const NpzFile& file, const InputSpec& input, size_t inputs,
                                  int64_t number) {
  if (const auto* m = file.find(input.name)) return *m;
  // What numpy.savez calls an array without a name.
  if (inputs == 1 && file.members().size() == 1 && file.members()[0].name == "arr_0")
    return file.members()[0];
  std::string names;
  for (const auto& m : file.members()) names += (names.empty() ? "" : ", ") + base::quoted(m.name);
  throw Error(ErrorKind::kInput, "E20",
              fmt::format("calibration item {} ({}) has no array {}; it has {}", number,
                          base::quoted(file.name()), base::quoted(input.name),
                          names.empty() ? "none" : base::printable(names)),
              "the keys of an .npz are the names of the inputs");
}

void read_npz_sample(const NpzFile& file, const Inputs& inputs, int64_t number, bool repeat_gray,
                     Sample& sample) {
  for (const InputSpec& input : inputs)
    sample.inputs.emplace_back(
        input.name, fit(file.read(member_for(file, input, inputs.size(), number)), input, number,
                        file.name(), repeat_gray));
}

// One .npz with a batch in every array.
class NpzBatch : public Source {
 public:
  NpzBatch(std::vector<ArraySlices> arrays, const Inputs& inputs, std::string name,
           bool repeat_gray)
      : arrays_(std::move(arrays)),
        inputs_(inputs),
        name_(std::move(name)),
        repeat_gray_(repeat_gray) {}
  int64_t size() const override { return arrays_[0].split().samples; }
  void read(int64_t i, Sample& sample) override {
    sample.source = name_;
    for (size_t k = 0; k < inputs_.size(); ++k)
      sample.inputs.emplace_back(inputs_[k].name,
                                 fit(arrays_[k].read(i), inputs_[k], i + 1, name_, repeat_gray_));
  }

 private:
  std::vector<ArraySlices> arrays_;
  Inputs inputs_;
  std::string name_;
  bool repeat_gray_;
};

// Files of one sample each (.npz), or of one or more (.npy).
class ArrayFolder : public Source {
 public:
  ArrayFolder(const fs::path& folder, std::vector<fs::path> files, const DatasetSpec& spec,
              const Inputs& inputs)
      : folder_(folder), inputs_(inputs), repeat_gray_(repeats_gray(spec)) {
    for (fs::path& file : files) {
      int64_t count = 1;
      if (file.extension() == ".npy") count = samples_in(file, only_input(inputs, "an .npy file"));
      if (count == 0) continue;
      files_.push_back({std::move(file), size_, count});
      size_ = base::checked_add(size_, count);
    }
  }
  int64_t size() const override { return size_; }
  std::string item_name(int64_t i) const override {
    const File& f = file_of(i);
    return f.count == 1 ? f.path.generic_string() : std::string();
  }
  void read(int64_t i, Sample& sample) override {
    const File& f = file_of(i);
    const fs::path path = folder_ / f.path;
    sample.source = path.string();
    if (f.path.extension() == ".npz") {
      read_npz_sample(NpzFile(path), inputs_, i + 1, repeat_gray_, sample);
      return;
    }
    if (!open_ || open_file_ != &f) {
      open_.emplace(open(path));
      open_file_ = &f;
    }
    sample.inputs.emplace_back(inputs_[0].name, fit(open_->read(i - f.first), inputs_[0], i + 1,
                                                    sample.source, repeat_gray_));
  }

 private:
  struct File {
    fs::path path;
    int64_t first = 0, count = 1;
  };
  ArraySlices open(const fs::path& path) const {
    auto file = std::make_shared<const InputFile>(path);
    auto stream = std::make_unique<ByteStream>(file, 0, file->size(), Packing::kNone);
    const ArrayHeader header = read_array_header(*stream, path.string());
    return ArraySlices(std::move(stream), header, inputs_[0], path.string());
  }
  // 1 for a damaged file: reading it will say so, with its number.
  int64_t samples_in(const fs::path& file, const InputSpec&) const {
    try {
      return open(folder_ / file).split().samples;
    } catch (const Error&) {
      return 1;
    }
  }
  const File& file_of(int64_t i) const {
    return *std::prev(std::ranges::upper_bound(files_, i, {}, &File::first));
  }

  fs::path folder_;
  std::vector<File> files_;
  int64_t size_ = 0;
  Inputs inputs_;
  bool repeat_gray_;
  std::optional<ArraySlices> open_;
  const File* open_file_ = nullptr;
};

class OneNpz : public Source {
 public:
  OneNpz(const fs::path& path, const Inputs& inputs, bool repeat_gray)
      : path_(path), inputs_(inputs), repeat_gray_(repeat_gray) {}
  int64_t size() const override { return 1; }
  void read(int64_t i, Sample& sample) override {
    sample.source = path_.string();
    read_npz_sample(NpzFile(path_), inputs_, i + 1, repeat_gray_, sample);
  }

 private:
  fs::path path_;
  Inputs inputs_;
  bool repeat_gray_;
};

// True if the user said how pixels become numbers: then an array of bytes holds pictures.
bool asks_for_pictures(const Preprocess& p) {
  return p.preset == "imagenet" || p.preset == "fashion-mnist" || p.resize || p.crop ||
         !p.mean.empty() || !p.std.empty();
}

}  // namespace

std::unique_ptr<Source> open_npy(const fs::path& path, const DatasetSpec& spec,
                                 const Inputs& inputs) {
  const InputSpec& input = only_input(inputs, "an .npy file");
  auto file = std::make_shared<const InputFile>(path);
  auto stream = std::make_unique<ByteStream>(file, 0, file->size(), Packing::kNone);
  const ArrayHeader header = read_array_header(*stream, path.string());
  if (header.dtype == DType::kUint8 && !header.fortran_order && asks_for_pictures(spec.preprocess))
    if (const auto shape = pixel_shape(header.dims))
      return open_pixels(std::move(stream), *shape, spec, input);
  return std::make_unique<OneArray>(ArraySlices(std::move(stream), header, input, path.string()),
                                    input, path.string(), repeats_gray(spec));
}

std::unique_ptr<Source> open_npz(const fs::path& path, const DatasetSpec& spec,
                                 const Inputs& inputs) {
  const NpzFile file(path);
  std::vector<ArraySlices> arrays;
  for (const InputSpec& input : inputs) {
    const NpzFile::Member& m = member_for(file, input, inputs.size(), 1);
    const std::string name = file.name() + ":" + m.name;
    auto stream = file.open(m);
    const ArrayHeader header = read_array_header(*stream, name);
    arrays.emplace_back(std::move(stream), header, input, name);
  }
  const bool batch = !arrays.empty() && std::ranges::all_of(arrays, [&](const ArraySlices& a) {
    return a.split().along_axis_0 && a.split().samples == arrays[0].split().samples;
  });
  if (batch)
    return std::make_unique<NpzBatch>(std::move(arrays), inputs, path.string(), repeats_gray(spec));
  return std::make_unique<OneNpz>(path, inputs, repeats_gray(spec));
}

std::unique_ptr<Source> open_array_folder(const fs::path& folder, std::vector<fs::path> files,
                                          const DatasetSpec& spec, const Inputs& inputs) {
  return std::make_unique<ArrayFolder>(folder, std::move(files), spec, inputs);
}

}  // namespace tersor::calib
