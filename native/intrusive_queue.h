// libuv's queues: rings of nodes inside the things that are queued. The types
// are in its public header, the operations are not.
#pragma once

#include <uv.h>

namespace truefork {

inline void MakeEmpty(uv__queue* head) { head->next = head->prev = head; }

inline bool IsEmpty(const uv__queue* head) { return head->next == head; }

inline void Unlink(uv__queue* node) {
  node->prev->next = node->next;
  node->next->prev = node->prev;
  MakeEmpty(node);
}

}  // namespace truefork
