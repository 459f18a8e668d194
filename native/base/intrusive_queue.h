// libuv's queues: rings of nodes inside the things that are queued. The types
// are in its public header, the operations are not.
#pragma once

#include <uv.h>

namespace truefork {

inline void MakeEmpty(uv__queue* head) { head->next = head->prev = head; }

inline void Unlink(uv__queue* node) {
  node->prev->next = node->next;
  node->next->prev = node->prev;
  MakeEmpty(node);
}

inline void Append(uv__queue* head, uv__queue* node) {
  node->next = head;
  node->prev = head->prev;
  head->prev->next = node;
  head->prev = node;
}

}  // namespace truefork
