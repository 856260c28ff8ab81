#include "calib/grams.h"

#include <algorithm>

#include "engine/convert_layout.h"
#include "engine/session.h"
#include "ops/patches.h"

namespace tersor::calib {
namespace {

constexpr int64_t kFewestRows = 32, kMostRows = 256;  // of a sample

bool is(const ir::Node& node, const char* op) {
  return node.op == op && (node.domain.empty() || node.domain == "ai.onnx");
}

// One layer, and what was seen of its input.
struct Point {
  const ir::Node* node = nullptr;
  Dims weight;
  ops::Filters filters;
  int zero = 0;  // of the codes
  LayerGrams* grams = nullptr;
};

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

class Collector {
 public:
  Collector(const ir::Model& model, const std::set<std::string>& layers, int64_t rows_of_sample)
      : rows_of_sample_(rows_of_sample) {
    const ir::Graph& g = model.graph;
    const auto made = g.producers();
    for (const std::string& name : layers) {
      const ir::Node* node = maker_of(g, made, name);
      if (!node) continue;
      const ir::Node* x = dequantizer(g, made, node->input(0));
      const ir::Node* w = dequantizer(g, made, node->input(1));
      const Tensor* codes = w ? g.constant(w->inputs[0]) : nullptr;
      if (!x || !codes) continue;
      const auto filters = ops::filters_of(*node, codes->dims());
      if (!filters) continue;
      LayerGrams& grams = found_[name];
      grams.assign(static_cast<size_t>(filters->groups), stats::Gram(filters->length + 1));
      const Tensor* zero = g.constant(x->input(2));
      points_[g.values[x->inputs[0]].name].push_back(
          {node, codes->dims(), *filters, zero ? static_cast<int>(tensor::as_int64(*zero, 0)) : 0,
           &grams});
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
    if (it == points_.end() || tensor::bits(view.tensor.dtype()) != 8) return;
    const Tensor codes =
        view.layout == runtime::Layout::kChannelsLast ? engine::to_rows(view.tensor) : view.tensor;
    const bool apart = rows > 1 && codes.rank() > 0 && codes.dim(0) == rows;
    for (Point& point : it->second)
      add(point, codes, apart ? samples : 1, apart ? rows : 1, view.pool);
  }
  std::map<std::string, LayerGrams> result() { return std::move(found_); }

 private:
  // `parts` equal parts along axis 0, of which the first `count` are looked at.
  void add(Point& point, const Tensor& codes, int64_t count, int64_t parts,
           runtime::ThreadPool& pool) {
    const ops::Patches patches(*point.node, point.weight, codes.dims());
    const int64_t all = patches.rows() / parts, some = std::min(all, rows_of_sample_);
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
    for (stats::GramRows& r : rows_) r.reset(chosen.size(), columns);
    const bool is_signed = codes.dtype() == DType::kInt8;
    const auto* bytes = reinterpret_cast<const uint8_t*>(codes.raw());
    const auto gather = [&](size_t row) {
      for (stats::GramRows& g : rows_) g.set(row, columns - 1, 1);
      patches.each(chosen[row], [&](int64_t group, int64_t k, int64_t element) {
        const int code = is_signed ? static_cast<int8_t>(bytes[element]) : bytes[element];
        rows_[static_cast<size_t>(group)].set(row, static_cast<size_t>(k), code - point.zero);
      });
    };
    // Two rows lie interleaved: a thread takes both.
    pool.parallel_for(static_cast<int64_t>(chosen.size() + 1) / 2, 1,
                      [&](int64_t begin, int64_t end, int) {
                        const size_t to = std::min(static_cast<size_t>(2 * end), chosen.size());
                        for (auto row = static_cast<size_t>(2 * begin); row < to; ++row)
                          gather(row);
                      });
    LayerGrams& grams = *point.grams;
    const int64_t tiles = grams[0].tiles();
    pool.parallel_for(groups * tiles, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        const auto group = static_cast<size_t>(i / tiles);
        grams[group].add_tile(rows_[group], i % tiles);
      }
    });
  }

  static constexpr size_t kRowsAtOnce = 256;
  int64_t rows_of_sample_;
  std::map<std::string, std::vector<Point>> points_;  // by the name of the codes
  std::map<std::string, LayerGrams> found_;
  std::vector<stats::GramRows> rows_;
};

}  // namespace

std::map<std::string, LayerGrams> collect_grams(const ir::Model& quantized,
                                                const std::set<std::string>& layers, Dataset& data,
                                                const GramOptions& options) {
  const int64_t share = options.rows / std::max<int64_t>(data.size(), 1);
  Collector collector(quantized, layers, std::clamp(share, kFewestRows, kMostRows));
  engine::CompileOptions compile;
  compile.keep = collector.values();
  engine::SessionOptions session_options;
  session_options.threads = options.threads;
  const engine::Session session(engine::compile(quantized, compile), session_options);
  Batch batch;
  int64_t rows = 1, done = 0;
  const engine::Tap tap = [&](const engine::TapView& view) {
    collector.observe(view, rows, batch.count);
  };
  const std::vector<InputSpec> inputs = input_specs(quantized.graph);
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

}  // namespace tersor::calib
