// Runs a Plan. Const to its users: several threads may call run() on one session.
#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "engine/plan.h"

namespace tersor::engine {

struct SessionOptions {
  int threads = 1;        // 0: one per core
  size_t max_memory = 0;  // bytes of activations; 0: 4 x weights and inputs, at least 1 GiB
};

// A value kept for observation: its elements in memory order and how they lie.
struct TapView {
  const std::string& name;
  const Tensor& tensor;  // physical dimensions
  runtime::Layout layout;
  const std::optional<QuantParams>& quant;
  runtime::ThreadPool& pool;  // idle meanwhile
  // As float32 in ONNX order.
  Tensor to_rows() const;
};
using Tap = std::function<void(const TapView&)>;
// Called after each step with its index in Plan::info and its duration.
using Trace = std::function<void(int info, double seconds)>;

class Session {
 public:
  explicit Session(std::shared_ptr<const Plan> plan, const SessionOptions& options = {});
  // Compiles the model on the threads that will run it.
  Session(const ir::Model& model, const CompileOptions& compile_options,
          const SessionOptions& options);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const Plan& plan() const noexcept { return *plan_; }
  // inputs in the order of plan().inputs; checked against the declared types (E26 names input and
  // shape). A batch whose samples are independent runs in pieces, each by one thread, unless
  // somebody looks on.
  std::vector<Tensor> run(std::span<const Tensor> inputs, const Tap& tap = {},
                          const Trace& trace = {}) const;
  size_t peak_bytes() const;  // largest activation memory of any run so far
  size_t held_bytes() const;  // that runs keep for the next ones
  void trim() const;          // gives them back to the system
  // For work between runs.
  runtime::ThreadPool& pool() const noexcept { return *pool_; }

 private:
  struct State;
  std::vector<Tensor> run_whole(std::span<const Tensor> inputs, const Tap& tap,
                                const Trace& trace) const;
  std::vector<Tensor> run_pieces(std::span<const Tensor> inputs, int64_t count) const;
  int64_t pieces(std::span<const Tensor> inputs) const;
  SessionOptions options_;
  std::unique_ptr<runtime::ThreadPool> pool_;
  std::shared_ptr<const Plan> plan_;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<State>> idle_;
  mutable size_t peak_ = 0;
};

// Runs the steps of a plan on given values; used by Session and by the bodies of If, Loop and Scan.
runtime::Status execute(const Plan& plan, std::span<const Tensor> inputs,
                        std::span<const Tensor> captures, std::vector<Tensor>& outputs,
                        runtime::Arena& arena, runtime::ThreadPool& pool, const Tap& tap,
                        const Trace& trace);

}  // namespace tersor::engine
