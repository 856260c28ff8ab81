#include "eval/compare.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>

#include "base/error.h"
#include "engine/session.h"
#include "eval/classes.h"
#include "eval/conditions.h"
#include "stats/difference.h"

namespace tersor::eval {
namespace {

constexpr int64_t kBatch = 16;

std::string signature(const ir::Graph& g, const std::vector<ir::ValueId>& ids) {
  std::string text;
  for (ir::ValueId id : ids)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", g.values[id].name,
                        tensor::name(g.values[id].type.elem));
  return text;
}

// Inputs and outputs must have the same names; types of outputs may differ between floats.
void check_fit(const ir::Graph& a, const ir::Graph& b) {
  const auto ia = a.required_inputs(), ib = b.required_inputs();
  if (signature(a, ia) != signature(b, ib))
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

// A layer of the original and the value that stands for it in the other model.
struct Layer {
  std::string name, other, node, op;
};

std::vector<Layer> common_layers(const ir::Graph& a, const ir::Graph& b) {
  std::vector<Layer> layers;
  std::set<std::string> in_b;
  for (const ir::Node& node : b.nodes)
    for (ir::ValueId id : node.outputs)
      if (id != ir::kNone) in_b.insert(b.values[id].name);
  for (const ir::Node& node : a.nodes) {
    const ir::ValueId id = node.output(0);
    if (id == ir::kNone || a.values[id].type.elem != DType::kFloat32) continue;
    const std::string& name = a.values[id].name;
    const std::string stored = name + "_q";
    if (in_b.contains(stored))
      layers.push_back({name, stored, node.name, node.op});
    else if (in_b.contains(name) && a.is_output(id))
      layers.push_back({name, name, node.name, node.op});
  }
  return layers;
}

std::unique_ptr<engine::Session> session_of(const ir::Model& model, std::set<std::string> keep,
                                            int threads) {
  engine::CompileOptions compile;
  compile.keep = std::move(keep);
  engine::SessionOptions options;
  options.threads = threads;
  return std::make_unique<engine::Session>(engine::compile(model, compile), options);
}

std::vector<Tensor> take_inputs(calib::Batch& batch) {
  std::vector<Tensor> values;
  for (auto& [name, tensor] : batch.inputs) values.push_back(std::move(tensor));
  return values;
}

// Row `i` of a class output that was widened to float32.
std::span<const float> row(const Tensor& output, int64_t i) {
  const int64_t k = class_count(output);
  return output.data<float>().subspan(static_cast<size_t>(i * k), static_cast<size_t>(k));
}

struct Hits {
  int64_t n = 0, top1 = 0, top5 = 0, classes = 0;
  void add(std::span<const float> scores, int64_t truth) {
    ++n;
    classes = static_cast<int64_t>(scores.size());
    top1 += judge(scores).label == truth;
    top5 += in_top(scores, truth, 5);
  }
  Accuracy accuracy() const {
    Accuracy a{.n = n, .top1 = double(top1) / double(n), .top5 = {}};
    if (classes > 5) a.top5 = double(top5) / double(n);
    return a;
  }
};

// Which output holds the classes: the only class output, or the first.
std::optional<size_t> class_output(std::span<const Tensor> outputs, int64_t count) {
  for (size_t i = 0; i < outputs.size(); ++i)
    if (is_class_output(outputs[i]) && outputs[i].dim(0) >= count) return i;
  return {};
}

class Comparer {
 public:
  Comparer(const ir::Model& a, const ir::Model& b, calib::Dataset& data, const Options& options)
      : original_(a), data_(data), options_(options) {
    for (const std::string& text : options.fail_if) conditions_.push_back(parse_condition(text));
    check_fit(a.graph, b.graph);
    std::set<std::string> keep_a, keep_b;
    if (options.layers) {
      layers_ = common_layers(a.graph, b.graph);
      for (const Layer& l : layers_) {
        keep_a.insert(l.name);
        keep_b.insert(l.other);
      }
    }
    a_ = session_of(a, keep_a, options.threads);
    b_ = session_of(b, keep_b, options.threads);
    outputs_.resize(a.graph.outputs.size());
    layer_differences_.resize(layers_.size());
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
      add(batch);
      if (options_.advance && !options_.advance(result_.n, total)) calib::fail_interrupted();
    }
    if (result_.n == 0) base::fail_input("E24", "there are no samples to compare on");
    finish();
    return std::move(result_);
  }

 private:
  void add(calib::Batch& batch) {
    const std::vector<Tensor> inputs = take_inputs(batch);
    std::map<std::string, Tensor> seen;
    engine::Tap keep, check;
    if (options_.layers) {
      keep = [&](const engine::TapView& view) { seen[view.name] = view.to_rows(); };
      check = [&](const engine::TapView& view) {
        for (size_t i = 0; i < layers_.size(); ++i) {
          if (layers_[i].other != view.name) continue;
          const auto it = seen.find(layers_[i].name);
          const Tensor other = view.to_rows();
          if (it != seen.end() && it->second.count() == other.count())
            layer_differences_[i].add(it->second.data<float>(), other.data<float>());
        }
      };
    }
    const std::vector<Tensor> a = a_->run(inputs, keep), b = b_->run(inputs, check);
    for (size_t i = 0; i < outputs_.size(); ++i) {
      if (a[i].dtype() == DType::kString || b[i].dtype() == DType::kString) continue;
      const Tensor fa = tensor::to_float32(a[i]), fb = tensor::to_float32(b[i]);
      if (fa.count() != fb.count())
        base::fail_input("E26", "output {} has shape {} in the original and {} in the other model",
                         base::quoted(original_.graph.values[original_.graph.outputs[i]].name),
                         tensor::to_string(a[i].dims()), tensor::to_string(b[i].dims()));
      outputs_[i].add(fa.data<float>(), fb.data<float>());
    }
    if (const auto k = class_output(a, batch.count))
      add_classes(batch, tensor::to_float32(a[*k]), tensor::to_float32(b[*k]));
    result_.n += batch.count;
  }

  void add_classes(const calib::Batch& batch, const Tensor& a, const Tensor& b) {
    result_.classifier = true;
    for (int64_t i = 0; i < batch.count; ++i) {
      const Verdict va = judge(row(a, i)), vb = judge(row(b, i));
      const size_t s = static_cast<size_t>(i);
      ++judged_;
      agree_ += va.label == vb.label;
      if (va.finite && vb.finite) {
        // The original's label in both.
        const double change = std::fabs(va.probability - vb.probability);
        result_.max_probability_change = std::max(result_.max_probability_change, change);
      }
      const std::optional<int64_t> truth = batch.labels[s];
      if (truth) {
        hits_a_.add(row(a, i), *truth);
        hits_b_.add(row(b, i), *truth);
        const int change = (vb.label == *truth) - (va.label == *truth);
        changes_ += change;
        squares_ += change * change;
      }
      if (static_cast<int64_t>(result_.samples.size()) < options_.keep_samples)
        result_.samples.push_back({batch.sources[s], va.label, vb.label, va.probability,
                                   vb.probability, va.margin, truth});
    }
  }

  void finish() {
    const ir::Graph& g = original_.graph;
    for (size_t i = 0; i < outputs_.size(); ++i) {
      const stats::Difference& d = outputs_[i];
      result_.outputs.push_back({g.values[g.outputs[i]].name, d.sqnr_db(), d.cosine(), d.max_abs(),
                                 d.other_non_finite() == 0});
    }
    for (size_t i = 0; i < layers_.size(); ++i) {
      const stats::Difference& d = layer_differences_[i];
      if (d.count() > 0)
        result_.layers.push_back({layers_[i].name, layers_[i].node, layers_[i].op, d.sqnr_db(),
                                  d.cosine(), d.max_abs()});
    }
    if (judged_ > 0) result_.top1_agree = double(agree_) / double(judged_);
    if (hits_a_.n > 0) {
      result_.accuracy_a = hits_a_.accuracy();
      result_.accuracy_b = hits_b_.accuracy();
      // Normal approximation of the mean of paired differences, each -1, 0 or 1.
      const double n = double(hits_a_.n), mean = double(changes_) / n;
      const double variance = std::max(0.0, double(squares_) / n - mean * mean);
      const double half = 1.959963985 * std::sqrt(variance / n);
      result_.top1_delta_ci95 = std::pair{mean - half, mean + half};
    }
    if (conditions_.empty() && result_.classifier)
      conditions_.push_back(parse_condition("top1_agree<0.95"));
    result_.broken = broken(result_, conditions_);
    result_.passed = result_.broken.empty();
    if (result_.synthetic)
      result_.warnings.push_back({"W23", "random data: the comparison is not meaningful"});
    if (data_.skipped() > 0)
      result_.warnings.push_back({"W24", fmt::format("{} bad items left out", data_.skipped())});
  }

  const ir::Model& original_;
  calib::Dataset& data_;
  const Options& options_;
  std::vector<Condition> conditions_;
  std::vector<Layer> layers_;
  std::unique_ptr<engine::Session> a_, b_;
  std::vector<stats::Difference> outputs_, layer_differences_;
  int64_t judged_ = 0, agree_ = 0, changes_ = 0, squares_ = 0;
  Hits hits_a_, hits_b_;
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
  if (hits.n == 0) base::fail_input("E24", "there are no samples");
  Evaluation e;
  e.accuracy = hits.accuracy();
  e.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  e.data_summary = data.summary();
  if (data.synthetic())
    e.warnings.push_back({"W23", "random data: the accuracy is not meaningful"});
  return e;
}

}  // namespace tersor::eval
