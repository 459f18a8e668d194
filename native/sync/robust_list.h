// The robust futexes of a thread: a list, kept by the thread and known to the
// kernel, of the locks that it holds. When the thread ends, be it by SIGKILL,
// the kernel marks each of them (FUTEX_OWNER_DIED) and wakes one that waits.
//
// The C library registers the list for its own robust mutexes and keeps it in
// the thread's descriptor. Ours are links of the same list, laid out as its own
// are: a pointer to the next link, one to the previous link in front of it, and
// the word of the lock at a distance that is the same for all of them.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace truefork {

// In shared memory, and used by the thread that holds the lock only.
struct RobustLink {
  RobustLink* previous;
  RobustLink* next;  // links point here
};

// The head of the list, as the kernel reads it.
struct RobustHead {
  void* first;
  long word_offset;  // NOLINT(google-runtime-int): the kernel's type
  void* pending;
};

class RobustList {
 public:
  static RobustList OfThisThread();

  // For the only thread of a forked child: it holds nothing. glibc sees to that
  // itself; musl does neither empty the list nor tell the kernel of it.
  static void Renew();

  // Between these two the lock may be held and not be in the list, or be in the
  // list and not be held. The kernel looks at the lock's word to find out, and
  // if it is free wakes another that waits: this one may have been woken for
  // it.
  void Begin(RobustLink* link) {
    head_->pending = &link->next;
    InThisOrder();
  }
  // The same for a bell, a word that is always zero, before a change that
  // others wait for: they sleep on it, too. If this thread is killed before it
  // has woken them, the kernel wakes one.
  void BeginAt(void* word) {
    head_->pending = static_cast<char*>(word) - head_->word_offset;
    InThisOrder();
  }
  void End() {
    InThisOrder();
    head_->pending = nullptr;
  }

  void Add(RobustLink* link);
  void Remove(RobustLink* link);
  // Takes out all links that lie in this memory, which is about to be unmapped:
  // the kernel, and whoever changes the list, would follow them there.
  void RemoveWithin(const void* memory, size_t length);

  [[nodiscard]] RobustHead* head() const { return head_; }
  // Whether the kernel could know of the list, and something keeps it from it.
  [[nodiscard]] bool is_refused() const;

 private:
  explicit RobustList(RobustHead* head) : head_(head) {}

  // The thread can be killed between any two of its instructions.
  static void InThisOrder() {
    std::atomic_signal_fence(std::memory_order_seq_cst);
  }

  RobustHead* head_;
};

// A change of the lock with this link, by the calling thread: from here to the
// end of the object. See Begin().
class RobustChange {
 public:
  explicit RobustChange(RobustLink* link) : list_(RobustList::OfThisThread()) {
    list_.Begin(link);
  }
  ~RobustChange() { list_.End(); }
  RobustChange(const RobustChange&) = delete;
  RobustChange& operator=(const RobustChange&) = delete;

  RobustList* operator->() { return &list_; }

 private:
  RobustList list_;
};

// How far a lock's word is from the address of its link's `next`.
ptrdiff_t RobustWordOffset();

}  // namespace truefork
