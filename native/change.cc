#include "change.h"

namespace truefork {

Outcome AwaitChange(std::vector<Watched> watched, const Patience& patience) {
  constexpr size_t kBell = 1;
  const size_t count = watched.size();
  RobustList list = RobustList::OfThisThread();
  if (count > kBell) list.BeginAt(watched[kBell].word);
  watched.emplace_back();  // room for the patience's
  if (!patience.IsCancelled()) patience.SleepOn(watched.data(), count);
  for (size_t i = 0; i < count && !patience.IsAbandoned(); i++) {
    const auto [word, expected] = watched[i];
    if (word->load() != expected) Wake(word, 1);
  }
  list.End();
  return patience.IsCancelled() ? Outcome::kCancelled : Outcome::kDone;
}

}  // namespace truefork
