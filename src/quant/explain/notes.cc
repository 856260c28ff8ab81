#include "quant/explain/notes.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/hash.h"
#include "quant/formats/int8.h"
#include "quant/targets/view.h"

namespace tersor::quant {
namespace {

constexpr uint64_t kShare = 50;         // notes take at most 1 / kShare of the tensors' bytes
constexpr size_t kMostNotes = 1 << 20;  // read at most so many numbers
constexpr size_t kDigits = 16;

// Names of values and layers, so that notes are not taken for those of a changed graph.
std::string check_of(const ir::Model& model, const std::vector<ir::NodeId>& nodes, bool inputs) {
  std::string names;
  for (ir::NodeId n : nodes) {
    const ir::Node& node = model.graph.nodes[n];
    names += model.graph.values[inputs ? node.inputs[0] : node.outputs[0]].name + "\n";
  }
  return base::sha256(names).substr(0, 8);
}

const std::string* find(const ir::Model& model, std::string_view key) {
  for (const auto& [k, v] : model.metadata)
    if (k == key) return &v;
  return nullptr;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty() && parts.size() < kMostNotes) {
    const size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    text = end == std::string_view::npos ? "" : text.substr(end + 1);
  }
  return parts;
}

std::optional<double> number(std::string_view text) {
  double v = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(v)) return {};
  return v;
}

}  // namespace

std::vector<ir::NodeId> values_of(const ir::Model& model) {
  const GraphView view(model, model.graph);
  std::vector<ir::NodeId> nodes;
  for (const Quantizer& q : view.quantizers())
    if (q.quantizes && !q.of_constant) nodes.push_back(q.node);
  return nodes;
}

std::vector<ir::NodeId> layers_of(const ir::Model& model) {
  const GraphView view(model, model.graph);
  std::vector<ir::NodeId> nodes;
  for (size_t n = 0; n < model.graph.nodes.size(); ++n) {
    const ir::Node& node = model.graph.nodes[n];
    if (!multiplies(node) || node.output(0) == ir::kNone) continue;
    const Quantizer* w = view.dequantized(node.input(1));
    if (w && w->of_constant) nodes.push_back(static_cast<ir::NodeId>(n));
  }
  return nodes;
}

Notes make_notes(const ir::Model& quantized, const Decisions& decisions,
                 const stats::Statistics& statistics) {
  const ir::Graph& g = quantized.graph;
  Notes notes;
  notes.samples = static_cast<int64_t>(statistics.samples);
  notes.synthetic = statistics.synthetic;
  notes.fingerprint = base::sha256(stats::to_json_text(statistics)).substr(0, kDigits);
  for (ir::NodeId n : values_of(quantized)) {
    std::optional<ValueNote>& note = notes.values.emplace_back();
    const std::string& name = g.values[g.nodes[n].inputs[0]].name;
    // A graph output that is stored gave its name away.
    std::string key = name;
    if (!decisions.activations.contains(key) && key.ends_with("_f")) key.resize(key.size() - 2);
    const auto s = statistics.tensors.find(key);
    const auto f = decisions.activations.find(key);
    if (s == statistics.tensors.end() || s->second.range.empty() ||
        f == decisions.activations.end())
      continue;
    note = ValueNote{double{s->second.range.min}, double{s->second.range.max},
                     clipped_share(s->second, f->second)};
  }
  std::map<std::string, const NodeDecision*> by_output;
  for (const NodeDecision& d : decisions.nodes) by_output[d.output] = &d;
  for (ir::NodeId n : layers_of(quantized)) {
    const auto d = by_output.find(g.values[g.nodes[n].outputs[0]].name);
    notes.layers.push_back(d == by_output.end() ? std::nullopt : d->second->weight_sqnr_db);
  }
  for (const NodeDecision& d : decisions.nodes)
    if (!d.quantized && !d.reason.empty() && d.output.find_first_of("\n\t") == std::string::npos)
      notes.kept[d.output] = d.reason;
  return notes;
}

