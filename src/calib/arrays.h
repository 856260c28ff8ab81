// NumPy's .npy and .npz files, read without pickle, and written.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "tensor/tensor.h"

namespace tersor::calib {

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

// Any byte order and either element order; E23 for objects, records and malformed files, E03 for
// short ones.
Tensor read_npy(const std::filesystem::path& path);
// In the order of the archive. Central directory only; stored or deflated entries; E60 for one that
// grows more than limits::kZipRatio times.
NamedTensors read_npz(const std::filesystem::path& path);

// Types that NumPy lacks are widened: bfloat16 and 8-bit floats to float32, 4- and 2-bit integers
// to int8 or uint8.
std::string npy_bytes(const Tensor& tensor);
std::string npz_bytes(const NamedTensors& tensors);  // stored, no date: same tensors, same bytes
void write_npy(const std::filesystem::path& path, const Tensor& tensor, bool force);
void write_npz(const std::filesystem::path& path, const NamedTensors& tensors, bool force);

}  // namespace tersor::calib
