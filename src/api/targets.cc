#include "tersor/targets.h"

#include <algorithm>

#include "api/impl.h"
#include "quant/retarget.h"

namespace tersor {
namespace {

const char* text(quant::Severity severity) {
  return severity == quant::Severity::kRefused ? "refused" : "slow";
}

}  // namespace

std::vector<std::string> target_names() {
  std::vector<std::string> names;
  for (const quant::Target* t : quant::all_targets()) names.emplace_back(t->name);
  return names;
}

std::vector<TargetRule> target_rules(const std::string& target) {
  std::vector<TargetRule> rules;
  for (const auto& [rule, severity] : quant::rules_of(quant::find_target(target)))
    rules.push_back({rule->id, text(severity), rule->summary});
  return rules;
}

std::vector<Finding> check_target(const Model& model, const std::string& target) {
  std::vector<Finding> list;
  for (quant::Finding& f : quant::check(model.impl().model, quant::find_target(target)))
    list.push_back({std::move(f.rule), text(f.severity), std::move(f.node), std::move(f.op),
                    std::move(f.tensor), std::move(f.what), std::move(f.todo)});
  return list;
}

RetargetResult retarget(const Model& model, const std::string& target) {
  quant::Retargeted moved = quant::retarget(model.impl().model, quant::find_target(target));
  RetargetResult result(api::wrap(std::move(moved.model)));
  result.values = moved.values;
  result.moved = moved.moved;
  result.biases = moved.biases;
  return result;
}

}  // namespace tersor
