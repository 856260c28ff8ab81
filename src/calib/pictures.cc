// Sources whose items are pictures: folders of files, IDX files, arrays of 8-bit pixels.
#include "calib/pictures.h"

#include <algorithm>
#include <cstring>

#include "base/checked.h"
#include "base/error.h"
#include "base/limits.h"

namespace tersor::calib {
namespace {

class ImageFiles : public Source {
 public:
  ImageFiles(const fs::path& folder, std::vector<fs::path> files, const DatasetSpec& spec,
             const InputSpec& input)
      : folder_(folder),
        files_(std::move(files)),
        input_(input.name),
        pipeline_(resolve(spec.preprocess, input, spec.path)) {
    noun = "images";
    summary = pipeline_.summary;
    guessed = pipeline_.guessed;
  }
  int64_t size() const override { return static_cast<int64_t>(files_.size()); }
  std::string item_name(int64_t i) const override {
    return files_[static_cast<size_t>(i)].generic_string();
  }
  bool concurrent() const override { return true; }
  void read(int64_t i, Sample& sample) override {
    const fs::path path = folder_ / files_[static_cast<size_t>(i)];
    sample.source = path.string();
    sample.inputs.emplace_back(input_, apply(pipeline_, read_image(path)));
  }

 private:
  fs::path folder_;
  std::vector<fs::path> files_;
  std::string input_;
  Pipeline pipeline_;
};

class PixelStream : public Source {
 public:
  PixelStream(std::unique_ptr<ByteStream> stream, const PixelShape& shape, const DatasetSpec& spec,
              const InputSpec& input)
      : stream_(std::move(stream)),
        start_(stream_->position()),
        shape_(shape),
        input_(input.name),
        pipeline_(resolve(spec.preprocess, input, spec.path)) {
    noun = "images";
    summary = pipeline_.summary;
    guessed = pipeline_.guessed;
  }
  int64_t size() const override { return shape_.count; }
  void read(int64_t i, Sample& sample) override {
    sample.source = stream_->file().name();
    Image image{shape_.width, shape_.height, shape_.channels, {}};
    image.pixels.resize(size_t(shape_.width) * size_t(shape_.height) * size_t(shape_.channels));
    const uint64_t wanted = start_ + static_cast<uint64_t>(i) * image.pixels.size();
    if (wanted < stream_->position()) stream_->rewind();
    stream_->skip(wanted - stream_->position());
    stream_->read(image.pixels.data(), image.pixels.size());
    if (shape_.planar && shape_.channels > 1) interleave(image);
    sample.inputs.emplace_back(input_, apply(pipeline_, std::move(image)));
  }

 private:
  static void interleave(Image& image) {
    const std::vector<uint8_t> planes = image.pixels;
    const size_t pixels = planes.size() / static_cast<size_t>(image.channels);
    for (size_t i = 0; i < pixels; ++i)
      for (size_t c = 0; c < static_cast<size_t>(image.channels); ++c)
        image.pixels[i * static_cast<size_t>(image.channels) + c] = planes[c * pixels + i];
  }

