// A session to be timed by compare_peers.py, in a process of its own. Reads lines
//   load THREADS MODEL \t FOLDER         answers "ok ID MS", MS from reading to the first result;
//                                        FOLDER holds input_0.pb, input_1.pb, ...
//   run ID COUNT                         answers "ok MS MS ...", one figure for each run
//   save ID OUT.npz                      answers "ok"; the outputs are named 0, 1, ...
//   memory                               answers "ok KIB", the resident set
// and answers "no REASON" to what failed.
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <vector>

#include "tersor/tersor.h"

namespace {

struct Loaded {
  tersor::Session session;
  std::vector<tersor::Tensor> inputs;
};

double milliseconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

std::string resident_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmRSS:")) {
      std::istringstream words(line.substr(6));
      std::string kib;
      words >> kib;
      return kib;
    }
  return "0";
}

std::string answer(const std::string& line, std::vector<Loaded>& loaded) {
  std::istringstream words(line);
  std::string verb;
  words >> verb;
  std::ostringstream out;
  if (verb == "load") {
    int threads = 1;
    std::string model_path, folder;
    words >> threads >> std::ws;
    std::getline(words, model_path, '\t');
    std::getline(words, folder);
    const auto start = std::chrono::steady_clock::now();
    const tersor::Model model = tersor::Model::load(model_path);
    tersor::Session session(model, {.threads = threads});
    std::vector<tersor::Tensor> inputs;
    const auto path = [&](size_t i) { return folder + "/input_" + std::to_string(i) + ".pb"; };
    for (size_t i = 0; std::filesystem::exists(path(i)); ++i)
      inputs.push_back(tersor::load_tensor(path(i)));
    session.run(inputs);
    const double ms = milliseconds_since(start);
    loaded.push_back({std::move(session), std::move(inputs)});
    out << loaded.size() - 1 << ' ' << ms;
  } else if (verb == "run") {
    size_t id = 0, count = 0;
    words >> id >> count;
    const Loaded& l = loaded.at(id);
    for (size_t i = 0; i < count; ++i) {
      const auto start = std::chrono::steady_clock::now();
      l.session.run(l.inputs);
      out << milliseconds_since(start) << ' ';
    }
  } else if (verb == "save") {
    size_t id = 0;
    std::string path;
    words >> id >> std::ws;
    std::getline(words, path);
    const Loaded& l = loaded.at(id);
    tersor::Tensors outputs;
    int index = 0;
    for (tersor::Tensor& t : l.session.run(l.inputs))
      outputs[std::to_string(index++)] = std::move(t);
    tersor::save_npz(outputs, path, true);
  } else if (verb == "memory") {
    out << resident_kib();
  } else {
    throw std::invalid_argument("unknown verb '" + verb + "'");
  }
  return out.str();
}

}  // namespace

int main() {
  std::vector<Loaded> loaded;
  for (std::string line; std::getline(std::cin, line);) {
    try {
      std::cout << "ok " << answer(line, loaded) << std::endl;
    } catch (const std::exception& e) {
      std::cout << "no " << e.what() << std::endl;
    }
  }
  return 0;
}