void write_notes(ir::Model& model, const Notes& notes) {
  // Those of a model that it was made from say nothing about this one.
  std::erase_if(model.metadata, [](const auto& m) { return m.first.starts_with("tersor."); });
  uint64_t budget = 0;
  for (const ir::Value& v : model.graph.values)
    if (v.constant) budget += v.constant->bytes();
  budget /= kShare;
  uint64_t used = 0;
  const auto put = [&](const char* key, std::string text, bool always = false) {
    constexpr uint64_t kFrame = 8;  // of the file's format, around each entry
    const uint64_t bytes = std::string_view(key).size() + text.size() + kFrame;
    if (text.empty() || (!always && used + bytes > budget)) return;
    used += bytes;
    model.metadata.emplace_back(key, std::move(text));
  };
  put("tersor.version", notes.version, true);
  put("tersor.recipe", notes.recipe, true);
  put("tersor.data",
      fmt::format("{} {}{}", notes.samples, notes.fingerprint, notes.synthetic ? " random" : ""));
  put("tersor.source", notes.source);
  std::string kept;
  for (const auto& [output, reason] : notes.kept) kept += output + "\t" + reason + "\n";
  put("tersor.kept", kept);
  put("tersor.preprocess", notes.data);
  std::string layers = check_of(model, layers_of(model), false);
  for (const auto& db : notes.layers)
    layers += db && std::isfinite(*db) ? fmt::format(" {:.1f}", *db) : " -";
  if (!notes.layers.empty()) put("tersor.layers", layers);
  std::string values = check_of(model, values_of(model), true);
  for (const auto& v : notes.values)
    values += v ? fmt::format(" {:.4g},{:.4g},{:.2g}", v->min, v->max, v->clipped_share) : " -";
  if (!notes.values.empty()) put("tersor.values", values);
}

Notes read_notes(const ir::Model& model) {
  Notes notes;
  const auto text = [&](const char* key) {
    const std::string* t = find(model, key);
    return t ? std::string_view(*t) : std::string_view();
  };
  notes.version = text("tersor.version");
  notes.recipe = text("tersor.recipe");
  notes.source = text("tersor.source");
  notes.data = text("tersor.preprocess");
  const auto data = split(text("tersor.data"), ' ');
  if (data.size() >= 2) {
    notes.samples = static_cast<int64_t>(std::clamp(number(data[0]).value_or(0), 0.0, 1e15));
    notes.fingerprint = data[1];
    notes.synthetic = data.size() > 2 && data[2] == "random";
  }
  for (std::string_view line : split(text("tersor.kept"), '\n'))
    if (const size_t tab = line.find('\t'); tab != std::string_view::npos)
      notes.kept[std::string(line.substr(0, tab))] = line.substr(tab + 1);

  const auto nodes = values_of(model), layers = layers_of(model);
  if (const auto parts = split(text("tersor.values"), ' '); !parts.empty()) {
    notes.changed |= parts.size() != nodes.size() + 1 || parts[0] != check_of(model, nodes, true);
    for (size_t i = 1; i < parts.size() && !notes.changed; ++i) {
      const auto three = split(parts[i], ',');
      auto& value = notes.values.emplace_back();
      if (three.size() != 3) continue;
      const auto lo = number(three[0]), hi = number(three[1]), share = number(three[2]);
      if (lo && hi && share) value = ValueNote{*lo, *hi, *share};
    }
  }
  if (const auto parts = split(text("tersor.layers"), ' '); !parts.empty()) {
    const bool other =
        parts.size() != layers.size() + 1 || parts[0] != check_of(model, layers, false);
    notes.changed |= other;
    for (size_t i = 1; i < parts.size() && !other; ++i) notes.layers.push_back(number(parts[i]));
  }
  return notes;
}

}  // namespace tersor::quant
