// A ring as a whole: how it is made and found, and what it holds.
#include <algorithm>
#include <cstdlib>
#include <utility>

#include "queue/ring_parts.h"

namespace truefork {

using namespace ring;

Destination::~Destination() { free(memory_); }

Destination::Destination(Destination&& other) noexcept
    : memory_(other.TakeMemory()), size_(other.size_) {}

Destination& Destination::operator=(Destination&& other) noexcept {
  free(memory_);
  memory_ = other.TakeMemory();
  size_ = other.size_;
  return *this;
}

uint8_t* Destination::MakeRoom(size_t size) {
  free(memory_);
  memory_ = nullptr;
  size_ = size;
  if (size <= room_) return place_;
  memory_ = static_cast<uint8_t*>(malloc(size));
  return memory_;
}

uint8_t* Destination::TakeMemory() { return std::exchange(memory_, nullptr); }

size_t Ring::LengthFor(size_t size) { return SizeOfBlock() + size; }

RingBlock* Ring::Make(void* memory, size_t size, uint32_t most) {
  auto* block = static_cast<RingBlock*>(memory);
  block->most_units = static_cast<uint32_t>(size / Mark::kUnit);
  block->layout.store({0, std::min(kUsual, block->most_units)});
  block->most = most;
  return block;
}

RingBlock* Ring::Find(void* memory, size_t length) {
  auto* block = static_cast<RingBlock*>(memory);
  if (length < LengthFor(kMinSize)) return nullptr;
  const size_t size = size_t{block->most_units} * Mark::kUnit;
  const bool is_ring = std::has_single_bit(block->most_units) &&
                       size >= kMinSize && size <= kMaxSize &&
                       length == LengthFor(size);
  return is_ring ? block : nullptr;
}

Ring::Ring(RingBlock* block, double grace_ms)
    : block_(block),
      bytes_(reinterpret_cast<uint8_t*>(block) + SizeOfBlock()),
      putting_(&block->putting),
      taking_(&block->taking),
      grace_ms_(grace_ms) {}

uint32_t Ring::count() const {
  constexpr uint32_t kRecords = 0x7fffffff;
  const Mark head = block_->head.load();  // first: it may not overtake the tail
  return (block_->tail.load().records - head.records) & kRecords;
}

bool Ring::is_empty() const {
  const Mark head = block_->head.load();
  return block_->tail.load().position == head.position;
}

}  // namespace truefork
