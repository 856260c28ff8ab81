#include "tersor/data.h"

#include "api/impl.h"
#include "tersor/session.h"

namespace tersor {

Data Data::open(std::string path, Preprocess preprocess) {
  Data data;
  data.path = std::move(path);
  data.preprocess = std::move(preprocess);
  return data;
}
Data Data::of(std::vector<Tensors> samples) {
  Data data;
  data.memory = std::move(samples);
  return data;
}
Data Data::of(std::vector<Tensor> samples) {
  Data data;
  for (Tensor& t : samples) data.memory.push_back({{"", std::move(t)}});
  return data;
}
Data& Data::labels(std::string file) {
  labels_path = std::move(file);
  return *this;
}
Data& Data::take(int64_t samples) {
  limit = samples;
  return *this;
}
Data& Data::shard(int64_t index, int64_t count) {
  shard_index = index;
  shard_count = count;
  return *this;
}
Data& Data::rest(int64_t samples) {
  rest_only = true;
  rest_limit = samples;
  return *this;
}
Data& Data::skip_bad(bool skip) {
  skip_damaged = skip;
  return *this;
}
Data& Data::seed(uint64_t seed) {
  random_seed = seed;
  return *this;
}

Data images(std::string folder, Preprocess preprocess) {
  return Data::open(std::move(folder), std::move(preprocess));
}

std::vector<Tensors> samples(const Data& data, const Model& model, int64_t limit) {
  const auto source = api::open(data, model.impl().model);
  std::vector<Tensors> all;
  calib::Sample sample;
  while ((limit == 0 || static_cast<int64_t>(all.size()) < limit) && source->next(sample)) {
    Tensors& inputs = all.emplace_back();
    for (auto& [name, tensor] : sample.inputs) inputs[name] = std::move(tensor);
  }
  return all;
}

namespace api {

calib::DatasetSpec spec_of(const Data& data) {
  calib::DatasetSpec spec;
  spec.path = data.path;
  spec.memory = data.memory;
  const Preprocess& p = data.preprocess;
  if (!p.preset.empty()) spec.preprocess.preset = calib::parse_preset(p.preset);
  if (!p.resize.empty()) spec.preprocess.resize = calib::parse_resize(p.resize);
  if (!p.crop.empty()) spec.preprocess.crop = calib::parse_crop(p.crop);
  if (!p.mean.empty()) spec.preprocess.mean = calib::parse_numbers(p.mean);
  if (!p.std.empty()) spec.preprocess.std = calib::parse_numbers(p.std);
  if (!p.layout.empty()) spec.preprocess.layout = calib::parse_layout(p.layout);
  if (!p.channels.empty()) spec.preprocess.channels = calib::parse_channels(p.channels);
  spec.labels = data.labels_path;
  spec.limit = data.limit;
  spec.shard = data.shard_index;
  spec.shards = data.shard_count;
  spec.rest = data.rest_only;
  spec.rest_limit = data.rest_limit;
  spec.skip_bad = data.skip_damaged;
  spec.seed = data.random_seed;
  return spec;
}

std::unique_ptr<calib::Dataset> open(const Data& data, const ir::Model& model) {
  return calib::open_dataset(spec_of(data), calib::input_specs(model.graph));
}

calib::Advance advance_of(const Progress& progress, const char* stage) {
  if (!progress) return {};
  return [&progress, stage](int64_t done, int64_t total) { return progress(stage, done, total); };
}

}  // namespace api
}  // namespace tersor
