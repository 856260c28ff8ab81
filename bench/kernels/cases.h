// What bench_kernels times: each case is one piece of work that several rows can do.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/isa.h"
#include "limits.h"

namespace tersor::bench_kernels {

struct Candidate {
  std::string row;
  base::Isa isa;
  std::function<void()> run;
  // Runs what bounds the row, on as much work as the case; null if nothing is known to.
  std::function<void()> limit = nullptr;
  std::string_view limit_name = {};
};

struct Case {
  std::string shape;
  double work;       // products, or bytes that come and go
  const char* unit;  // of work per nanosecond
  std::string picked;
  std::vector<Candidate> candidates;
  // What is wrong with the results of the run before; empty if nothing. The first call may take
  // its results as the witness for the others, as far as the reference does not reach.
  std::function<std::string()> wrong;
  bool judged = true;  // false: the row hardly matters, so that a pick proves nothing
};

// A case that is made when its turn comes.
struct Plan {
  std::string shape;
  std::function<Case(base::IsaSet)> make;
};
std::vector<Plan> product_plans();  // matrix products and convolutions
std::vector<Plan> stream_plans();   // what is bounded by memory

}  // namespace tersor::bench_kernels
