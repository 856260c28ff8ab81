// Helpers of this room's tests.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tersor/error.h"

namespace tersor::calib {

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "tersor_XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  std::string string() const { return path_.string(); }
  std::filesystem::path write(const std::string& name, std::string_view bytes) const {
    const auto path = path_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary)
        .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    return path;
  }

 private:
  std::filesystem::path path_;
};

inline std::string slurp(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline std::filesystem::path images() {
  return std::filesystem::path(TERSOR_SOURCE_DIR) / "tests/data/images";
}

// Runs `body`, which must throw an Error of this code whose description contains `part`.
template <typename Body>
void expect_error(const char* code, const std::string& part, Body&& body,
                  const std::string& what = {}) {
  try {
    body();
    ADD_FAILURE() << what << ": no error; expected " << code << " " << part;
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), code) << what << ": " << e.describe();
    EXPECT_NE(e.describe().find(part), std::string::npos) << what << ": " << e.describe();
  }
}

}  // namespace tersor::calib
