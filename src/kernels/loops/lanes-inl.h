// Vectors for loops that the compiler does not vectorize by itself. Included inside the target
// region and the namespace of one ISA, after `kVectorBytes` (16, 32 or 64). No include guard.
//
// A Lanes<T, n> is n elements in as many registers as that takes: n is the same on every ISA, so
// partial results, and with them the bits of a sum, are too.

template <typename T, int kBytes>
struct VectorOf {
  typedef T type __attribute__((vector_size(kBytes), aligned(alignof(T)), may_alias));
};

template <typename T, int kCount>
struct Lanes {
  static constexpr int kBytes = kCount * static_cast<int>(sizeof(T));
  static constexpr int kPart = kBytes < kVectorBytes ? kBytes : kVectorBytes;
  static constexpr int kParts = kBytes / kPart;
  static constexpr int kPartLanes = kPart / static_cast<int>(sizeof(T));
  typedef T Vector __attribute__((vector_size(kPart)));
  using Loose = typename VectorOf<T, kPart>::type;  // unaligned
  Vector v[kParts];

  [[gnu::always_inline]] inline void set(T x) noexcept {
#pragma GCC unroll 16
    for (int i = 0; i < kParts; ++i) v[i] = Vector{} + x;
  }
  [[gnu::always_inline]] inline void load(const T* p) noexcept {
#pragma GCC unroll 16
    for (int i = 0; i < kParts; ++i) v[i] = *reinterpret_cast<const Loose*>(p + i * kPartLanes);
  }
  [[gnu::always_inline]] inline void store(T* p) const noexcept {
#pragma GCC unroll 16
    for (int i = 0; i < kParts; ++i) *reinterpret_cast<Loose*>(p + i * kPartLanes) = v[i];
  }
};

// The 16 partial results of a reduction, combined as a tree: 8 pairs at distance 8, 4, 2, 1.
template <typename T, typename F>
[[gnu::always_inline]] inline T fold16(T* lanes, F f) noexcept {
  for (int step = 8; step > 0; step /= 2)
    for (int i = 0; i < step; ++i) lanes[i] = f(lanes[i], lanes[i + step]);
  return lanes[0];
}

// The same from registers. f takes vectors, too.
template <typename V, typename F>
[[gnu::always_inline]] inline auto fold_vector(V v, F f) noexcept {
  constexpr int kLanes = sizeof(v) / sizeof(v[0]);
  if constexpr (kLanes == 16)
    return fold_vector(f(__builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7),
                         __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15)),
                       f);
  else if constexpr (kLanes == 8)
    return fold_vector(
        f(__builtin_shufflevector(v, v, 0, 1, 2, 3), __builtin_shufflevector(v, v, 4, 5, 6, 7)), f);
  else {
    static_assert(kLanes == 4);
    const V pairs = f(v, __builtin_shufflevector(v, v, 2, 3, 0, 1));
    return f(pairs, __builtin_shufflevector(pairs, pairs, 1, 0, 3, 2))[0];
  }
}
template <typename T, typename F>
[[gnu::always_inline]] inline T fold16(Lanes<T, 16> lanes, F f) noexcept {
#pragma GCC unroll 4
  for (int half = Lanes<T, 16>::kParts / 2; half > 0; half /= 2)
#pragma GCC unroll 4
    for (int i = 0; i < half; ++i) lanes.v[i] = f(lanes.v[i], lanes.v[i + half]);
  return fold_vector(lanes.v[0], f);
}

// Steps over n elements in 16 interleaved lanes: f(accumulators, vector of x) for whole blocks,
// g(accumulator, element) for the rest. `lanes` holds the start and receives the result.
template <typename T, typename F, typename G>
[[gnu::always_inline]] inline void fold_lanes(const T* x, int64_t n, T* lanes, F f, G g) noexcept {
  using L = Lanes<T, 16>;
  int64_t i = 0;
  if (n >= 16) {
    L acc, part;
    acc.load(lanes);
    for (; i + 16 <= n; i += 16) {
      part.load(x + i);
#pragma GCC unroll 16
      for (int p = 0; p < L::kParts; ++p) acc.v[p] = f(acc.v[p], part.v[p]);
    }
    acc.store(lanes);
  }
  for (int j = 0; i < n; ++i, ++j) lanes[j] = g(lanes[j], x[i]);
}

// As many elements from p on as V holds, a vector or one.
template <typename V, typename T>
[[gnu::always_inline]] inline V load_as(const T* p) noexcept {
  if constexpr (sizeof(V) == sizeof(T))
    return *p;
  else
    return *reinterpret_cast<const typename VectorOf<T, sizeof(V)>::type*>(p);
}

template <typename V, typename T>
[[gnu::always_inline]] inline void store_as(T* p, V v) noexcept {
  if constexpr (sizeof(V) == sizeof(T))
    *p = v;
  else
    *reinterpret_cast<typename VectorOf<T, sizeof(V)>::type*>(p) = v;
}

// The same of n elements in 64 lanes as long as there are as many, so that few sums wait for each
// other; all lanes begin with `start`. step(lanes, i) gives the lanes with the elements from i on
// in them, of vectors and scalars; `join` combines two of its results. What fold16 makes of the
// lanes is the result: a chain of its own, best not between two rows. Of several steps each has
// lanes of its own, to `results`, in one pass.
template <typename T, typename J, typename... F>
[[gnu::always_inline]] inline void fold_all_to_16(int64_t n, T start, J join, Lanes<T, 16>* results,
                                                  F... steps) noexcept {
  using Wide = Lanes<T, 64>;
  using Narrow = Lanes<T, 16>;
  constexpr int kParts = Narrow::kParts, kSteps = sizeof...(F);
  Narrow acc[kSteps];
  for (Narrow& a : acc) a.set(start);
  int64_t i = 0;
  if (n >= 64) {
    Wide sums[kSteps];
    for (Wide& s : sums) s.set(start);
    for (; i + 64 <= n; i += 64)
#pragma GCC unroll 16
      for (int p = 0; p < Wide::kParts; ++p) {
        int k = 0;
        ((sums[k].v[p] = steps(sums[k].v[p], i + p * Wide::kPartLanes), ++k), ...);
      }
#pragma GCC unroll 4
    for (int k = 0; k < kSteps; ++k)
#pragma GCC unroll 4
      for (int p = 0; p < kParts; ++p)
        acc[k].v[p] = join(join(sums[k].v[p], sums[k].v[p + kParts]),
                           join(sums[k].v[p + 2 * kParts], sums[k].v[p + 3 * kParts]));
  }
  for (; i + 16 <= n; i += 16)
#pragma GCC unroll 4
    for (int p = 0; p < kParts; ++p) {
      int k = 0;
      ((acc[k].v[p] = steps(acc[k].v[p], i + p * Narrow::kPartLanes), ++k), ...);
    }
  if (i < n) {
    T lanes[kSteps][16];
    for (int k = 0; k < kSteps; ++k) acc[k].store(lanes[k]);
    for (int j = 0; i < n; ++i, ++j) {
      int k = 0;
      ((lanes[k][j] = steps(lanes[k][j], i), ++k), ...);
    }
    for (int k = 0; k < kSteps; ++k) acc[k].load(lanes[k]);
  }
  for (int k = 0; k < kSteps; ++k) results[k] = acc[k];
}
template <typename T, typename F, typename J>
[[gnu::always_inline]] inline Lanes<T, 16> fold_to_16(int64_t n, T start, F step, J join) noexcept {
  Lanes<T, 16> result;
  fold_all_to_16(n, start, join, &result, step);
  return result;
}
