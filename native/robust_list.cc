#include "robust_list.h"

#include <pthread.h>

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace truefork {

namespace {

#if defined(__linux__)

RobustHead* RegisteredHead() {
  RobustHead* head = nullptr;
  size_t size = 0;
  syscall(SYS_get_robust_list, 0, &head, &size);
  return head;
}

// musl registers the list of a thread with its first robust mutex.
void UseRobustMutex() {
  pthread_mutex_t mutex;
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(&mutex, &attributes);
  pthread_mutex_lock(&mutex);
  pthread_mutex_unlock(&mutex);
  pthread_mutex_destroy(&mutex);
  pthread_mutexattr_destroy(&attributes);
}

RobustHead* HeadOfThisThread() {
  RobustHead* head = RegisteredHead();
  if (head != nullptr) return head;
  UseRobustMutex();
  return RegisteredHead();
}

#else

// A kernel without robust futexes: nobody looks at the list.
RobustHead* HeadOfThisThread() {
  static thread_local RobustHead head{&head, -32, nullptr};
  return &head;
}

#endif

RobustLink* LinkAt(void* next) {
  return reinterpret_cast<RobustLink*>(static_cast<char*>(next) -
                                       offsetof(RobustLink, next));
}

}  // namespace

RobustList RobustList::OfThisThread() {
  static thread_local RobustHead* head = HeadOfThisThread();
  return RobustList(head);
}

void RobustList::Renew() {
  RobustHead* head = HeadOfThisThread();
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

ptrdiff_t RobustWordOffset() {
  return RobustList::OfThisThread().head()->word_offset;
}

}  // namespace truefork
