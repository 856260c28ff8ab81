#include <fmt/format.h>

#include <algorithm>

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

const std::string& Model::Impl::sha256() const {
  std::call_once(once_, [&] {
    if (!file) {
      sha256_ = made_sha256.empty() ? base::sha256(onnx::write_bytes(model)) : made_sha256;
      return;
    }
    constexpr uint64_t kPiece = uint64_t{1} << 18;
    base::Sha256 hash;
    std::string piece;
    for (uint64_t at = 0; at < file->size(); at += piece.size()) {
      piece.resize(std::min(kPiece, file->size() - at));
      file->read(at, piece.data(), piece.size());
      hash.add(piece);
    }
    file->check_unchanged();
    sha256_ = hash.digits();
  });
  return sha256_;
}

Model Model::load(const std::filesystem::path& path) {
  auto impl = std::make_shared<Impl>();
  impl->name = path.string();
  if (path == "-") {
    const std::string bytes = base::read_file(path, limits::kModelFileBytes);
    impl->model = onnx::read_bytes(bytes, ".", "standard input");
    impl->file_bytes = bytes.size();
    impl->made_sha256 = base::sha256(bytes);
  } else {
    impl->file = std::make_shared<const base::InputFile>(path);
    impl->model = onnx::read(path);
    impl->file_bytes = impl->file->size();
  }
  impl->file_bytes += api::external_bytes(impl->model, impl->file_bytes);
  return Model(std::move(impl));
}

Model Model::parse(std::string_view bytes, const std::filesystem::path& external_folder) {
  auto impl = std::make_shared<Impl>();
  impl->model = onnx::read_bytes(bytes, external_folder);
  impl->file_bytes = bytes.size();
  impl->made_sha256 = base::sha256(bytes);
  return Model(std::move(impl));
}

void Model::save(const std::filesystem::path& path, bool force) const {
  impl_->made_bytes = onnx::write(impl_->model, path, force);
}

std::string Model::bytes() const { return onnx::write_bytes(impl_->model); }

uint64_t Model::file_bytes() const {
  if (impl_->file_bytes) return impl_->file_bytes;
  if (impl_->made_bytes == 0) impl_->made_bytes = bytes().size();
  return impl_->made_bytes;
}

void check_output(const std::filesystem::path& path, bool force) {
  base::check_output(path, force);
}

std::string Model::sha256() const { return impl_->sha256(); }

}  // namespace tersor
