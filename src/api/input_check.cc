#include "api/input_check.h"

#include <array>

#include "api/impl.h"
#include "base/error.h"
#include "eval/input_fit.h"

namespace tersor::api {
namespace {

struct Reading {
  const char *mean, *std, *range;
  bool three_channels = false;
};
constexpr std::array kReadings{
    Reading{"0", "1", "0 to 1"}, Reading{"0", "0.00392157", "0 to 255"},
    Reading{"0.5", "0.5", "-1 to 1"},
    Reading{"0.485,0.456,0.406", "0.229,0.224,0.225", "ImageNet's mean and std", true}};

struct Trial {
  Data data;
  std::string flags, what;
  double misfit = 0;
};

}  // namespace

std::optional<Warning> check_inputs(const Model& original, const Data& data, bool answers,
                                    int threads) {
  const ir::Model& model = original.impl().model;
  const auto inputs = calib::input_specs(model.graph);
  if (data.path.empty() || inputs.size() != 1 || inputs[0].dtype != DType::kFloat32) return {};
  const auto opened = open(data, model);
  if (opened->noun() != "images" || opened->synthetic()) return {};
  const auto fit = eval::InputFit::of(model, answers, threads);
  if (!fit) return {};
  Data some = data;
  some.labels_path.clear();
  some = some.rest_only ? some.rest(fit->samples()) : some.take(fit->samples());
  const auto measure = [&](Trial trial) -> std::optional<Trial> {
    try {
      trial.misfit = fit->misfit(*open(trial.data, model));
      return trial;
    } catch (const Error&) {
      return {};  // this input takes no such pictures
    }
  };
  const auto now = measure({some, "", "", 0});
  if (!now || fit->good(now->misfit)) return {};
  // The best of all ranges, from where pictures are read as in `start`.
  const auto best_from = [&](const Trial& start) {
    std::optional<Trial> best = measure(start);
    for (const Reading& r : kReadings) {
      Trial trial = start;
      trial.data.preprocess.mean = r.mean;
      trial.data.preprocess.std = r.std;
      trial.flags = fmt::format("--mean {} --std {}{}{}", r.mean, r.std,
                                start.flags.empty() ? "" : " ", start.flags);
      trial.what = fmt::format("{}{}{}", r.range, start.what.empty() ? "" : ", ", start.what);
      const auto measured = measure(std::move(trial));
      if (measured && (!best || measured->misfit < best->misfit)) best = measured;
    }
    return best;
  };
  Trial best = *best_from(*now);
  const Preprocess& p = data.preprocess;
  if (p.channels != "gray" && p.preset != "gray") {
    const bool bgr = p.channels == "bgr" || (p.channels.empty() && p.preset == "bgr");
    Trial swapped = *now;
    swapped.data.preprocess.channels = bgr ? "rgb" : "bgr";
    swapped.flags = "--channels " + swapped.data.preprocess.channels;
    swapped.what = bgr ? "RGB" : "BGR";
    // The other order of channels must be clear by itself.
    if (const auto other = best_from(swapped);
        other && fit->clearly_better(other->misfit, best.misfit))
      best = *other;
  }
  if (best.flags.empty() || !fit->clearly_better(best.misfit, now->misfit)) return {};
  return Warning{
      "W36", fmt::format("the pictures do not look as the model expects them, by {}: {} would fit "
                         "better ({:.2f} instead of {:.2f} nats off); try {}",
                         fit->evidence(), best.what, best.misfit, now->misfit, best.flags)};
}

}  // namespace tersor::api
