// What stands behind the public classes: inside api/ only.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "base/file.h"
#include "calib/collect.h"
#include "calib/dataset.h"
#include "engine/session.h"
#include "ir/model.h"
#include "tersor/data.h"
#include "tersor/model.h"
#include "tersor/session.h"

namespace tersor {

struct Model::Impl {
  ir::Model model;
  std::string name = "model";                   // the file, for messages
  uint64_t file_bytes = 0;                      // with external data; 0 if it came from no file
  std::shared_ptr<const base::InputFile> file;  // that it came from, or nothing

  // Of that file, or of what it would be; made once.
  const std::string& sha256() const;
  std::string made_sha256;  // known already
  // Of what it would be as a file, with external data; 0 while nobody asked or wrote it.
  mutable std::atomic<uint64_t> made_bytes = 0;

 private:
  mutable std::once_flag once_;
  mutable std::string sha256_;
};

struct Session::Impl {
  std::unique_ptr<engine::Session> session;
  std::vector<std::string> input_names, output_names;
};

namespace api {

Model wrap(ir::Model model);
// As the engine runs it: simplified, which changes no result.
ir::Model prepared(const ir::Model& model);
// The data set that `data` describes, for this model's inputs.
std::unique_ptr<calib::Dataset> open(const Data& data, const ir::Model& model);
calib::DatasetSpec spec_of(const Data& data);
// Tells `progress`, which is not copied, of a stage.
calib::Advance advance_of(const Progress& progress, const char* stage);

}  // namespace api
}  // namespace tersor
