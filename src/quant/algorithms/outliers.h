// Values that 8 bits cannot hold: a few of them are so much larger than all others that hardly a
// level is left for these, and to cut the few off would cost as much. They stay in float, and so do
// the operators that read them.
#pragma once

#include "quant/decisions.h"

namespace tersor::quant {

// The largest numbers are the thousandth part of those that are not zero.
constexpr double kOrdinary = 0.999;
// Below this the error of rounding is more than a tenth of the ordinary values; normal numbers are
// stored with more than 35 dB.
constexpr double kHopelessDb = 20;

// Signal to noise of all but the largest numbers in a format of 8 bits, from their histogram; +inf
// if there are too few to tell.
double ordinary_sqnr_db(const stats::TensorStats& seen, const Format& format);

}  // namespace tersor::quant
