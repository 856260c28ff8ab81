#include "eval/compare.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>

#include "base/error.h"
#include "eval/accuracy.h"
#include "eval/classes.h"
#include "eval/conditions.h"
#include "eval/layers.h"
#include "eval/report/thumbnail.h"
#include "eval/running.h"
#include "stats/difference.h"
#include "stats/min_max.h"

namespace tersor::eval {
namespace {

constexpr int64_t kBatch = 16;

bool is_float(DType type) {
  return type == DType::kFloat32 || type == DType::kFloat16 || type == DType::kBfloat16;
}

std::string signature(const ir::Graph& g, const std::vector<ir::ValueId>& ids) {
  std::string text;
  for (ir::ValueId id : ids)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", g.values[id].name,
                        tensor::name(g.values[id].type.elem));
  return text;
}

// Inputs and outputs must have the same names; types may differ between floats.
void check_fit(const ir::Graph& a, const ir::Graph& b) {
  const auto ia = a.required_inputs(), ib = b.required_inputs();
  const bool fit = std::ranges::equal(ia, ib, [&](ir::ValueId x, ir::ValueId y) {
    const DType tx = a.values[x].type.elem, ty = b.values[y].type.elem;
    return a.values[x].name == b.values[y].name && (tx == ty || (is_float(tx) && is_float(ty)));
  });
  if (!fit)
    base::fail_input("E26", "the models take different inputs: ({}) and ({})", signature(a, ia),
                     signature(b, ib));
  const auto names = [](const ir::Graph& g) {
    std::vector<std::string> v;
    for (ir::ValueId id : g.outputs) v.push_back(g.values[id].name);
    return v;
  };
  if (names(a) != names(b))
    base::fail_input("E26", "the models give different outputs: ({}) and ({})",
                     signature(a, a.outputs), signature(b, b.outputs));
}

// Row `i` of a class output that was widened to float32.
std::span<const float> row(const Tensor& output, int64_t i) {
  const int64_t k = class_count(output);
  return output.data<float>().subspan(static_cast<size_t>(i * k), static_cast<size_t>(k));
}

// Which output holds the classes: the only class output, or the first.
std::optional<size_t> class_output(std::span<const Tensor> outputs, int64_t count) {
  for (size_t i = 0; i < outputs.size(); ++i)
    if (is_class_output(outputs[i]) && outputs[i].dim(0) >= count) return i;
  return {};
}

// Whether an output is the same for every sample.
class Constancy {
 public:
  void add(const Tensor& output, int64_t count) {
    if (differs_) return;
    // Without a batch axis there is one value for all samples of the run.
    const bool rows = output.rank() > 0 && output.dim(0) >= count && count > 0;
    if (!rows || output.count() == 0) {
      differs_ = true;
      return;
    }
    const size_t size = static_cast<size_t>(output.count() / output.dim(0));
    for (int64_t i = 0; i < count; ++i, ++samples_) {
      const auto one = output.data<float>().subspan(static_cast<size_t>(i) * size, size);
      if (samples_ == 0) first_.assign(one.begin(), one.end());
      differs_ |= !std::ranges::equal(one, first_);
    }
  }
  bool constant() const { return samples_ > 1 && !differs_; }

 private:
  int64_t samples_ = 0;
  bool differs_ = false;
  std::vector<float> first_;
};

class Comparer {
 public:
  Comparer(const ir::Model& a, const ir::Model& b, calib::Dataset& data, const Options& options)
      : original_(a), data_(data), options_(options) {
    for (const std::string& text : options.fail_if) conditions_.push_back(parse_condition(text));
    check_fit(a.graph, b.graph);
    for (ir::ValueId id : b.graph.required_inputs())
      input_types_.push_back(b.graph.values[id].type.elem);
    std::set<std::string> keep_b;
    if (options.layers) {
      layers_.emplace(common_layers(a.graph, b.graph));
      keep_b = layers_->keep_of_other();
    }
    b_ = session_of(b, keep_b, options.threads);
    outputs_.resize(a.graph.outputs.size());
    constants_.resize(outputs_.size());
  }

