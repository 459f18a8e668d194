#include "sync/robust_list.h"

#include <pthread.h>

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace truefork {

namespace {

#if defined(__linux__)

// nullptr if there is none yet, or if the call is refused.
RobustHead* RegisteredHead() {
  RobustHead* head = nullptr;
  size_t size = 0;
  syscall(SYS_get_robust_list, 0, &head, &size);
  return head;
}

class RobustMutex {
 public:
  RobustMutex() {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    is_locked_ = pthread_mutex_init(&mutex_, &attributes) == 0 &&
                 pthread_mutex_lock(&mutex_) == 0;
    pthread_mutexattr_destroy(&attributes);
  }
  ~RobustMutex() {
    if (!is_locked_) return;
    pthread_mutex_unlock(&mutex_);
    pthread_mutex_destroy(&mutex_);
  }
  RobustMutex(const RobustMutex&) = delete;
  RobustMutex& operator=(const RobustMutex&) = delete;

#if defined(__GLIBC__)
  // It is the first link of the list, and points back to the head.
  RobustHead* FindHead() {
    if (!is_locked_) return nullptr;
    const auto& link = mutex_.__data.__list;
    auto* head = reinterpret_cast<RobustHead*>(link.__prev);
    const auto offset = reinterpret_cast<const char*>(&mutex_.__data.__lock) -
                        reinterpret_cast<const char*>(&link.__next);
    const bool is_head =
        head->first == &link.__next && head->word_offset == offset;
    return is_head ? head : nullptr;
  }
#else
  RobustHead* FindHead() { return nullptr; }
#endif

 private:
  pthread_mutex_t mutex_;
  bool is_locked_ = false;
};

// For a kernel or a sandbox without robust futexes: nobody looks at the list.
RobustHead* UnregisteredHead() {
  static thread_local RobustHead head{&head, -32, nullptr};
  return &head;
}

RobustHead* HeadOfThisThread() {
  RobustHead* head = RegisteredHead();
  if (head != nullptr) return head;
  // musl registers the list of a thread with its first robust mutex.
  RobustMutex mutex;
  head = RegisteredHead();
  if (head != nullptr) return head;
  head = mutex.FindHead();
  const bool is_registered =
      head != nullptr && syscall(SYS_set_robust_list, head, sizeof *head) == 0;
  return is_registered ? head : UnregisteredHead();
}

bool IsRefused(const RobustHead* head) { return head == UnregisteredHead(); }

#else

// A kernel without robust futexes: nobody looks at the list.
RobustHead* HeadOfThisThread() {
  static thread_local RobustHead head{&head, -32, nullptr};
  return &head;
}

bool IsRefused(const RobustHead* /*head*/) { return false; }

#endif

// The lowest bit of a pointer says that the lock inherits priorities, which is
// the C library's business.
RobustLink* LinkAt(void* next) {
  constexpr uintptr_t kInheritsPriority = 1;
  const auto address = reinterpret_cast<uintptr_t>(next) & ~kInheritsPriority;
  // NOLINTNEXTLINE(performance-no-int-to-ptr)
  return reinterpret_cast<RobustLink*>(address - offsetof(RobustLink, next));
}

}  // namespace

RobustList RobustList::OfThisThread() {
  static thread_local RobustHead* head = HeadOfThisThread();
  return RobustList(head);
}

bool RobustList::is_refused() const { return IsRefused(head_); }

void RobustList::Renew() {
  RobustHead* head = OfThisThread().head();
  head->first = head;
  head->pending = nullptr;
}

void RobustList::Add(RobustLink* link) {
  void* first = head_->first;
  link->next = static_cast<RobustLink*>(first);
  link->previous = reinterpret_cast<RobustLink*>(head_);
  // glibc has a word for this in front of the head; musl has not.
  if (first != head_)
    LinkAt(first)->previous = reinterpret_cast<RobustLink*>(&link->next);
  InThisOrder();
  head_->first = &link->next;
}

void RobustList::Remove(RobustLink* link) {
  void* next = link->next;
  void* previous = link->previous;
  if (next != head_)
    LinkAt(next)->previous = static_cast<RobustLink*>(previous);
  // Be it the head or another link: a pointer to the next comes first.
  *static_cast<void**>(previous) = next;
  InThisOrder();
}

void RobustList::RemoveWithin(const void* memory, size_t length) {
  const auto begin = reinterpret_cast<uintptr_t>(memory);
  for (void* next = head_->first; next != head_;) {
    RobustLink* link = LinkAt(next);
    next = link->next;
    const auto address = reinterpret_cast<uintptr_t>(link);
    if (address >= begin && address - begin < length) Remove(link);
  }
}

ptrdiff_t RobustWordOffset() {
  return RobustList::OfThisThread().head()->word_offset;
}

}  // namespace truefork
