// The program: verbs, errors, exit codes.
#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <csignal>
#include <cstdio>

#include "progress.h"
#include "render.h"
#include "verb.h"

namespace tersor::cli {

const std::vector<Verb>& verbs() {
  static const std::vector<Verb> kVerbs{
      {"inspect", "What a model is, and what can be quantized", "tersor inspect model.onnx --plan",
       declare_inspect},
      {"quantize", "Calibrate on data, write an int8 model, compare it with the original",
       "tersor quantize model.onnx -d pictures/ --preprocess imagenet", declare_quantize},
      {"sensitivity", "Which layers pay for int8 with accuracy, measured at the outputs",
       "tersor sensitivity model.onnx -d pictures/ --preprocess imagenet", declare_sensitivity},
      {"calibrate", "Only what calibration sees of a model, as a file for quantize --stats",
       "tersor calibrate model.onnx -d pictures/ -o model.stats.json", declare_calibrate},
      {"convert", "To half precision and back", "tersor convert model.onnx --to fp16 -d pictures/",
       declare_convert},
      {"compare", "Run two models on the same data; exit 1 if they differ too much",
       "tersor compare model.onnx model.int8.onnx -d val/ --fail-if 'top1_agree<0.99'",
       declare_compare},
      {"eval", "Accuracy on labelled data", "tersor eval model.onnx -d val/ --labels val.csv",
       declare_eval},
      {"bench", "Latency of one or more models, interleaved",
       "tersor bench model.onnx model.int8.onnx --threads 1,2", declare_bench},
      {"run", "Run a model on one item",
       "tersor run model.onnx -i cat.jpg --preprocess imagenet -k 5", declare_run},
      {"run-pb", "Run ONNX test data: input_0.pb ... to output_0.pb ...",
       "tersor run-pb model.onnx test_data_set_0 out", declare_run_pb},
      {"explain", "What was done to a quantized model, value by value, and why",
       "tersor explain model.int8.onnx", declare_explain},
      {"version", "Version, processor, instruction sets", "tersor version --json", declare_version},
  };
  return kVerbs;
}

void add_threads(CLI::App& app, Common& common) {
  app.add_option("--threads", common.threads, "threads; 0: one per core")
      ->check(CLI::Range(0, 1024));
}

void fail_usage(std::string sentence, std::string help) {
  throw Error(ErrorKind::kUsage, "E50", std::move(sentence), std::move(help));
}

std::string did_you_mean(const std::string& wish, const std::vector<std::string>& names) {
  const auto distance = [](const std::string& a, const std::string& b) {
    std::vector<size_t> row(b.size() + 1);
    for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
    for (size_t i = 1; i <= a.size(); ++i) {
      size_t diagonal = row[0];
      row[0] = i;
      for (size_t j = 1; j <= b.size(); ++j) {
        const size_t change = diagonal + (a[i - 1] != b[j - 1]);
        diagonal = row[j];
        row[j] = std::min({change, row[j] + 1, row[j - 1] + 1});
      }
    }
    return row[b.size()];
  };
  std::string best;
  size_t least = std::max<size_t>(2, wish.size() / 3) + 1;
  for (const std::string& name : names)
    if (const size_t d = distance(wish, name); d < least) {
      least = d;
      best = name;
    }
  return best.empty() ? "" : fmt::format("did you mean '{}'?", best);
}

void check_choice(const char* what, const std::string& given,
                  const std::vector<std::string>& choices) {
  if (std::ranges::find(choices, given) != choices.end()) return;
  std::string list;
  for (const std::string& c : choices) list += (list.empty() ? "" : ", ") + c;
  std::string help = did_you_mean(given, choices);
  help += (help.empty() ? "" : " ") + fmt::format("{}s: {}", what, list);
  fail_usage(fmt::format("unknown {} '{}'", what, printable(given)), help);
}

namespace {

int fail(const Error& error) {
  fmt::print(stderr, "{}\n", error.describe());
  if (error.kind() == ErrorKind::kInterrupted && caught_signal()) return 128 + caught_signal();
  return static_cast<int>(error.kind());
}

// What the parser says, in the words of tersor.
int fail_parse(const CLI::App& app, const CLI::ParseError& error, const Common& common) {
  const CLI::App* verb = nullptr;
  for (const CLI::App* sub : app.get_subcommands()) verb = sub;
  if (const auto* extras = dynamic_cast<const CLI::ExtrasError*>(&error)) {
    for (const std::string& word : (verb ? *verb : app).remaining()) {
      std::vector<std::string> names;
      for (const CLI::Option* o : (verb ? *verb : app).get_options())
        for (const std::string& name : o->get_lnames()) names.push_back("--" + name);
      return fail(Error(ErrorKind::kUsage, "E50",
                        fmt::format("unknown {} '{}'",
                                    word.starts_with("-") ? "option" : "argument", printable(word)),
                        did_you_mean(word, names)));
    }
    (void)extras;
  }
  (void)common;
  std::string text = error.what();
  if (!text.empty() && text[0] >= 'A' && text[0] <= 'Z' &&
      !(text.size() > 1 && text[1] >= 'A' && text[1] <= 'Z'))
    text[0] = static_cast<char>(text[0] - 'A' + 'a');
  return fail(Error(ErrorKind::kUsage, "E50", printable(text),
                    verb ? fmt::format("'tersor {} --help' shows its options", verb->get_name())
                         : "'tersor --help' lists the verbs"));
}

int run(int argc, char** argv) {
  CLI::App app(
      "tersor makes trained neural networks smaller and faster, and proves that they still answer "
      "right.",
      "tersor");
  app.require_subcommand(1);
  app.set_version_flag("--version", "tersor " + version());
  app.get_formatter()->column_width(26);
  Common common;
  for (int i = 1; i < argc; ++i) common.command.emplace_back(argv[i]);

  std::vector<std::string> names;
  std::vector<std::pair<CLI::App*, std::function<int()>>> actions;
  for (const Verb& verb : verbs()) {
    CLI::App* sub = app.add_subcommand(verb.name, verb.summary);
    sub->footer(std::string("example:  ") + verb.example);
    sub->add_flag("--json", common.json, "one JSON document on standard output");
    sub->add_flag("-q,--quiet", common.quiet, "errors only on standard error");
    actions.emplace_back(sub, verb.declare(*sub, common));
    names.emplace_back(verb.name);
  }
  if (argc > 1 && argv[1][0] != '-' && std::ranges::find(names, argv[1]) == names.end())
    fail_usage(fmt::format("unknown verb '{}'", printable(argv[1])), did_you_mean(argv[1], names));
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& e) {
    return app.exit(e);
  } catch (const CLI::CallForVersion& e) {
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    return fail_parse(app, e, common);
  }
  for (auto& [sub, action] : actions)
    if (sub->parsed()) return action();
  return 0;
}

}  // namespace
}  // namespace tersor::cli

int main(int argc, char** argv) {
#ifdef M_MMAP_THRESHOLD
  // Pictures and activations come and go by threads of all kinds: what is freed shall be free.
  mallopt(M_MMAP_THRESHOLD, 1 << 18);
#endif
  tersor::cli::catch_signals();
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return tersor::cli::run(argc, argv);
  } catch (const tersor::Error& error) {
    return tersor::cli::fail(error);
  } catch (const std::bad_alloc&) {
    return tersor::cli::fail(tersor::Error(tersor::ErrorKind::kLimit, "E61", "not enough memory"));
  } catch (const std::exception& error) {
    return tersor::cli::fail(tersor::Error(tersor::ErrorKind::kInternal, "E70", error.what(),
                                           "this is a fault in tersor: please report it"));
  }
}
