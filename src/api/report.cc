#include "tersor/report.h"

#include "base/file.h"
#include "eval/report/page.h"

namespace tersor {

std::string html_report(const Report& report) { return eval::page(report, host(), version()); }

void write_text(const std::filesystem::path& path, std::string_view text, bool force) {
  base::write_file(path, text, force);
}

}  // namespace tersor