  Comparison run() {
    calib::Batcher batcher(data_, calib::input_specs(original_.graph),
                           options_.layers ? 1 : kBatch);
    result_.synthetic = data_.synthetic();
    result_.data_summary = data_.summary();
    const int64_t total = data_.size();
    calib::Batch batch;
    if (options_.advance && !options_.advance(0, total)) calib::fail_interrupted();
    while (batcher.next(batch)) {
      const bool first = result_.n == 0;
      add(batch);
      // Before hours of work end in an error.
      if (first) check_measured(conditions_, result_.classifier, hits_a_.count() > 0);
      if (options_.advance && !options_.advance(result_.n, total)) calib::fail_interrupted();
    }
    if (result_.n == 0) base::fail_input("E24", "there are no samples to compare on");
    finish();
    return std::move(result_);
  }

 private:
  void add(calib::Batch& batch) {
    const std::vector<Tensor> inputs = take_inputs(batch);
    engine::Tap remember, difference;
    if (layers_) {
      remember = layers_->remember();
      difference = layers_->compare();
    }
    const std::vector<Tensor> a = run_original(inputs, remember),
                              b = b_->run(in_types_of_other(inputs), difference);
    for (size_t i = 0; i < outputs_.size(); ++i) {
      if (a[i].dtype() == DType::kString || b[i].dtype() == DType::kString) continue;
      const Tensor fa = tensor::to_float32(a[i]), fb = tensor::to_float32(b[i]);
      if (a[i].dims() != b[i].dims()) {
        note_shapes(i, a[i].dims(), b[i].dims());
        continue;
      }
      outputs_[i].add(fa.data<float>(), fb.data<float>());
      constants_[i].add(fa, batch.count);
      if (bad_source_.empty() && stats::first_non_finite(fa.data<float>()))
        bad_source_ = batch.sources[0];
    }
    if (const auto k = class_output(a, batch.count))
      add_classes(batch, inputs, tensor::to_float32(a[*k]), tensor::to_float32(b[*k]));
    result_.n += batch.count;
  }

  std::vector<Tensor> run_original(const std::vector<Tensor>& inputs, const engine::Tap& tap) {
    Remembered* known = layers_ ? nullptr : options_.remembered;
    const size_t batch = batches_++;
    if (known && batch < known->batches.size()) return known->batches[batch];
    if (!a_)
      a_ = session_of(original_, layers_ ? layers_->keep_of_original() : std::set<std::string>(),
                      options_.threads);
    std::vector<Tensor> outputs = a_->run(inputs, tap);
    size_t bytes = 0;
    for (const Tensor& t : outputs) bytes += t.bytes();
    if (known && batch == known->batches.size() && known->bytes + bytes <= known->most_bytes) {
      known->bytes += bytes;
      known->batches.push_back(outputs);
    }
    return outputs;
  }

  // How much an operator finds (NonMaxSuppression, NonZero) may differ; other shapes may not.
  void note_shapes(size_t output, const Dims& a, const Dims& b) {
    const ir::Value& value = original_.graph.values[original_.graph.outputs[output]];
    const std::optional<ir::Shape>& shape = value.type.shape;
    bool fixed = a.size() != b.size();
    for (size_t d = 0; !fixed && d < a.size(); ++d)
      fixed = a[d] != b[d] && shape && d < shape->size() && (*shape)[d].known();
    if (fixed)
      base::fail_input("E26", "output {} has shape {} in the original and {} in the other model",
                       base::quoted(value.name), tensor::to_string(a), tensor::to_string(b));
    if (other_shapes_++ == 0)
      first_shapes_ = fmt::format("first of output {}, {} and {}", base::quoted(value.name),
                                  tensor::to_string(a), tensor::to_string(b));
  }

  std::vector<Tensor> in_types_of_other(std::vector<Tensor> inputs) const {
    for (size_t i = 0; i < inputs.size(); ++i)
      if (const DType want = input_types_[i]; inputs[i].dtype() != want)
        inputs[i] = tensor::cast(inputs[i], want);
    return inputs;
  }

