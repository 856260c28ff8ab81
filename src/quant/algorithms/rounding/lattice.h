// The numbers of a grid that stand best for real numbers under a quadratic error:
//
//   minimize (u - q)^T H (u - q),   q on the grid
//
// A grid says of each number what it may be: integers within bounds, for codes at a scale; or the
// numbers of a 16-bit float, whose steps grow with the number.
//
// With H = R^T R, R upper triangular, the error is the sum over k of (sum over i >= k of R[k][i] *
// (u - q)[i])^2, so that from the last number on each can make up for what those behind it were
// rounded by: the nearest plane of Babai [1986, "On Lovasz' lattice reduction and the nearest
// lattice point problem"], which is what GPTQ computes [Frantar et al. 2022, "GPTQ: Accurate
// Post-Training Quantization for Generative Pre-trained Transformers"]. Then single numbers move to
// others of the grid as long as that lowers the error: the objective of AdaRound [Nagel et al.
// 2020, "Up or Down? Adaptive Rounding for Post-Training Quantization"] by coordinate descent.
//
// All in float32 sums of a fixed order: the same bits on every machine and for any number of
// threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/pool.h"
#include "tensor/dtype.h"

namespace tersor::quant {

class Grid {
 public:
  virtual ~Grid() = default;
  // The number nearest to `wish` that q[k] may be, given the others.
  virtual float nearest(std::span<const float> q, size_t k, float wish) const = 0;
};

// Integers.
struct Bounds {
  int low = -128, high = 127;
  // Of those in a ring, k, ring[k], ring[ring[k]] ..., the positive ones add up to at most `sum`,
  // the negative ones to at least -sum; 0: no such bound. Of one that is alone there is none.
  int sum = 0;
  std::span<const int64_t> ring = {};
};
class IntegerGrid final : public Grid {
 public:
  explicit IntegerGrid(const Bounds& bounds) : bounds_(bounds) {}
  float nearest(std::span<const float> q, size_t k, float wish) const override;

 private:
  Bounds bounds_;
};

// The finite numbers of float16 or bfloat16.
class HalfGrid final : public Grid {
 public:
  explicit HalfGrid(DType half);
  float nearest(std::span<const float> q, size_t k, float wish) const override;

 private:
  float (*round_)(float);
  float largest_;
};

// Numbers that shall stand for u.
struct Candidate {
  std::vector<float> u, q = {};
  double error = 0;  // (u - q)^T H (u - q)
};

class Lattice {
 public:
  // h: [n][n], symmetric, positive semidefinite. To its diagonal comes a share of the mean of the
  // diagonal, so that directions never seen do not count for nothing. `steps`: squared, of the grid
  // where they differ from number to number, up to a common factor. What costs most when it is
  // rounded by a step goes first in feed_back().
  Lattice(std::vector<float> h, size_t n, double damping, runtime::ThreadPool* pool = nullptr,
          std::span<const float> steps = {});

  // Each candidate's q and error: the nearest numbers, or the nearest plane.
  void round(std::span<Candidate> candidates, const Grid& grid) const;
  void feed_back(std::span<Candidate> candidates, const Grid& grid) const;
  // Lowers the error of scale * q for w from where q is, in at most `passes` passes over all
  // numbers. hw = H w; hq = H q, and stays that. Only hw / scale - hq counts: where q is so close
  // to w that the difference is lost, pass H (w - q) and zeros.
  void descend(float scale, std::span<const float> hw, std::span<float> hq, std::span<float> q,
               const Grid& grid, int passes) const;
  // H x of each vector.
  std::vector<std::vector<float>> times(std::span<const std::vector<float>> vectors) const;

 private:
  void factorize(runtime::ThreadPool* pool);

  size_t n_;
  std::vector<float> h_;       // in the order of the caller
  std::vector<float> factor_;  // R, rows in the order of order_
  std::vector<size_t> order_;  // what costs most last: it is rounded first
};

}  // namespace tersor::quant
