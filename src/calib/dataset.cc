#include "calib/dataset.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <deque>
#include <exception>

#include "base/checked.h"
#include "base/error.h"
#include "base/file.h"
#include "base/limits.h"
#include "calib/source.h"
#include "calib/stream.h"
#include "stats/min_max.h"

namespace tersor::calib {
namespace {

class Selected : public Dataset {
 public:
  Selected(std::unique_ptr<Source> source, const DatasetSpec& spec, const Inputs& inputs)
      : source_(std::move(source)),
        name_(spec.path),
        inputs_(inputs.size()),
        rest_(spec.rest && spec.limit > 0),
        shard_(spec.shard),
        shards_(rest_ ? 1 : spec.shards),
        skip_bad_(spec.skip_bad) {
    total_ = source_->size();
    chosen_ = spec.limit > 0 ? std::min(spec.limit, total_) : total_;
    const int64_t left = total_ - chosen_;
    rest_chosen_ = spec.rest_limit > 0 ? std::min(spec.rest_limit, left) : left;
    if (shards_ < 1 || shard_ < 0 || shard_ >= shards_)
      throw Error(ErrorKind::kUsage, "E50",
                  fmt::format("there is no part {} of {} of the data", shard_ + 1, shards_));
    if (!spec.labels.empty()) {
      std::vector<std::string> items(static_cast<size_t>(total_));
      for (int64_t i = 0; i < total_; ++i) items[static_cast<size_t>(i)] = source_->item_name(i);
      labels_ = read_labels(spec.labels, items, source_->noun);
    }
  }

  std::string name() const override { return name_; }
  std::string noun() const override { return source_->noun; }
  int64_t size() const override {
    return rest_ ? rest_chosen_ : (chosen_ - shard_ + shards_ - 1) / shards_;
  }
  int64_t total() const override { return total_; }
  bool synthetic() const override { return source_->synthetic; }
  int64_t skipped() const override { return skipped_; }
  std::string summary() const override { return source_->summary; }
  std::string guessed() const override { return source_->guessed; }
  void reset() override {
    at_ = rest_at_ = chosen_at_ = 0;
    ahead_.clear();
    given_ = skipped_ = 0;
  }

  void read_ahead(runtime::ThreadPool& pool, int64_t most) override {
    if (!source_->concurrent() || !ahead_.empty()) return;
    for (; most > 0 && seek(); --most) ahead_.emplace_back().sample.index = at_++;
    pool.parallel_for(static_cast<int64_t>(ahead_.size()), 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        Ahead& a = ahead_[static_cast<size_t>(i)];
        try {
          read(a.sample);
        } catch (...) {
          a.failure = std::current_exception();
        }
      }
    });
  }

  bool next(Sample& sample) override {
    for (;;) {
      if (ahead_.empty() && !seek()) break;
      try {
        if (!ahead_.empty()) {
          Ahead a = std::move(ahead_.front());
          ahead_.pop_front();
          sample = std::move(a.sample);
          if (a.failure) std::rethrow_exception(a.failure);
        } else {
          sample = {};
          sample.index = at_++;
          read(sample);
        }
        if (!labels_.empty()) sample.label = labels_[static_cast<size_t>(sample.index)];
        ++given_;
        return true;
      } catch (Error& error) {
        const bool bad = error.kind() == ErrorKind::kInput ||
                         (error.kind() == ErrorKind::kLimit && error.code() == "E60");
        if (skip_bad_ && bad) {
          if (skipped_++ == 0) first_bad_ = error.sentence();
          continue;
        }
        if (error.code() != "E20" && error.code() != "E21")
          error.add_frame(fmt::format("calibration item {}", sample.index + 1));
        throw;
      }
    }
    if (given_ == 0 && skipped_ > 0)
      base::fail_input("E24", "all {} {} of {} are bad; the first: {}", skipped_, noun(),
                       base::quoted(name_), first_bad_);
    sample = {};
    return false;
  }

 private:
  // Item j is one of `chosen` evenly spread ones of `total`: j = floor(i * total / chosen) for an
  // i.
  static bool is_chosen(int64_t j, int64_t chosen, int64_t total) {
    if (chosen == total) return true;
    if (chosen == 0) return false;
    const int64_t i = (j * chosen + total - 1) / total;
    return i < chosen && i * total / chosen == j;
  }
  // To be asked once for every item, in order.
  bool wanted(int64_t j) {
    const bool chosen = is_chosen(j, chosen_, total_);
    if (!rest_) return chosen && chosen_at_++ % shards_ == shard_;
    return !chosen && is_chosen(rest_at_++, rest_chosen_, total_ - chosen_);
  }

  // Goes on to the next item that is wanted.
  bool seek() {
    while (at_ < total_ && !wanted(at_)) ++at_;
    return at_ < total_;
  }
  void read(Sample& sample) const {
    source_->read(sample.index, sample);
    check(sample);
  }

  void check(const Sample& sample) const {
    for (const auto& [input, t] : sample.inputs) {
      if (!tensor::is_float(t.dtype())) continue;
      if (t.dtype() == DType::kFloat32 && !stats::first_non_finite(t.data<float>())) continue;
      int64_t nan = 0, inf = 0;
      for (int64_t i = 0; i < t.count(); ++i) {
        const double v = tensor::as_double(t, i);
        nan += std::isnan(v);
        inf += std::isinf(v);
      }
      if (nan + inf == 0) continue;
      std::string counts;
      if (nan > 0) counts = fmt::format("{} NaN", nan);
      if (inf > 0) counts += fmt::format("{}{} infinite", nan > 0 ? " and " : "", inf);
      Error error(ErrorKind::kInput, "E21",
                  fmt::format("calibration item {} ({}) contains {} value{}", sample.index + 1,
                              base::quoted(sample.source), counts, nan + inf == 1 ? "" : "s"),
                  "fix or remove it; --skip-bad ignores such items");
      if (inputs_ > 1) error.add_frame("input " + base::quoted(input));
      throw error;
    }
  }

