// From pixels to the tensor a model expects: what the user asked for, completed by guesses from the
// input's shape.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "calib/image.h"
#include "ir/model.h"
#include "tensor/tensor.h"

namespace tersor::calib {

// An input that a caller must feed.
struct InputSpec {
  std::string name;
  DType dtype = DType::kFloat32;
  std::optional<ir::Shape> shape;  // nullopt: even the rank is unknown
};
// The required inputs of a graph, in order.
std::vector<InputSpec> input_specs(const ir::Graph& graph);

enum class Layout : uint8_t { kNchw, kNhwc };
enum class Channels : uint8_t { kRgb, kBgr, kGray };

struct Size {
  int width = 0, height = 0;
  bool operator==(const Size&) const = default;
};
// The shorter side (the other in proportion, as torchvision), or both.
struct Resize {
  int shorter = 0;  // 0: `size` holds
  Size size;
  bool operator==(const Resize&) const = default;
};

// What the user asked for. What is absent is guessed.
struct Preprocess {
  std::string
      preset;  // "", "imagenet", "fashion-mnist", "none" (pixels as they are), "rgb", "bgr", "gray"
  std::optional<Resize> resize;
  std::optional<Size> crop;
  // One number or one per channel, on pixels scaled to 0..1; if any mean or std is over 2, on
  // 0..255.
  std::vector<float> mean, std;
  std::optional<Layout> layout;
  std::optional<Channels> channels;
};

// Texts of the flags --preprocess, --resize "256" or "320x240" (width x height), --crop, --mean
// "0.5" or "0.1,0.2,0.3",
// --std, --layout nchw|nhwc, --channels rgb|bgr|gray. E50 otherwise.
std::string parse_preset(std::string_view text);
Resize parse_resize(std::string_view text);
Size parse_crop(std::string_view text);
std::vector<float> parse_numbers(std::string_view text);
Layout parse_layout(std::string_view text);
Channels parse_channels(std::string_view text);

// Ready to be applied: nothing is open.
struct Pipeline {
  std::optional<Resize> resize;
  std::optional<Size> crop;
  float divisor = 255;  // value = (pixel / divisor - mean) / std, in float32, as torchvision
  std::vector<float> mean, std;  // one per channel
  Layout layout = Layout::kNchw;
  Channels channels = Channels::kRgb;
  bool batch_axis = true;
  bool channel_axis = true;  // false: [N, H, W]
  bool flat = false;         // all pixels in one axis: [N, H * W * C]
  DType dtype = DType::kFloat32;
  // "resize 256, crop 224, ImageNet mean/std", and what of it was guessed ("" if nothing).
  std::string summary, guessed;
};

// `source`: the path of the data, a hint for the guess. E20 if the input takes no pictures.
Pipeline resolve(const Preprocess& wanted, const InputSpec& input, std::string_view source = {});

// [1, C, H, W] or [1, H, W, C] (without the 1 if the input has no batch axis) of pipeline.dtype.
Tensor apply(const Pipeline& pipeline, Image image);

}  // namespace tersor::calib
