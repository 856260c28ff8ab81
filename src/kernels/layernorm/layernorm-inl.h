// The loops of layernorm, for the compiler to vectorize. No include guard.
#include "kernels/elementwise/math-inl.h"
#include "kernels/loops/lanes-inl.h"

struct Sum {
  template <typename V>
  [[gnu::always_inline]] inline V operator()(V a, V b) const noexcept {
    return a + b;
  }
};

using Lanes16 = Lanes<float, 16>;

// Of a row. Without a mean, x - 0 is x.
struct Moments {
  float mean = 0.0f, inverse = 0.0f;
};

// Steps of fold_all_to_16 over a row x. Its sum:
struct Adds {
  const float* x;
  template <typename V>
  [[gnu::always_inline]] inline V operator()(V lanes, int64_t i) const noexcept {
    return lanes + load_as<V>(x + i);
  }
};
// ... of the squares around the mean;
struct AddsSquares {
  const float* x;
  float mean;
  template <typename V>
  [[gnu::always_inline]] inline V operator()(V lanes, int64_t i) const noexcept {
    const V d = load_as<V>(x + i) - mean;
    return fused(d, d, lanes);
  }
};
// ... y = (x - mean) * inverse * gamma + beta, nothing to fold;
template <bool kScales, bool kShifts>
struct Writes {
  const float *x, *gamma, *beta;
  float* y;
  Moments m;
  template <typename V>
  [[gnu::always_inline]] inline V operator()(V lanes, int64_t i) const noexcept {
    V v = (load_as<V>(x + i) - m.mean) * m.inverse;
    if constexpr (kScales) v *= load_as<V>(gamma + i);
    if constexpr (kShifts) v += load_as<V>(beta + i);
    store_as(y + i, v);
    return lanes;
  }
};
// ... and its lines of the cache.
struct Fetches {
  const float* x;
  template <typename V>
  [[gnu::always_inline]] inline V operator()(V lanes, int64_t i) const noexcept {
    if ((i & 15) == 0) __builtin_prefetch(x + i);
    return lanes;
  }
};

template <typename... Steps>
[[gnu::always_inline]] inline void pass(int64_t n, Lanes16* results, Steps... steps) noexcept {
  fold_all_to_16(n, 0.0f, Sum{}, results, steps...);
}

// With registers for what three steps need one pass sums a row, squares that two above it and
// writes that four above it. Five rows are to stay in L1.
constexpr int64_t kMostFused = 1600;
// Bytes of x and y that the second level of the cache may hold: there arithmetic bounds the sums of
// squares, fetching the sums. Beyond it memory bounds all, and fetches ahead by itself.
constexpr int64_t kNear = 1 << 20;

template <bool kCentres, bool kScales, bool kShifts>
struct Rows {
  const Call& call;
  int64_t rows, n;
  static constexpr int64_t kRing = 8;
  Moments ring[kRing] = {};

  [[gnu::always_inline]] inline Moments& of(int64_t r) noexcept { return ring[r & (kRing - 1)]; }
  [[gnu::always_inline]] inline Adds adds(int64_t r) const noexcept { return {call.x + r * n}; }
  [[gnu::always_inline]] inline AddsSquares squares(int64_t r) noexcept {
    return {call.x + r * n, of(r).mean};
  }
  [[gnu::always_inline]] inline Writes<kScales, kShifts> writes(int64_t r) noexcept {
    return {call.x + r * n, call.gamma, call.beta, call.y + r * n, of(r)};
  }
  [[gnu::always_inline]] inline void find_mean(int64_t r, const Lanes16& sums) noexcept {
    of(r).mean = fold16(sums, Sum{}) / static_cast<float>(n);
  }
  [[gnu::always_inline]] inline void find_inverse(int64_t r, const Lanes16& sums) noexcept {
    Moments& m = of(r);
    m.inverse = 1.0f / __builtin_sqrtf(fold16(sums, Sum{}) / static_cast<float>(n) + call.epsilon);
    if (call.mean) call.mean[r] = m.mean;
    if (call.inverse) call.inverse[r] = m.inverse;
  }

  [[gnu::always_inline]] inline bool near() const noexcept {
    return rows * n * static_cast<int64_t>(2 * sizeof(float)) <= kNear;
  }

  // Step by step: the end of the squares has the next row's sum beside it.
  void one_by_one() noexcept {
    Lanes16 sums[2];
    for (int64_t r = kCentres ? -1 : 0; r < rows; ++r) {
      const bool more = kCentres && r + 1 < rows;
      if (r >= 0) {
        pass(n, sums, squares(r), Fetches{call.x + (near() && more ? r + 1 : r) * n});
        find_inverse(r, sums[0]);
      }
      if (more) {
        pass(n, sums, adds(r + 1));
        find_mean(r + 1, sums[0]);
      }
      if (r >= 0) pass(n, sums, writes(r));
    }
  }
  // What a pass has summed is folded after the next one: all steps of that, which wait for each
  // other, then have begun before, and no store waits for them.
  void fused() noexcept {
    Lanes16 sums[2][3];
    const auto fold = [&](int64_t r) __attribute__((always_inline)) {
      const Lanes16* s = sums[r & 1];
      if (r >= 0 && r < rows) find_inverse(r, s[0]);
      if (r + 2 < rows) find_mean(r + 2, s[1]);
    };
    for (int64_t r = -2; r < rows + 2; ++r) {
      Lanes16* s = sums[r & 1];
      if (r >= 2 && r + 2 < rows) {
        pass(n, s, squares(r), adds(r + 2), writes(r - 2));
      } else {
        if (r >= 0 && r < rows) pass(n, s, squares(r));
        if (r + 2 < rows) pass(n, s + 1, adds(r + 2));
        if (r >= 2) pass(n, s + 2, writes(r - 2));
      }
      if (r > -2) fold(r - 1);
    }
  }
};

template <bool kCentres, bool kScales, bool kShifts>
void normalize(const Call& call, int64_t rows, int64_t n) noexcept {
  Rows<kCentres, kScales, kShifts> all{call, rows, n};
  if constexpr (kCentres && kVectorBytes == 64)
    if (n <= kMostFused && all.near()) return all.fused();
  all.one_by_one();
}

template <bool kCentres>
void normalize(const Call& call, int64_t rows, int64_t n) noexcept {
  const bool shifts = kCentres && call.beta;
  if (call.gamma && shifts) return normalize<kCentres, true, kCentres>(call, rows, n);
  if (call.gamma) return normalize<kCentres, true, false>(call, rows, n);
  if (shifts) return normalize<kCentres, false, kCentres>(call, rows, n);
  normalize<kCentres, false, false>(call, rows, n);
}

constexpr Table make_table(base::Isa isa) noexcept {
  return {isa, normalize<true>, normalize<false>};
}