  std::unique_ptr<Source> source_;
  std::string name_;
  size_t inputs_;
  bool rest_;
  int64_t shard_, shards_;
  bool skip_bad_;
  int64_t total_ = 0, chosen_ = 0, rest_chosen_ = 0;
  int64_t at_ = 0, rest_at_ = 0, chosen_at_ = 0, given_ = 0, skipped_ = 0;
  std::string first_bad_;
  struct Ahead {
    Sample sample;
    std::exception_ptr failure;
  };
  std::deque<Ahead> ahead_;
  std::vector<int64_t> labels_;
};

constexpr const char* kKinds =
    "-d takes a folder of pictures (JPEG, PNG), .npy or .npz files, ONNX test data, an IDX file, "
    "or random:N";

std::unique_ptr<Source> open_folder(const fs::path& folder, const DatasetSpec& spec,
                                    const Inputs& inputs) {
  if (auto source = open_test_data(folder, inputs)) return source;
  for (bool recursive : {false, true}) {
    const std::vector<fs::path> files = list_files(folder, recursive);
    std::vector<fs::path> images, arrays;
    for (const fs::path& f : files) {
      if (has_image_name(f)) images.push_back(f);
      if (f.extension() == ".npy" || f.extension() == ".npz") arrays.push_back(f);
    }
    if (!images.empty()) return open_images(folder, std::move(images), spec, inputs);
    if (!arrays.empty()) return open_array_folder(folder, std::move(arrays), spec, inputs);
  }
  throw Error(ErrorKind::kInput, "E24",
              "no pictures, arrays or ONNX test data in " + base::quoted(folder.string()), kKinds);
}

std::unique_ptr<Source> open_file(const fs::path& path, const DatasetSpec& spec,
                                  const Inputs& inputs) {
  unsigned char start[8] = {};
  {
    auto file = std::make_shared<const InputFile>(path);
    const auto n = static_cast<size_t>(std::min<uint64_t>(sizeof start, file->size()));
    file->read(0, start, n);
  }
  const std::string_view text(reinterpret_cast<const char*>(start), sizeof start);
  if (text.starts_with("\x93NUMPY")) return open_npy(path, spec, inputs);
  if (text.starts_with("PK")) return open_npz(path, spec, inputs);
  if (text.starts_with("\x1f\x8b")) return open_idx(path, true, spec, inputs);
  if (looks_like_idx(start)) return open_idx(path, false, spec, inputs);
  if (text.starts_with("\xff\xd8\xff") || text.starts_with("\x89PNG") || has_image_name(path))
    return open_images(path.parent_path(), {path.filename()}, spec, inputs);
  throw Error(ErrorKind::kInput, "E24",
              base::quoted(path.string()) + " is no data set of a known kind", kKinds);
}

}  // namespace

const InputSpec& only_input(const Inputs& inputs, const std::string& what) {
  if (inputs.size() == 1) return inputs[0];
  std::string names;
  for (const InputSpec& i : inputs) names += (names.empty() ? "" : ", ") + base::quoted(i.name);
  throw Error(ErrorKind::kInput, "E20",
              fmt::format("the model has {} inputs ({}); {} feeds one", inputs.size(), names, what),
              "give .npz files with one array per input, or random:N");
}

std::vector<fs::path> list_files(const fs::path& folder, bool recursive) {
  std::vector<fs::path> files;
  std::error_code error;
  const auto check = [&] {
    if (error)
      base::fail_input("E06", "{} cannot be read: {}", base::quoted(folder.string()),
                       error.message());
  };
  const auto add = [&](const fs::directory_entry& entry) {
    std::error_code ignored;
    if (!entry.path().filename().string().starts_with('.') && entry.is_regular_file(ignored))
      files.push_back(entry.path().lexically_relative(folder));
  };
  if (recursive) {
    for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end;
         it.increment(error))
      add(*it);
  } else {
    for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
      add(*it);
  }
  check();
  std::ranges::sort(files, {}, [](const fs::path& p) { return p.generic_string(); });
  return files;
}

std::unique_ptr<Dataset> open_dataset(const DatasetSpec& spec, const Inputs& inputs) {
  if (inputs.empty()) base::fail_input("E20", "the model has no input to feed");
  for (const InputSpec& input : inputs)
    if (input.dtype == DType::kUndefined)
      base::fail_unsupported("input {} is not a tensor; data sets feed tensors only",
                             base::quoted(input.name));
  constexpr std::string_view kRandom = "random:";
  std::unique_ptr<Source> source;
  std::error_code ignored;
  if (spec.path.empty())
    source = open_memory(spec.memory, inputs);
  else if (spec.path.starts_with(kRandom))
    source = open_random(spec.path.substr(kRandom.size()), spec, inputs);
  else if (fs::is_directory(spec.path, ignored))
    source = open_folder(spec.path, spec, inputs);
  else
    source = open_file(spec.path, spec, inputs);
  if (source->size() == 0)
    throw Error(
        ErrorKind::kInput, "E24",
        (spec.path.empty() ? "the data set" : base::quoted(spec.path)) + " holds no samples",
        kKinds);
  return std::make_unique<Selected>(std::move(source), spec, inputs);
}

}  // namespace tersor::calib
