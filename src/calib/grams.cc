#include "calib/grams.h"

#include <algorithm>
#include <functional>
#include <optional>

#include "engine/convert_layout.h"
#include "engine/session.h"
#include "ops/patches.h"

namespace tersor::calib {
namespace {

constexpr int64_t kFewestRows = 32, kMostRows = 256;  // of a sample

bool is(const ir::Node& node, const char* op) {
  return node.op == op && (node.domain.empty() || node.domain == "ai.onnx");
}

// The node that gives the value `name`, before it is quantized and dequantized again.
const ir::Node* maker_of(const ir::Graph& g, const std::vector<ir::NodeId>& made,
                         const std::string& name) {
  ir::ValueId id = g.find(name);
  while (id != ir::kNone && made[id] != ir::kNone) {
    const ir::Node& node = g.nodes[made[id]];
    if (!is(node, "DequantizeLinear") && !is(node, "QuantizeLinear")) return &node;
    id = node.inputs[0];
  }
  return nullptr;
}

// The maker of a dequantized value.
const ir::Node* dequantizer(const ir::Graph& g, const std::vector<ir::NodeId>& made,
                            ir::ValueId id) {
  if (id == ir::kNone || made[id] == ir::kNone) return nullptr;
  const ir::Node& node = g.nodes[made[id]];
  return is(node, "DequantizeLinear") ? &node : nullptr;
}

// Where what a layer multiplies its filters with is to be seen.
struct Source {
  const ir::Node* node = nullptr;
  Dims weight;
  std::string value;
  int zero = 0;  // of codes
};

// Codes of a quantized model.
struct Coded {
  using Gram = stats::Gram;
  using Rows = stats::GramRows;
  static std::optional<Source> source(const ir::Graph& g, const std::vector<ir::NodeId>& made,
                                      const std::string& layer) {
    const ir::Node* node = maker_of(g, made, layer);
    if (!node) return {};
    const ir::Node* x = dequantizer(g, made, node->input(0));
    const ir::Node* w = dequantizer(g, made, node->input(1));
    const Tensor* codes = w ? g.constant(w->inputs[0]) : nullptr;
    if (!x || !codes) return {};
    const Tensor* zero = g.constant(x->input(2));
    return Source{node, codes->dims(), g.values[x->inputs[0]].name,
                  zero ? static_cast<int>(tensor::as_int64(*zero, 0)) : 0};
  }
  static bool fits(const Tensor& t) { return tensor::bits(t.dtype()) == 8; }
  static int at(const Tensor& codes, int64_t element, int zero) {
    const auto code = static_cast<uint8_t>(codes.raw()[element]);
    return (codes.dtype() == DType::kInt8 ? static_cast<int8_t>(code) : code) - zero;
  }
};

// Values of a model in float32.
struct Real {
  using Gram = stats::Moments;
  using Rows = stats::MomentRows;
  static std::optional<Source> source(const ir::Graph& g, const std::vector<ir::NodeId>& made,
                                      const std::string& layer) {
    const ir::ValueId id = g.find(layer);
    if (id == ir::kNone || made[id] == ir::kNone) return {};
    const ir::Node& node = g.nodes[made[id]];
    const Tensor* weight = g.constant(node.input(1));
    if (node.input(0) == ir::kNone || !weight) return {};
    return Source{&node, weight->dims(), g.values[node.inputs[0]].name};
  }
  static bool fits(const Tensor& t) { return t.dtype() == DType::kFloat32; }
  static float at(const Tensor& values, int64_t element, int) {
    return reinterpret_cast<const float*>(values.raw())[element];
  }
};

// How many to look at in each sample, by the length of a filter.
using RowsOfSample = std::function<int64_t(int64_t length)>;

template <typename Kind>
class Collector {
 public:
  using Grams = std::vector<typename Kind::Gram>;

  Collector(const ir::Model& model, const std::set<std::string>& layers,
            RowsOfSample rows_of_sample)
      : rows_of_sample_(std::move(rows_of_sample)) {
    const auto made = model.graph.producers();
    for (const std::string& name : layers) {
      std::optional<Source> source = Kind::source(model.graph, made, name);
      const auto filters =
          source ? ops::filters_of(*source->node, source->weight) : std::optional<ops::Filters>();
      if (!filters) continue;
      Grams& grams = found_[name];
      grams.assign(static_cast<size_t>(filters->groups), typename Kind::Gram(filters->length + 1));
      const std::string value = source->value;
      points_[value].push_back({std::move(*source), *filters, &grams});
    }
  }

  std::set<std::string> values() const {
    std::set<std::string> names;
    for (const auto& [name, points] : points_) names.insert(name);
    return names;
  }
  // `rows` samples lie along axis 0 of the inputs, the first `samples` of them count.
  void observe(const engine::TapView& view, int64_t rows, int64_t samples) {
    const auto it = points_.find(view.name);
    if (it == points_.end() || !Kind::fits(view.tensor)) return;
    const Tensor codes =
        view.layout == runtime::Layout::kChannelsLast ? engine::to_rows(view.tensor) : view.tensor;
    const bool apart = rows > 1 && codes.rank() > 0 && codes.dim(0) == rows;
    for (Point& point : it->second)
      add(point, codes, apart ? samples : 1, apart ? rows : 1, view.pool);
  }
  std::map<std::string, Grams> result() { return std::move(found_); }