  std::unique_ptr<ByteStream> stream_;
  uint64_t start_;
  PixelShape shape_;
  std::string input_;
  Pipeline pipeline_;
};

}  // namespace

std::optional<PixelShape> pixel_shape(const Dims& dims) {
  const auto is_channels = [](int64_t n) { return n == 1 || n == 3; };
  PixelShape s;
  Dims hwc;
  if (dims.size() == 3) {
    hwc = {dims[1], dims[2], 1};
  } else if (dims.size() == 4 && is_channels(dims[3])) {
    hwc = {dims[1], dims[2], dims[3]};
  } else if (dims.size() == 4 && is_channels(dims[1])) {
    hwc = {dims[2], dims[3], dims[1]};
    s.planar = true;
  } else {
    return std::nullopt;
  }
  if (hwc[0] <= 0 || hwc[1] <= 0) return std::nullopt;
  const auto limit = static_cast<int64_t>(limits::kImagePixels);
  if (hwc[0] > limit / hwc[1])
    base::fail(ErrorKind::kLimit, "E60", "pictures of {} x {} are over the limit of {} pixels",
               hwc[1], hwc[0], limit);
  s.count = dims[0];
  s.height = static_cast<int>(hwc[0]);
  s.width = static_cast<int>(hwc[1]);
  s.channels = static_cast<int>(hwc[2]);
  return s;
}

std::unique_ptr<Source> open_pixels(std::unique_ptr<ByteStream> stream, const PixelShape& shape,
                                    const DatasetSpec& spec, const InputSpec& input) {
  return std::make_unique<PixelStream>(std::move(stream), shape, spec, input);
}

std::unique_ptr<Source> open_images(const fs::path& folder, std::vector<fs::path> files,
                                    const DatasetSpec& spec, const Inputs& inputs) {
  return std::make_unique<ImageFiles>(folder, std::move(files), spec,
                                      only_input(inputs, "a picture"));
}

bool looks_like_idx(const unsigned char* p) {
  return p[0] == 0 && p[1] == 0 && p[2] >= 8 && p[2] <= 14 && p[3] >= 1 && p[3] <= 4;
}

IdxHeader read_idx_header(ByteStream& stream, const std::string& name) {
  unsigned char start[4];
  stream.read(start, sizeof start);
  if (!looks_like_idx(start)) base::fail_input("E23", "{} is not an IDX file", base::quoted(name));
  IdxHeader h;
  h.type = start[2];
  for (int i = 0; i < start[3]; ++i) {
    unsigned char n[4];
    stream.read(n, sizeof n);
    h.dims.push_back(int64_t{n[0]} << 24 | n[1] << 16 | n[2] << 8 | n[3]);
  }
  uint64_t width = 0;
  switch (h.type) {
    case 8:
    case 9:
      width = 1;
      break;
    case 11:
      width = 2;
      break;
    case 12:
    case 13:
      width = 4;
      break;
    case 14:
      width = 8;
      break;
    default:
      base::fail_input("E23", "{} is not an IDX file: type {}", base::quoted(name), h.type);
  }
  uint64_t bytes = width;
  for (int64_t d : h.dims)
    if (__builtin_mul_overflow(bytes, static_cast<uint64_t>(d), &bytes))
      base::fail_input("E23", "{} says it holds an array of shape {}, which no file can",
                       base::quoted(name), tensor::to_string(h.dims));
  if (stream.packing() != Packing::kNone) {
    check_ratio(stream.packed_bytes(), bytes, name);
  } else if (bytes > stream.packed_bytes() - stream.position()) {
    throw Error(ErrorKind::kInput, "E03",
                fmt::format("{} is cut off: its array of shape {} needs {} bytes, {} are there",
                            base::quoted(name), tensor::to_string(h.dims), bytes,
                            stream.packed_bytes() - stream.position()),
                "download or copy it again");
  }
  return h;
}

std::unique_ptr<Source> open_idx(const fs::path& path, bool gzip, const DatasetSpec& spec,
                                 const Inputs& inputs) {
  auto file = std::make_shared<const InputFile>(path);
  auto stream =
      std::make_unique<ByteStream>(file, 0, file->size(), gzip ? Packing::kGzip : Packing::kNone);
  const IdxHeader header = read_idx_header(*stream, path.string());
  if (header.dims.size() == 1)
    throw Error(ErrorKind::kInput, "E24",
                base::quoted(path.string()) + " holds labels, not pictures",
                "give it as --labels, and the file of the images as -d");
  const std::optional<PixelShape> shape =
      header.type == 8 ? pixel_shape(header.dims) : std::nullopt;
  if (!shape || shape->planar)
    base::fail_input("E23", "{} holds no 8-bit pictures: type {}, shape {}",
                     base::quoted(path.string()), header.type, tensor::to_string(header.dims));
  return open_pixels(std::move(stream), *shape, spec, only_input(inputs, "an IDX file"));
}

}  // namespace tersor::calib
