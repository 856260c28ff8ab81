#include "eval/form_errors.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <optional>

#include "base/error.h"
#include "engine/convert_layout.h"
#include "eval/running.h"
#include "quant/search/changed_part.h"
#include "stats/difference.h"

namespace tersor::eval {
namespace {

constexpr int64_t kBatch = 4;

// A value as a model's input takes it, in memory of its own.
Tensor copied(const engine::TapView& view) {
  const Tensor rows =
      view.layout == runtime::Layout::kChannelsLast ? engine::to_rows(view.tensor) : view.tensor;
  Tensor copy = Tensor::empty(rows.dtype(), rows.dims());
  if (rows.bytes() > 0) std::memcpy(copy.raw_mutable(), rows.raw(), rows.bytes());
  return copy;
}

std::vector<std::string> names_of(const ir::Graph& g, const std::vector<ir::ValueId>& ids) {
  std::vector<std::string> names;
  for (ir::ValueId id : ids) names.push_back(g.values[id].name);
  return names;
}

// What one batch left behind when the base ran.
struct Run {
  int64_t samples = 0;
  std::map<std::string, Tensor> values;  // at which parts begin
  std::vector<Tensor> reference, base;   // outputs
};

class Measurer {
 public:
  Measurer(const ir::Model& reference, const Forms& forms, calib::Dataset& data,
           const FormOptions& options)
      : options_(options),
        data_(data),
        specs_(calib::input_specs(forms.base.graph)),
        inputs_(names_of(forms.base.graph, forms.base.graph.required_inputs())),
        outputs_(names_of(forms.base.graph, forms.base.graph.outputs)),
        of_forms_(forms.count, Errors(outputs_.size())),
        of_base_(outputs_.size()) {
    for (size_t i = 0; i < forms.count; ++i) {
      parts_.push_back(quant::changed_part(forms.base, forms.make(i)));
      keep_.insert(parts_.back().feeds.begin(), parts_.back().feeds.end());
    }
    for (const std::string& input : inputs_) keep_.erase(input);
    base_ = session_of(forms.base, keep_, options.threads);
    if (&reference != &forms.base) reference_ = session_of(reference, {}, options.threads);
  }

  FormErrors run() {
    calib::Batcher batcher(data_, specs_, kBatch);
    FormErrors out;
    advance(0);
    for (bool more = true; more;) {
      std::vector<Run> runs;
      more = fill(runs, batcher);
      int64_t samples = 0;
      for (const Run& run : runs) samples += run.samples;
      for (size_t i = 0; i < parts_.size(); ++i) {
        run_part(i, runs);
        advance(out.samples +
                samples * static_cast<int64_t>(i) / static_cast<int64_t>(parts_.size()));
      }
      out.samples += samples;
    }
    if (out.samples == 0) base::fail_input("E24", "there are no samples to measure errors on");
    advance(data_.size());
    out.base = worst(of_base_);
    for (const Errors& errors : of_forms_) out.forms.push_back(worst(errors));
    return out;
  }

 private:
  using Errors = std::vector<stats::Difference>;  // by output

  void advance(int64_t samples) const {
    if (options_.advance && !options_.advance(samples, data_.size())) calib::fail_interrupted();
  }

  // Runs the base on batches until their values are many; false at the end of the data.
  bool fill(std::vector<Run>& runs, calib::Batcher& batcher) {
    size_t bytes = 0;
    calib::Batch batch;
    while (bytes < options_.kept_bytes) {
      if (!batcher.next(batch)) return false;
      Run& run = runs.emplace_back();
      run.samples = batch.count;
      const std::vector<Tensor> inputs = take_inputs(batch);
      for (size_t i = 0; i < inputs.size(); ++i) run.values[inputs_[i]] = inputs[i];
      run.base = base_->run(inputs, [&](const engine::TapView& view) {
        if (keep_.contains(view.name)) run.values[view.name] = copied(view);
      });
      run.reference = reference_ ? reference_->run(inputs) : run.base;
      add(of_base_, run.reference, run.base);
      for (const auto& [name, value] : run.values) bytes += value.bytes();
    }
    return true;
  }

  void run_part(size_t form, const std::vector<Run>& runs) {
    const quant::ChangedPart& part = parts_[form];
    const auto session =
        part.model.graph.outputs.empty() ? nullptr : session_of(part.model, {}, options_.threads);
    const std::vector<std::string> changed = names_of(part.model.graph, part.model.graph.outputs);
    for (const Run& run : runs) {
      std::vector<Tensor> inputs, results = run.base;
      for (const std::string& feed : part.feeds) inputs.push_back(run.values.at(feed));
      const std::vector<Tensor> again = session ? session->run(inputs) : std::vector<Tensor>();
      for (size_t i = 0; i < again.size(); ++i)
        results[static_cast<size_t>(std::ranges::find(outputs_, changed[i]) - outputs_.begin())] =
            again[i];
      add(of_forms_[form], run.reference, results);
    }
  }

  static void add(Errors& errors, const std::vector<Tensor>& reference,
                  const std::vector<Tensor>& other) {
    for (size_t i = 0; i < errors.size(); ++i)
      if (tensor::is_float(reference[i].dtype()) && reference[i].dims() == other[i].dims())
        errors[i].add(tensor::to_float32(reference[i]).data<float>(),
                      tensor::to_float32(other[i]).data<float>());
  }
  static double worst(const Errors& errors) {
    double db = HUGE_VAL;
    for (const stats::Difference& d : errors)
      if (d.count() > 0) db = std::min(db, d.sqnr_db());
    return db;
  }

  const FormOptions& options_;
  calib::Dataset& data_;
  std::vector<calib::InputSpec> specs_;
  std::vector<std::string> inputs_, outputs_;
  std::vector<quant::ChangedPart> parts_;
  std::set<std::string> keep_;
  std::unique_ptr<engine::Session> base_, reference_;
  std::vector<Errors> of_forms_;
  Errors of_base_;
};

}  // namespace

FormErrors form_errors(const ir::Model& reference, const Forms& forms, calib::Dataset& data,
                       const FormOptions& options) {
  return Measurer(reference, forms, data, options).run();
}

}  // namespace tersor::eval
