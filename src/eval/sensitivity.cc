#include "eval/sensitivity.h"

namespace tersor::eval {

quant::Decisions leaving(const Quantizable& q, const std::map<std::string, std::string>& left) {
  quant::Recipe recipe = q.recipe;
  recipe.left.insert(left.begin(), left.end());
  return quant::decide(q.model, q.statistics, recipe, &q.decisions);
}

std::vector<const quant::NodeDecision*> layers_of(const quant::Decisions& decisions) {
  std::vector<const quant::NodeDecision*> layers;
  for (const quant::NodeDecision& d : decisions.nodes)
    if (d.quantized && (d.weighted || d.op == "MatMul")) layers.push_back(&d);
  return layers;
}

Costs layer_costs(const Quantizable& q,
                  const std::function<std::unique_ptr<calib::Dataset>()>& open,
                  const FormOptions& options) {
  Costs costs;
  std::map<std::string, std::string> all;
  for (const quant::NodeDecision* layer : layers_of(q.decisions)) {
    costs.layers.push_back({.decision = layer});
    all[layer->output] = "measured alone";
  }
  const auto measure = [&](const ir::Model& base, auto left, int64_t part) {
    const Forms forms{base, costs.layers.size(), [&](size_t i) {
                        return quant::apply(q.model,
                                            leaving(q, left(costs.layers[i].decision->output)));
                      }};
    FormOptions half = options;
    if (options.advance)
      half.advance = [&](int64_t done, int64_t total) {
        return options.advance(part * total + done, 2 * total);
      };
    const auto data = open();
    return form_errors(q.model, forms, *data, half);
  };
  const FormErrors alone = measure(
      q.model,
      [&](const std::string& layer) {
        auto others = all;
        others.erase(layer);
        return others;
      },
      0);
  const ir::Model quantized = quant::apply(q.model, q.decisions);
  const FormErrors without = measure(
      quantized,
      [&](const std::string& layer) {
        return std::map<std::string, std::string>{{layer, all.at(layer)}};
      },
      1);
  for (size_t i = 0; i < costs.layers.size(); ++i) {
    costs.layers[i].alone_db = alone.forms[i];
    costs.layers[i].without_db = without.forms[i];
  }
  costs.all_db = without.base;
  costs.samples = alone.samples;
  return costs;
}

}  // namespace tersor::eval
