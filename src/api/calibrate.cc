#include "api/calibration.h"
#include "base/file.h"
#include "base/limits.h"
#include "stats/calibrator.h"

namespace tersor {
namespace {

Statistics wrap(stats::Statistics statistics) {
  return Statistics(
      std::make_shared<const Statistics::Impl>(Statistics::Impl{std::move(statistics)}));
}

}  // namespace

Statistics Statistics::load(const std::filesystem::path& path) {
  return wrap(
      stats::parse_statistics(base::read_file(path, limits::kStatisticsFileBytes), path.string()));
}
Statistics Statistics::parse(std::string_view json) { return wrap(stats::parse_statistics(json)); }
std::string Statistics::json() const { return stats::to_json_text(impl_->statistics); }
void Statistics::save(const std::filesystem::path& path, bool force) const {
  base::write_file(path, json(), force);
}
void Statistics::merge(const Statistics& other) {
  stats::Statistics sum = impl_->statistics;
  sum.merge(other.impl_->statistics);
  *this = wrap(std::move(sum));
}

int64_t Statistics::samples() const { return static_cast<int64_t>(impl_->statistics.samples); }
int64_t Statistics::values() const {
  return static_cast<int64_t>(impl_->statistics.tensors.size());
}
bool Statistics::synthetic() const { return impl_->statistics.synthetic; }
std::string Statistics::model() const { return impl_->statistics.model; }
std::string Statistics::settings() const { return impl_->statistics.settings; }
std::string Statistics::data() const { return impl_->statistics.data; }

CalibrateResult calibrate(const Model& model, const Data& data, const CalibrateOptions& options) {
  const api::Prepared prepared =
      api::prepare(model, options.per_channel, options.equalize, options.requantize,
                   options.threads, quant::find_target("any"));
  api::Gathered gathered =
      api::gather(model, prepared, data, options, api::all_points(prepared.model));
  CalibrateResult result(wrap(std::move(gathered.statistics)));
  result.interrupted = gathered.interrupted;
  result.seconds = gathered.seconds;
  result.data_guessed = std::move(gathered.guessed);
  result.warnings = std::move(gathered.warnings);
  return result;
}

std::vector<std::pair<std::string, std::string>> calibrators() {
  std::vector<std::pair<std::string, std::string>> list;
  for (const stats::CalibrationMethod* m : stats::calibration_methods())
    list.emplace_back(stats::to_string({m, m->parameter ? m->parameter->standard : 0}), m->summary);
  return list;
}

}  // namespace tersor
