#include "quant/search/fewest.h"

#include <algorithm>
#include <map>

namespace tersor::quant {
namespace {

class Search {
 public:
  explicit Search(const Measure& measure) : measure_(measure) {}

  // False once the search is at its end.
  bool holds(std::vector<size_t> left) {
    std::ranges::sort(left);
    auto it = known_.find(left);
    if (it == known_.end()) {
      const auto outcome = stopped_ ? std::nullopt : measure_(left);
      if (!outcome) {
        stopped_ = true;
        return false;
      }
      it = known_.emplace(left, *outcome).first;
      if (!best_ || better(*it)) best_ = Fewest{left, *outcome};
    }
    return it->second.holds;
  }

  // The shortest beginning of an order that holds and is shorter than the best so far.
  void shorten(const std::vector<size_t>& order) {
    const auto beginning_holds = [&](size_t length) {
      return holds({order.begin(), order.begin() + static_cast<std::ptrdiff_t>(length)});
    };
    const size_t most = best_ && best_->outcome.holds ? best_->left.size() - 1 : order.size();
    size_t fails = 0, works = std::min<size_t>(1, most);
    while (!stopped_ && !beginning_holds(works)) {
      fails = works;
      if (works == most) return;
      works = std::min(2 * works, most);
    }
    while (!stopped_ && works - fails > 1) {
      const size_t middle = fails + (works - fails) / 2;
      (beginning_holds(middle) ? works : fails) = middle;
    }
  }

  void give_back(const std::vector<size_t>& order) {
    if (!best_ || !best_->outcome.holds) return;
    std::vector<size_t> left = best_->left;
    for (size_t i = order.size(); i-- > 0 && !stopped_;) {
      std::vector<size_t> fewer = left;
      if (std::erase(fewer, order[i]) > 0 && holds(fewer)) left = std::move(fewer);
    }
  }

  bool stopped() const { return stopped_; }
  const std::optional<Fewest>& best() const { return best_; }

 private:
  bool better(const std::pair<const std::vector<size_t>, Outcome>& found) const {
    const auto& [left, outcome] = found;
    if (outcome.holds != best_->outcome.holds) return outcome.holds;
    if (!outcome.holds || left.size() == best_->left.size())
      return outcome.loss < best_->outcome.loss;
    return left.size() < best_->left.size();
  }

  const Measure& measure_;
  std::map<std::vector<size_t>, Outcome> known_;
  std::optional<Fewest> best_;
  bool stopped_ = false;
};

}  // namespace

std::optional<Fewest> fewest_in_float(const std::function<Orders()>& orders,
                                      const Measure& measure) {
  Search search(measure);
  if (search.holds({}) || search.stopped()) return search.best();
  const Orders all = orders();
  for (const auto& order : all) search.shorten(order);
  if (!all.empty()) search.give_back(all[0]);
  return search.best();
}

}  // namespace tersor::quant