  void add_classes(const calib::Batch& batch, const std::vector<Tensor>& inputs, const Tensor& a,
                   const Tensor& b) {
    result_.classifier = true;
    for (int64_t i = 0; i < batch.count; ++i) {
      const std::span<const float> ra = row(a, i), rb = row(b, i);
      const bool probabilities = are_probabilities(ra);
      const Verdict va = judge(ra, probabilities), vb = judge(rb, probabilities);
      const size_t s = static_cast<size_t>(i);
      ++judged_;
      agree_ += va.label == vb.label;
      double change = 1;
      if (va.finite && vb.finite) {
        change = std::fabs(va.probability - probability_of(rb, va.label, probabilities));
        result_.max_probability_change = std::max(result_.max_probability_change, change);
      }
      const std::optional<int64_t> truth = batch.labels[s];
      if (truth) {
        hits_a_.add(ra, *truth);
        hits_b_.add(rb, *truth);
        gained_ += vb.label == *truth && va.label != *truth;
        lost_ += va.label == *truth && vb.label != *truth;
      }
      const SampleComparison sample{batch.sources[s], va.label,  vb.label, va.probability,
                                    vb.probability,   va.margin, truth,    {}};
      if (static_cast<int64_t>(result_.samples.size()) < options_.keep_samples)
        result_.samples.push_back(sample);
      if (options_.most_changed > 0)
        keep_changed(sample, change + (va.label != vb.label), inputs, i);
    }
  }

  // Sorted by score, the earlier sample first where scores are equal.
  void keep_changed(SampleComparison sample, double score, const std::vector<Tensor>& inputs,
                    int64_t item) {
    const auto limit = static_cast<size_t>(options_.most_changed);
    if (scores_.size() == limit && score <= scores_.back()) return;
    const auto at = std::ranges::upper_bound(scores_, score, std::greater<>());
    sample.picture = thumbnail(inputs, item);
    const auto index = at - scores_.begin();
    scores_.insert(at, score);
    result_.most_changed.insert(result_.most_changed.begin() + index, std::move(sample));
    if (scores_.size() > limit) {
      scores_.pop_back();
      result_.most_changed.pop_back();
    }
  }

  // Outputs that have little to do with the original's. Indices and the like are left to the user.
  void add_wrong_outputs() {
    constexpr double kLeast = 5;
    const ir::Graph& g = original_.graph;
    for (size_t i = 0; i < outputs_.size(); ++i)
      if (is_float(g.values[g.outputs[i]].type.elem) && outputs_[i].count() > 0 &&
          !(outputs_[i].sqnr_db() >= kLeast))
        result_.broken.push_back(fmt::format("sqnr of output {} is {:.6g} dB, below {} dB",
                                             base::quoted(g.values[g.outputs[i]].name),
                                             outputs_[i].sqnr_db(), kLeast));
  }

