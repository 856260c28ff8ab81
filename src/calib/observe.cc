#include "calib/observe.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <new>
#include <vector>

namespace tersor::calib {
namespace {

constexpr int64_t kChunk = 1 << 17;  // values that a thread takes at a time

// values[outer][channels][inner] of one sample.
struct Shape {
  int64_t outer = 1, channels = 1, inner = 1;
};

Shape shape_of(const Dims& dims, size_t from, size_t axis) {
  Shape s{1, dims[axis], 1};
  for (size_t d = from; d < dims.size(); ++d)
    if (d != axis) (d < axis ? s.outer : s.inner) *= dims[d];
  return s;
}

}  // namespace

void observe(const engine::TapView& view, const Watch& watch, stats::TensorStats& stats) {
  const int64_t rows = watch.rows;
  // The order of the elements does not matter; only other types need a copy.
  const bool plain = view.tensor.dtype() == DType::kFloat32 && !view.quant;
  const Tensor real = plain ? view.tensor : view.to_rows();
  const Dims& dims = real.dims();
  const bool apart = rows > 1 && !dims.empty() && dims[0] == rows;
  const int64_t count = apart ? std::min(rows, watch.samples) : 1;
  const int64_t size = apart ? real.count() / rows : real.count();
  if (size == 0) {
    stats.add(std::span<const float>());
    return;
  }

  const bool means = watch.axis != 0 && dims.size() >= 2;
  const bool last = watch.axis < 0 || (plain && view.layout == runtime::Layout::kChannelsLast);
  const Shape shape =
      means ? shape_of(dims, apart ? 1 : 0, last ? dims.size() - 1 : 1) : Shape{1, 1, size};
  // Chunks are the same whatever the threads: whole pixels, or all of a sample that has its
  // channels outside.
  int64_t chunk = kChunk;
  if (means)
    chunk =
        shape.inner == 1 ? std::max<int64_t>(kChunk / shape.channels, 1) * shape.channels : size;
  const int64_t chunks = (size + chunk - 1) / chunk;

  std::vector<stats::MinMax> extents(static_cast<size_t>(count));
  std::mutex mutex;
  std::atomic<bool> full = false;
  const auto look_at = [&](int64_t begin, int64_t end) {
    stats::Look look(static_cast<size_t>((end - begin) * std::min(chunk, size)), watch.histogram);
    stats::ChannelMeans channels;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t sample = i / chunks, from = i % chunks * chunk;
      const int64_t length = std::min(chunk, size - from);
      const auto values = real.data<float>().subspan(static_cast<size_t>(sample * size + from),
                                                     static_cast<size_t>(length));
      const bool columns = means && shape.inner == 1;
      const stats::MinMax extremes =
          columns ? look.add(values, shape.channels, channels) : look.add(values);
      if (means && !columns) channels.add(values, shape.outer, shape.channels, shape.inner);
      const std::lock_guard lock(mutex);
      extents[static_cast<size_t>(sample)].merge(extremes);
    }
    const stats::Histogram histogram = look.take_histogram();
    const std::lock_guard lock(mutex);
    stats.histogram.merge(histogram);
    stats.channels.merge(channels);
  };
  view.pool.parallel_for(count * chunks, 1, [&](int64_t begin, int64_t end, int) {
    try {
      look_at(begin, end);
    } catch (const std::bad_alloc&) {
      full = true;
    }
  });
  if (full) throw std::bad_alloc();
  for (const stats::MinMax& extent : extents) {
    stats.range.merge(extent);
    stats.extremes.add(extent);
  }
}

}  // namespace tersor::calib
