#include <fmt/format.h>

#include "render.h"

namespace tersor::cli {
namespace {

Json optional_number(const std::optional<double>& v) { return v ? number(*v) : Json(nullptr); }

Json to_json(const Explanation& e) {
  Json values = Json::array(), layers = Json::array();
  for (const ValueExplanation& v : e.values)
    values.push_back({{"tensor", v.tensor},
                      {"node", v.node},
                      {"op", v.op},
                      {"type", v.dtype},
                      {"scale", number(v.scale)},
                      {"zero_point", v.zero_point},
                      {"clip", {number(v.lo), number(v.hi)}},
                      {"why", v.why},
                      {"min", optional_number(v.min)},
                      {"max", optional_number(v.max)},
                      {"clipped_share", optional_number(v.clipped_share)}});
  for (const LayerExplanation& l : e.layers)
    layers.push_back({{"node", l.node},
                      {"op", l.op},
                      {"quantized", l.quantized},
                      {"weights", l.weights},
                      {"bias", l.bias},
                      {"weight_sqnr_db", optional_number(l.weight_sqnr_db)},
                      {"reason", l.reason}});
  return {{"version", e.version},        {"recipe", e.recipe},
          {"source", e.source},          {"data", e.data},
          {"samples", e.samples},        {"synthetic", e.synthetic},
          {"changed", e.changed},        {"fingerprint", e.fingerprint},
          {"values", std::move(values)}, {"layers", std::move(layers)}};
}

std::string head(const std::string& path, const Explanation& e) {
  std::string text = printable(path) + "\n";
  if (e.values.empty() && e.layers.empty()) return text + "  nothing to explain in it\n";
  if (e.version.empty()) return text + "  no notes of tersor in it: read from its graph alone\n";
  text += fmt::format("  made by      tersor {}\n  recipe       {}\n", printable(e.version),
                      printable(e.recipe));
  if (!e.source.empty()) text += fmt::format("  from         sha256 {}...\n", printable(e.source));
  if (e.samples > 0)
    text += fmt::format("  calibration  {} samples{}, fingerprint {}{}\n", e.samples,
                        e.synthetic ? " of random numbers: not meaningful" : "",
                        printable(e.fingerprint), e.data.empty() ? "" : "; " + printable(e.data));
  if (e.changed) text += "  its graph was changed since: what calibration saw is left out\n";
  return text;
}

int explain_verb(const std::string& path, const Common& common) {
  const Model model = Model::load(path);
  const Explanation e = explain(model);
  if (common.json) {
    Json j = report(common);
    j["model"] = {{"path", path}, {"sha256", model.sha256()}, {"bytes", model.file_bytes()}};
    j["explain"] = to_json(e);
    j["exit"] = 0;
    print(j);
    return 0;
  }
  std::string text = head(path, e);
  if (!e.layers.empty()) {
    Table t({"layer", "operator", "weights", "bias", "SQNR", ""});
    t.left(1).left(2).left(3).left(5);
    for (const LayerExplanation& l : e.layers)
      t.add({printable(l.node), printable(l.op), l.weights, l.bias,
             l.weight_sqnr_db ? decibel(*l.weight_sqnr_db) : "",
             l.reason.empty() && !l.quantized ? "in float" : printable(l.reason)});
    text += "\n" + t.text();
  }
  if (!e.values.empty()) {
    Table t({"value", "type", "covers", "scale", "zero", "seen", "clipped", "why"});
    t.left(1).left(7);
    for (const ValueExplanation& v : e.values)
      t.add({printable(v.tensor), v.dtype, fmt::format("[{:.4g}, {:.4g}]", v.lo, v.hi),
             fmt::format("{:.4g}", v.scale), fmt::format("{}", v.zero_point),
             v.min && v.max ? fmt::format("[{:.4g}, {:.4g}]", *v.min, *v.max) : "",
             v.clipped_share ? percent(*v.clipped_share, 3) : "", printable(v.why)});
    text += "\n" + t.text();
  }
  print(text);
  return 0;
}

}  // namespace

std::function<int()> declare_explain(CLI::App& app, Common& common) {
  auto path = std::make_shared<std::string>();
  app.add_option("model", *path, "quantized ONNX file, - for standard input")->required();
  return [path, &common] { return explain_verb(*path, common); };
}

}  // namespace tersor::cli
