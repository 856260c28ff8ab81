// Broadcasting at run time: the output as rows, along each of which every operand either advances
// by one element or stands still.
#pragma once

#include <array>
#include <span>

#include "base/checked.h"
#include "ops/detail/walk.h"
#include "runtime/pool.h"

namespace tersor::ops::detail {

template <size_t N>
class Rows {
 public:
  // `operands` broadcast to `out`. Neighbouring axes that behave alike are merged.
  Rows(std::span<const int64_t> out, const std::array<std::span<const int64_t>, N>& operands) {
    std::array<Dims, N> strides;
    for (size_t k = 0; k < N; ++k) strides[k] = broadcast_strides(operands[k], out);
    std::array<int64_t, N> inner{};
    for (size_t i = out.size(); i-- > 0;) {
      if (out[i] == 1) continue;
      bool merge = !dims_.empty();
      for (size_t k = 0; merge && k < N; ++k) merge = strides[k][i] == inner[k] * dims_.back();
      if (merge) {
        dims_.back() *= out[i];
        continue;
      }
      dims_.push_back(out[i]);
      for (size_t k = 0; k < N; ++k) {
        strides_[k].push_back(strides[k][i]);
        inner[k] = strides[k][i];
      }
    }
    if (dims_.empty()) {
      dims_ = {1};
      for (auto& s : strides_) s = {0};
    }
    count_ = base::element_count(out);
  }

  int64_t count() const { return count_; }
  int64_t length() const { return dims_[0]; }
  // Whether operand k advances along a row (else it stands still).
  bool advances(size_t k) const { return strides_[k][0] != 0; }

  // Calls f(out_offset, offsets, n) for rows or pieces of rows, spread over the pool.
  template <typename F>
  void run(runtime::ThreadPool& pool, F&& f) const {
    if (count_ == 0) return;
    constexpr int64_t kPiece = 16384;
    const int64_t rows = count_ / dims_[0];
    if (rows == 1) {
      pool.parallel_for(dims_[0], kPiece, [&](int64_t begin, int64_t end, int) {
        std::array<int64_t, N> at;
        for (size_t k = 0; k < N; ++k) at[k] = begin * strides_[k][0];
        f(begin, at, end - begin);
      });
      return;
    }
    const int64_t grain = dims_[0] >= kPiece ? 1 : kPiece / dims_[0];
    pool.parallel_for(rows, grain, [&](int64_t begin, int64_t end, int) {
      std::array<int64_t, N> at{};
      std::array<int64_t, 64> index{};
      int64_t rest = begin;
      for (size_t d = 1; d < dims_.size(); ++d) {
        index[d] = rest % dims_[d];
        rest /= dims_[d];
        for (size_t k = 0; k < N; ++k) at[k] += index[d] * strides_[k][d];
      }
      for (int64_t r = begin; r < end; ++r) {
        f(r * dims_[0], at, dims_[0]);
        for (size_t d = 1; d < dims_.size(); ++d) {
          for (size_t k = 0; k < N; ++k) at[k] += strides_[k][d];
          if (++index[d] < dims_[d]) break;
          for (size_t k = 0; k < N; ++k) at[k] -= strides_[k][d] * dims_[d];
          index[d] = 0;
        }
      }
    });
  }

 private:
  Dims dims_;  // innermost first
  std::array<Dims, N> strides_;
  int64_t count_ = 0;
};

}  // namespace tersor::ops::detail
