#include "queue/backlog.h"

#include <climits>
#include <utility>

namespace truefork {

bool Backlog::Add(const Record& record) {
  Waiting waiting{record.kind, {record.bytes, record.bytes + record.size}};
  const std::lock_guard<std::mutex> guard(lock_);
  records_.push_back(std::move(waiting));
  Count(1);
  return std::exchange(is_fed_, true);
}

void Backlog::Withdraw() {
  const std::lock_guard<std::mutex> guard(lock_);
  records_.pop_back();
  Count(-1);
  is_fed_ = false;
}

Outcome Backlog::Feed(Ring ring, const WaitLimit& limit) {
  feeder_.store(LockerId());
  while (const Waiting* first = First()) {
    const Outcome outcome = ring.Put(
        {first->kind, first->bytes.data(), first->bytes.size()}, limit);
    if (outcome != Outcome::kDone) return outcome;
    DropFirst();
  }
  return Outcome::kDone;
}

bool Backlog::AwaitEnd(const Deadline& until) {
  for (;;) {
    const int32_t count = count_.load();
    if (count == 0) return true;
    if (until.IsOver()) return false;
    const Watched watched{&count_, count};
    Sleep(&watched, 1, until);
  }
}

// It stays where it is, whatever is added.
const Backlog::Waiting* Backlog::First() {
  const std::lock_guard<std::mutex> guard(lock_);
  is_fed_ = !records_.empty();
  return is_fed_ ? &records_.front() : nullptr;
}

void Backlog::DropFirst() {
  const std::lock_guard<std::mutex> guard(lock_);
  records_.pop_front();
  Count(-1);
  Wake(&count_, INT_MAX);
}

void Backlog::Count(int32_t change) {
  count_.fetch_add(change);
  if (shown_ != nullptr) shown_->fetch_add(change);
}

}  // namespace truefork
