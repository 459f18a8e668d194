#include "sync/change.h"

#include <climits>

namespace truefork {

Outcome AwaitChange(std::vector<Watched> watched, const WaitLimit& limit) {
  constexpr size_t kBell = 1;
  const size_t count = watched.size();
  RobustList list = RobustList::OfThisThread();
  if (count > kBell) list.BeginAt(watched[kBell].word);
  watched.emplace_back();  // room for the limit's
  const bool has_changed =
      !limit.IsCancelled() && limit.SleepOn(watched.data(), count);
  for (size_t i = 0; i < count && !has_changed; i++) {
    const auto [word, expected] = watched[i];
    if (limit.IsAbandoned()) break;
    if (word->load() != expected) Wake(word, INT_MAX);
  }
  list.End();
  return limit.IsCancelled() ? Outcome::kCancelled : Outcome::kDone;
}

}  // namespace truefork