 private:
  struct Point {
    Source source;
    ops::Filters filters;
    Grams* grams = nullptr;
  };

  // `parts` equal parts along axis 0, of which the first `count` are looked at.
  void add(Point& point, const Tensor& codes, int64_t count, int64_t parts,
           runtime::ThreadPool& pool) {
    const ops::Patches patches(*point.source.node, point.source.weight, codes.dims());
    const int64_t all = patches.rows() / parts,
                  some = std::min(all, rows_of_sample_(point.filters.length));
    if (some == 0) return;
    std::vector<int64_t> chosen;
    for (int64_t part = 0; part < count; ++part)
      for (int64_t i = 0; i < some; ++i)
        chosen.push_back(part * all + (2 * i + 1) * all / (2 * some));
    for (size_t from = 0; from < chosen.size(); from += kRowsAtOnce)
      add_rows(point, patches, codes,
               std::span(chosen).subspan(from, std::min<size_t>(kRowsAtOnce, chosen.size() - from)),
               pool);
  }

  void add_rows(Point& point, const ops::Patches& patches, const Tensor& codes,
                std::span<const int64_t> chosen, runtime::ThreadPool& pool) {
    const auto columns = static_cast<size_t>(point.filters.length) + 1;
    const int64_t groups = point.filters.groups;
    rows_.resize(static_cast<size_t>(groups));
    for (auto& r : rows_) r.reset(chosen.size(), columns);
    const auto gather = [&](size_t row) {
      for (auto& g : rows_) g.set(row, columns - 1, 1);
      patches.each(chosen[row], [&](int64_t group, int64_t k, int64_t element) {
        rows_[static_cast<size_t>(group)].set(row, static_cast<size_t>(k),
                                              Kind::at(codes, element, point.source.zero));
      });
    };
    // Two rows lie interleaved: a thread takes both.
    pool.parallel_for(static_cast<int64_t>(chosen.size() + 1) / 2, 1,
                      [&](int64_t begin, int64_t end, int) {
                        const size_t to = std::min(static_cast<size_t>(2 * end), chosen.size());
                        for (auto row = static_cast<size_t>(2 * begin); row < to; ++row)
                          gather(row);
                      });
    Grams& grams = *point.grams;
    const int64_t tiles = grams[0].tiles();
    pool.parallel_for(groups * tiles, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        const auto group = static_cast<size_t>(i / tiles);
        grams[group].add_tile(rows_[group], i % tiles);
      }
    });
  }

  static constexpr size_t kRowsAtOnce = 256;
  RowsOfSample rows_of_sample_;
  std::map<std::string, std::vector<Point>> points_;  // by the name of the codes
  std::map<std::string, Grams> found_;
  std::vector<typename Kind::Rows> rows_;
};

template <typename Kind>
std::map<std::string, std::vector<typename Kind::Gram>> collect_in(
    const ir::Model& model, const std::set<std::string>& layers, Dataset& data,
    const GramOptions& options) {
  const int64_t samples = std::max<int64_t>(data.size(), 1);
  Collector<Kind> collector(model, layers, [&](int64_t length) {
    return std::clamp(std::min(options.rows, options.rows_per_weight * length) / samples,
                      kFewestRows, kMostRows);
  });
  engine::CompileOptions compile;
  compile.keep = collector.values();
  engine::SessionOptions session_options;
  session_options.threads = options.threads;
  const engine::Session session(model, compile, session_options);
  Batch batch;
  int64_t rows = 1, done = 0;
  const engine::Tap tap = [&](const engine::TapView& view) {
    collector.observe(view, rows, batch.count);
  };
  const std::vector<InputSpec> inputs = input_specs(model.graph);
  Batcher batcher(data, inputs, 1);
  if (options.threads != 1) batcher.use(session.pool());
  while (batcher.next(batch)) {
    if (options.advance && !options.advance(done, data.size())) fail_interrupted();
    std::vector<Tensor> values;
    for (auto& [name, tensor] : batch.inputs) values.push_back(std::move(tensor));
    rows = batch.stacked ? values[0].dim(0) : 1;
    session.run(values, tap);
    done += batch.count;
  }
  return collector.result();
}

}  // namespace

std::map<std::string, LayerGrams> collect_grams(const ir::Model& quantized,
                                                const std::set<std::string>& layers, Dataset& data,
                                                const GramOptions& options) {
  return collect_in<Coded>(quantized, layers, data, options);
}

std::map<std::string, LayerMoments> collect_moments(const ir::Model& model,
                                                    const std::set<std::string>& layers,
                                                    Dataset& data, const GramOptions& options) {
  return collect_in<Real>(model, layers, data, options);
}

}  // namespace tersor::calib
