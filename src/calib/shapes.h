// Which array fits which input: private to the room.
#pragma once

#include <optional>
#include <string>

#include "calib/preprocess.h"

namespace tersor::calib {

// "[N,3,224,224]", as messages write shapes.
std::string shape_text(const InputSpec& input);
std::string shape_text(const Dims& dims);

// Equal numbers, from axis `from` of the input on; dims[0] stands for axis `from`.
bool fits(const Dims& dims, const ir::Shape& shape, size_t from = 0);
// A dimension that is free and not named like a length or a number of steps: samples can be put
// together along it.
bool is_batch(const ir::Dim& dim);

// How an array holds samples of an input.
struct Split {
  int64_t samples = 1;
  bool along_axis_0 = false;  // each slice of axis 0 is a sample; otherwise the whole is one
  bool keep_axis = true;      // a slice keeps a first axis of size 1
};
Split split_samples(const Dims& dims, const InputSpec& input);

// The tensor as a sample of the input: a batch axis added where it lacks, the type converted. E20,
// with the number of the item (from 1) and its file, if it does not fit. `repeat_gray`: one channel
// serves where three are needed.
Tensor fit(Tensor tensor, const InputSpec& input, int64_t number, const std::string& source,
           bool repeat_gray);

}  // namespace tersor::calib
