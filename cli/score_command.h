// A user's command that scores model files.
#pragma once

#include <string>
#include <vector>

#include "tersor/search.h"

namespace tersor::cli {

// Words as a shell splits them: at blanks, but for '...', "..." and what a backslash stands before.
// Nothing is expanded or run. A usage Error for a quote that is open.
std::vector<std::string> split_words(const std::string& command);

// Each model goes to a file in a new folder of $TMPDIR that is removed afterwards; its path takes
// the place of {model} in the words of the command, which is run as it is, without a shell, in a
// process group of its own, with nothing on its standard input. The last line that it prints is the
// score. E52 if it cannot be run, fails, prints no number, or takes longer than so many seconds; a
// usage Error where it does not name {model}.
Score score_by(const std::string& command, double seconds);

}  // namespace tersor::cli
