// Times every row of the kernels that this CPU can run, on layers of known networks, beside what
// its instructions or memory allow at most. docs/performance.md says how to read it.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdlib>
#include <limits>
#include <map>

#include "base/error.h"
#include "cases.h"
#include "tersor/tersor.h"
#include "text/json.h"

namespace tersor::bench_kernels {
namespace {

struct Options {
  std::string isa, family, row, shape;
  double milliseconds = 20;
  bool assert_pick = false, best = false, json = false;
};

// The best time of one call, and what was spent to find it.
class Watch {
 public:
  explicit Watch(const std::function<void()>& call) : call_(call) {}

  void turn() {
    if (!call_) return;
    const auto start = std::chrono::steady_clock::now();
    for (int64_t i = 0; i < repeats_; ++i) call_();
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
    best_ = std::min(best_, took.count() / static_cast<double>(repeats_));
    spent_ += took.count();
    // The next turn takes about this long: short against what disturbs, long against the clock.
    repeats_ = std::max<int64_t>(1, static_cast<int64_t>(1e5 / best_));
  }
  double best() const { return best_; }
  double spent() const { return spent_; }

 private:
  const std::function<void()>& call_;
  int64_t repeats_ = 1;
  double best_ = std::numeric_limits<double>::infinity(), spent_ = 0;
};

struct Timing {
  Watch row, limit;
};

// Rows and limits by turns, so that all of them see the same machine.
void time(std::vector<Timing>& timings, double nanoseconds) {
  const double until = timings.empty() ? 0 : nanoseconds;
  std::vector<double> before;
  for (const Timing& t : timings) before.push_back(t.row.spent());
  constexpr int kLeast = 3;
  bool more = !timings.empty();
  for (int turn = 0; more; ++turn) {
    more = false;
    for (size_t i = 0; i < timings.size(); ++i) {
      if (turn >= kLeast && timings[i].row.spent() - before[i] >= until) continue;
      timings[i].row.turn();
      timings[i].limit.turn();
      more = true;
    }
  }
}

// "gemm_u8s8_avx2_4x16" is of gemm_u8s8.
std::string_view family_of(const Candidate& c) {
  return std::string_view(c.row).substr(0, c.row.find(fmt::format("_{}", base::name(c.isa))));
}

struct Outcome {
  std::string shape, problem;
  text::Json json;
};

const Timing* picked(const Case& c, const std::vector<Timing>& timings) {
  for (size_t i = 0; i < timings.size(); ++i)
    if (c.candidates[i].row == c.picked) return &timings[i];
  return nullptr;
}

// Empty, or that the row picked is not among the fastest.
std::string slow_pick(const Case& c, const std::vector<Timing>& timings) {
  constexpr double kMargin = 1.05;
  const Timing* pick = picked(c, timings);
  if (!pick || !c.judged) return "";
  for (size_t i = 0; i < timings.size(); ++i)
    if (pick->row.best() > kMargin * timings[i].row.best())
      return fmt::format("{} is picked with {:.1f} us where {} takes {:.1f}", c.picked,
                         pick->row.best() / 1e3, c.candidates[i].row, timings[i].row.best() / 1e3);
  return "";
}

text::Json to_json(const Case& c, const std::vector<Timing>& timings) {
  text::Json rows = text::Json::array();
  for (size_t i = 0; i < timings.size(); ++i) {
    const Candidate& row = c.candidates[i];
    const double ns = timings[i].row.best();
    text::Json j{{"row", row.row},
                 {"isa", base::name(row.isa)},
                 {"ns", ns},
                 {"rate", c.work / ns},
                 {"picked", row.row == c.picked}};
    if (row.limit) {
      const double limit = timings[i].limit.best();
      j["limit"] = {{"name", row.limit_name}, {"rate", c.work / limit}, {"share", limit / ns}};
    }
    rows.push_back(std::move(j));
  }
  return {{"shape", c.shape}, {"unit", c.unit}, {"work", c.work}, {"rows", std::move(rows)}};
}

Outcome measure(Case c, const Options& o) {
  std::erase_if(c.candidates, [&](const Candidate& row) {
    return (!o.family.empty() && family_of(row) != o.family) ||
           row.row.find(o.row) == std::string::npos;
  });
  Outcome outcome{c.shape, "", {}};
  for (const Candidate& row : c.candidates) {
    row.run();
    if (const std::string wrong = c.wrong(); !wrong.empty() && outcome.problem.empty())
      outcome.problem = fmt::format("{}: {}", row.row, wrong);
  }
  std::vector<Timing> timings;
  for (const Candidate& row : c.candidates) timings.push_back({Watch(row.run), Watch(row.limit)});
  time(timings, o.milliseconds * 1e6);
  // A disturbance only makes times longer: more turns bring the minima closer.
  constexpr int kRepeats = 4;
  for (int i = 0; o.assert_pick && i < kRepeats && !slow_pick(c, timings).empty(); ++i)
    time(timings, o.milliseconds * 1e6);
  if (o.assert_pick && outcome.problem.empty()) outcome.problem = slow_pick(c, timings);
  if (!c.candidates.empty()) outcome.json = to_json(c, timings);
  return outcome;
}

void print(const text::Json& c) {
  fmt::print("\n{}\n", c["shape"].get<std::string>());
  for (const text::Json& row : c["rows"]) {
    std::string limit;
    if (row.contains("limit"))
      limit = fmt::format("{:8.1f} {:<12}{:5.0f} %", row["limit"]["rate"].get<double>(),
                          row["limit"]["name"].get<std::string>(),
                          100 * row["limit"]["share"].get<double>());
    fmt::print("{} {:<36}{:11.1f} us {:8.1f} {} {}\n", row["picked"].get<bool>() ? '*' : ' ',
               row["row"].get<std::string>(), row["ns"].get<double>() / 1e3,
               row["rate"].get<double>(), c["unit"].get<std::string>(), limit);
  }
}

// A table in markdown: each row where it is fastest, among the shapes that have a limit for it.
void print_best(const text::Json& cases) {
  struct Best {
    text::Json shape, unit, row;
    bool slower(const text::Json& other) const {
      const bool known = row.contains("limit"), better = other.contains("limit");
      return known != better ? better : row["rate"] < other["rate"];
    }
  };
  std::vector<std::string> order;
  std::map<std::string, Best> best;
  for (const text::Json& c : cases)
    for (const text::Json& row : c["rows"]) {
      const auto name = row["row"].get<std::string>();
      const Best here{c["shape"], c["unit"], row};
      const auto [found, added] = best.try_emplace(name, here);
      if (added) order.push_back(name);
      if (found->second.slower(row)) found->second = here;
    }
  fmt::print("| row | shape | rate | limit | share |\n|---|---|--:|--:|--:|\n");
  for (const std::string& name : order) {
    const Best& b = best.at(name);
    std::string limit = "| ";
    if (b.row.contains("limit")) {
      const text::Json& l = b.row["limit"];
      limit = fmt::format("{:.1f} {} | {:.0f} % ", l["rate"].get<double>(),
                          l["name"].get<std::string>(), 100 * l["share"].get<double>());
    }
    fmt::print("| `{}` | {} | {:.1f} {} | {}|\n", name, b.shape.get<std::string>(),
               b.row["rate"].get<double>(), b.unit.get<std::string>(), limit);
  }
}

int run(const Options& o) {
  if (!o.isa.empty()) setenv("TERSOR_ISA", o.isa.c_str(), 1);
  const base::IsaSet isa = base::detect_isa();
  std::vector<Plan> plans = product_plans();
  for (Plan& plan : stream_plans()) plans.push_back(std::move(plan));
  const Host here = host();
  text::Json report{{"cpu", here.cpu}, {"isa", here.isa}, {"cases", text::Json::array()}};
  std::vector<std::string> problems;
  const bool all = !o.json && !o.best;
  if (all)
    fmt::print(
        "{}: {}. Best of interleaved turns; * is picked; the limit, what bounds it, the "
        "share of it reached\n",
        here.cpu, fmt::join(here.isa, " "));
  for (const Plan& plan : plans) {
    if (plan.shape.find(o.shape) == std::string::npos) continue;
    Outcome outcome = measure(plan.make(isa), o);
    if (!outcome.problem.empty()) problems.push_back(outcome.shape + ": " + outcome.problem);
    if (outcome.json.is_null()) continue;
    if (all) print(outcome.json);
    report["cases"].push_back(std::move(outcome.json));
  }
  if (report["cases"].empty()) problems.push_back("no such row on such a shape");
  report["problems"] = problems;
  if (o.best) print_best(report["cases"]);
  if (o.json) fmt::print("{}\n", text::to_text(report));
  for (const std::string& problem : problems) fmt::print(stderr, "{}\n", problem);
  return problems.empty() ? 0 : 1;
}

}  // namespace
}  // namespace tersor::bench_kernels

int main(int argc, char** argv) {
  tersor::bench_kernels::Options o;
  CLI::App app("bench_kernels: every row of the kernels beside its limit on this CPU");
  app.add_option("--isa", o.isa, "no instruction set beyond this one");
  app.add_option("--family", o.family, "rows of one family only, as gemm_u8s8");
  app.add_option("--row", o.row, "rows whose name contains this text only, as amx_tiles");
  app.add_option("--shape", o.shape, "shapes that contain this text only");
  app.add_option("--ms", o.milliseconds, "for each row and shape (20)")
      ->check(CLI::Range(0.0, 60000.0));
  app.add_flag("--assert-pick", o.assert_pick,
               "exit 1 where another row is more than 5 % faster than the selected one");
  app.add_flag("--best", o.best, "a line for each row: the shape where it is fastest");
  app.add_flag("--json", o.json, "one JSON document")->excludes("--best");
  CLI11_PARSE(app, argc, argv);
  try {
    return tersor::bench_kernels::run(o);
  } catch (const tersor::Error& e) {
    fmt::print(stderr, "{}\n", e.what());
    return 2;
  }
}