  void finish() {
    const ir::Graph& g = original_.graph;
    for (size_t i = 0; i < outputs_.size(); ++i) {
      const stats::Difference& d = outputs_[i];
      result_.outputs.push_back({g.values[g.outputs[i]].name, d.sqnr_db(), d.cosine(), d.max_abs(),
                                 d.other_non_finite() == 0});
    }
    for (size_t i = 0; layers_ && i < layers_->layers().size(); ++i) {
      const Layer& l = layers_->layers()[i];
      const stats::Difference& d = (*layers_)[i];
      if (d.count() > 0)
        result_.layers.push_back({l.value, l.node, l.op, d.sqnr_db(), d.cosine(), d.max_abs(),
                                  d.other_non_finite() == 0});
    }
    if (judged_ > 0) result_.top1_agree = double(agree_) / double(judged_);
    if (hits_a_.count() > 0) {
      result_.accuracy_a = hits_a_.accuracy();
      result_.accuracy_b = hits_b_.accuracy();
      result_.top1_delta_ci95 = paired_interval(hits_a_.count(), gained_, lost_);
    }
    const bool asked = !conditions_.empty();
    if (!asked && result_.classifier) conditions_.push_back(parse_condition("top1_agree<0.95"));
    result_.broken = broken(result_, conditions_);
    if (!asked) add_wrong_outputs();
    result_.passed = result_.broken.empty();
    if (result_.synthetic)
      result_.warnings.push_back({"W23", "random data: the comparison is not meaningful"});
    if (data_.skipped() > 0)
      result_.warnings.push_back({"W24", fmt::format("{} bad items left out", data_.skipped())});
    if (!bad_source_.empty())
      result_.warnings.push_back(
          {"W25", fmt::format("the original gives values that are not finite, first for {}",
                              base::quoted(bad_source_))});
    if (other_shapes_ > 0)
      result_.warnings.push_back(
          {"W29", fmt::format("{} outputs have another shape in the other model, {}: their values "
                              "are not compared",
                              other_shapes_, first_shapes_)});
    hits_a_.warn(result_.warnings);
    for (size_t i = 0; i < constants_.size(); ++i)
      if (constants_[i].constant())
        result_.warnings.push_back(
            {"W28", fmt::format("output {} of the original is the same for all {} samples",
                                base::quoted(result_.outputs[i].name), result_.n)});
  }

  const ir::Model& original_;
  calib::Dataset& data_;
  const Options& options_;
  std::vector<Condition> conditions_;
  std::optional<LayerDifferences> layers_;
  std::unique_ptr<engine::Session> a_, b_;  // a_ from when it is needed
  size_t batches_ = 0;
  std::vector<DType> input_types_;  // of the other model
  std::vector<stats::Difference> outputs_;
  std::vector<Constancy> constants_;  // by output
  std::string bad_source_, first_shapes_;
  int64_t other_shapes_ = 0;
  int64_t judged_ = 0, agree_ = 0, gained_ = 0, lost_ = 0;
  Hits hits_a_, hits_b_;
  std::vector<double> scores_;  // of result_.most_changed
  Comparison result_;
};

}  // namespace

Comparison compare(const ir::Model& original, const ir::Model& compressed, calib::Dataset& data,
                   const Options& options) {
  return Comparer(original, compressed, data, options).run();
}

Evaluation evaluate(const ir::Model& model, calib::Dataset& data, const Options& options) {
  const auto session = session_of(model, {}, options.threads);
  calib::Batcher batcher(data, calib::input_specs(model.graph), kBatch);
  const auto start = std::chrono::steady_clock::now();
  const int64_t total = data.size();
  Hits hits;
  int64_t done = 0;
  calib::Batch batch;
  if (options.advance && !options.advance(0, total)) calib::fail_interrupted();
  while (batcher.next(batch)) {
    const std::vector<Tensor> outputs = session->run(take_inputs(batch));
    const auto k = class_output(outputs, batch.count);
    if (!k)
      base::fail_input("E22",
                       "the model has no class output ([N, classes]): accuracy is not defined");
    const Tensor scores = tensor::to_float32(outputs[*k]);
    for (int64_t i = 0; i < batch.count; ++i) {
      const auto truth = batch.labels[static_cast<size_t>(i)];
      if (!truth)
        throw Error(ErrorKind::kUsage, "E22", "there are no labels to measure accuracy with",
                    "pass --labels FILE (IDX, .npy or CSV)");
      hits.add(row(scores, i), *truth);
    }
    done += batch.count;
    if (options.advance && !options.advance(done, total)) calib::fail_interrupted();
  }
  if (hits.count() == 0) base::fail_input("E24", "there are no samples");
  Evaluation e;
  e.accuracy = hits.accuracy();
  e.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  e.data_summary = data.summary();
  if (data.synthetic())
    e.warnings.push_back({"W23", "random data: the accuracy is not meaningful"});
  if (data.skipped() > 0)
    e.warnings.push_back({"W24", fmt::format("{} bad items left out", data.skipped())});
  hits.warn(e.warnings);
  return e;
}

}  // namespace tersor::eval
