#include <fmt/format.h>

#include "render.h"

namespace tersor::cli {

std::function<int()> declare_version(CLI::App&, Common& common) {
  return [&common] {
    const Host h = host();
    if (common.json) {
      print(Json{{"tersor", version()}, {"host", host_json()}});
      return 0;
    }
    std::string isa;
    for (const std::string& name : h.isa) isa += " " + name;
    print(fmt::format("tersor {}\n{}, {} cores,{}\n", version(), h.cpu, h.cores, isa));
    return 0;
  };
}

}  // namespace tersor::cli
