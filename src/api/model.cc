#include <fmt/format.h>

#include "api/impl.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/limits.h"
#include "onnx/onnx.h"

namespace tersor {
namespace api {

Model wrap(ir::Model model) {
  auto impl = std::make_shared<Model::Impl>();
  impl->model = std::move(model);
  return Model(std::move(impl));
}

namespace {

// Files beside the model that its tensors lie in.
uint64_t external_bytes(const ir::Model& model, uint64_t file_bytes) {
  uint64_t weights = 0;
  for (const ir::Value& v : model.graph.values)
    if (v.constant) weights += v.constant->bytes();
  return weights > file_bytes ? weights : 0;
}

}  // namespace
}  // namespace api

Model Model::load(const std::filesystem::path& path) {
  auto impl = std::make_shared<Impl>();
  impl->name = path.string();
  const std::string bytes = base::read_file(path, limits::kModelFileBytes);
  const auto folder = path == "-" ? std::filesystem::path(".") : path.parent_path();
  impl->model = onnx::read_bytes(bytes, folder.empty() ? "." : folder,
                                 path == "-" ? "standard input" : path.string());
  impl->file_bytes = bytes.size() + api::external_bytes(impl->model, bytes.size());
  impl->sha256 = base::sha256(bytes);
  return Model(std::move(impl));
}

Model Model::parse(std::string_view bytes, const std::filesystem::path& external_folder) {
  auto impl = std::make_shared<Impl>();
  impl->model = onnx::read_bytes(bytes, external_folder);
  impl->file_bytes = bytes.size();
  impl->sha256 = base::sha256(bytes);
  return Model(std::move(impl));
}

void Model::save(const std::filesystem::path& path, bool force) const {
  onnx::write(impl_->model, path, force);
}

std::string Model::bytes() const { return onnx::write_bytes(impl_->model); }

uint64_t Model::file_bytes() const {
  return impl_->file_bytes ? impl_->file_bytes : bytes().size();
}

void check_output(const std::filesystem::path& path, bool force) {
  base::check_output(path, force);
}

std::string Model::sha256() const {
  return impl_->sha256.empty() ? base::sha256(bytes()) : impl_->sha256;
}

}  // namespace tersor
