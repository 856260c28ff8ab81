// The page of a report.
#pragma once

#include <string>

#include "tersor/report.h"
#include "tersor/session.h"

namespace tersor::eval {

// Self-contained HTML: style and pictures inside, nothing fetched, no script (its own policy
// forbids both). Works from 320 pixels of width on, in light and dark, and printed.
std::string page(const Report& report, const Host& host, const std::string& version);

}  // namespace tersor::eval
