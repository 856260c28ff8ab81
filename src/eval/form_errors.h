// The errors of many forms of one model that differ from a common base by little: only what differs
// runs again.
#pragma once

#include <functional>
#include <vector>

#include "calib/collect.h"
#include "ir/model.h"

namespace tersor::eval {

struct Forms {
  const ir::Model& base;
  size_t count = 0;
  // Form i of the base: same inputs and outputs.
  std::function<ir::Model(size_t)> make;
};
struct FormErrors {
  // SQNR in dB of the worst output against the reference's, +inf where nothing differs.
  double base = 0;
  std::vector<double> forms;
  int64_t samples = 0;
};
struct FormOptions {
  int threads = 0;
  size_t kept_bytes = size_t{256} << 20;  // of the base's values, at a time
  // Called with the samples done, of all that there are.
  calib::Advance advance;
};
// `reference`: the model in float; may be the base itself. Memory holds the values of the base at
// which parts begin, of some samples at a time, and one part.
FormErrors form_errors(const ir::Model& reference, const Forms& forms, calib::Dataset& data,
                       const FormOptions& options);

}  // namespace tersor::eval
