// The integers that stand best for real numbers under a quadratic error:
//
//   minimize (u - q)^T H (u - q),   q integers within bounds
//
// With H = R^T R, R upper triangular, the error is the sum over k of (sum over i >= k of R[k][i] *
// (u - q)[i])^2, so that from the last number on each can make up for what those behind it were
// rounded by: the nearest plane of Babai [1986, "On Lovasz' lattice reduction and the nearest
// lattice point problem"], which is what GPTQ computes [Frantar et al. 2022, "GPTQ: Accurate
// Post-Training Quantization for Generative Pre-trained Transformers"]. Then single numbers move to
// other integers as long as that lowers the error: the objective of AdaRound [Nagel et al. 2020,
// "Up or Down? Adaptive Rounding for Post-Training Quantization"] by coordinate descent.
//
// All in float32 sums of a fixed order: the same bits on every machine and for any number of
// threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/pool.h"

namespace tersor::quant {

// What the integers may be.
struct Bounds {
  int low = -128, high = 127;
  // Of those in a ring, k, ring[k], ring[ring[k]] ..., the positive ones add up to at most `sum`,
  // the negative ones to at least -sum; 0: no such bound. Of one that is alone there is none.
  int sum = 0;
  std::span<const int64_t> ring = {};

  struct Range {
    int low, high;
  };
  Range of(std::span<const int8_t> q, size_t k) const;
};

// Integers that shall stand for u: codes of one filter at one scale.
struct Candidate {
  std::vector<float> u;
  std::vector<int8_t> q;
  double error = 0;  // (u - q)^T H (u - q)
};

class Lattice {
 public:
  // h: [n][n], symmetric, positive semidefinite. To its diagonal comes a share of the mean of the
  // diagonal, so that directions never seen do not count for nothing.
  Lattice(std::vector<float> h, size_t n, double damping, runtime::ThreadPool* pool = nullptr);

  // Each candidate's q and error: the nearest integers within bounds, or the nearest plane.
  void round(std::span<Candidate> candidates, const Bounds& bounds) const;
  void feed_back(std::span<Candidate> candidates, const Bounds& bounds) const;
  // Lowers the error of scale * q for w from where q is, in at most `passes` passes over all
  // numbers. hw = H w; hq = H q, and stays that.
  void descend(float scale, std::span<const float> hw, std::span<float> hq, std::span<int8_t> q,
               const Bounds& bounds, int passes) const;
  // H x of each vector.
  std::vector<std::vector<float>> times(std::span<const std::vector<float>> vectors) const;

 private:
  void factorize(runtime::ThreadPool* pool);

  size_t n_;
  std::vector<float> h_;       // in the order of the caller
  std::vector<float> factor_;  // R, rows in the order of order_
  std::vector<size_t> order_;  // the largest diagonal last: it is rounded first
};

}  // namespace tersor::quant
