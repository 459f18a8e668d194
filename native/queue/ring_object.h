// A Ring as JavaScript has it.
#pragma once

#include <napi.h>

#include <memory>

#include "memory/shareable_memory.h"
#include "queue/backlog.h"
#include "queue/ring.h"
#include "queue/tasks.h"

namespace truefork {

// new Ring(), then map() or attach().
class RingObject : public Napi::ObjectWrap<RingObject> {
 public:
  static void Register(Napi::Env env, Napi::Object exports);
  // For a waiter thread: keeps the memory mapped, and the records.
  static std::shared_ptr<RingBlock> BlockOf(const Napi::Value& ring);
  static std::shared_ptr<Backlog> BacklogOf(const Napi::Value& ring);
  // Where those are counted that this process has taken; nullptr: nowhere.
  static Word* CounterOf(const Napi::Value& ring);

  explicit RingObject(const Napi::CallbackInfo& info);
  ~RingObject() override;

 private:
  Napi::Value Map(const Napi::CallbackInfo& info);
  Napi::Value Attach(const Napi::CallbackInfo& info);
  Napi::Value Descriptor(const Napi::CallbackInfo& info);
  Napi::Value Most(const Napi::CallbackInfo& info);
  Napi::Value Put(const Napi::CallbackInfo& info);
  Napi::Value PutFor(const Napi::CallbackInfo& info, const Record& record);
  Napi::Value PutScratch(const Napi::CallbackInfo& info);
  Napi::Value Take(const Napi::CallbackInfo& info);
  Napi::Value TakenRecord(const Napi::CallbackInfo& info);
  Napi::Value PutBack(const Napi::CallbackInfo& info);
  // Of what waits for room.
  Napi::Value AddToBacklog(const Napi::CallbackInfo& info);
  Napi::Value Withdraw(const Napi::CallbackInfo& info);
  Napi::Value CountBacklog(const Napi::CallbackInfo& info);
  Napi::Value AwaitBacklog(const Napi::CallbackInfo& info);
  Napi::Value SettleBacklog(const Napi::CallbackInfo& info);
  // In a forked child, where nobody feeds what its parent has.
  Napi::Value ForgetBacklog(const Napi::CallbackInfo& info);
  Napi::Value Count(const Napi::CallbackInfo& info);
  // Of tasks.
  Napi::Value CountTasks(const Napi::CallbackInfo& info);
  Napi::Value SetTaskDone(const Napi::CallbackInfo& info);
  Napi::Value JoinTasks(const Napi::CallbackInfo& info);
  Napi::Value WriteOffTasks(const Napi::CallbackInfo& info);
  Napi::Value IsEmpty(const Napi::CallbackInfo& info);

  [[nodiscard]] Ring ring(double grace_ms = 0) const {
    return Ring(block_.get(), grace_ms);
  }
  [[nodiscard]] Tasks tasks() const { return Tasks(block_.get()); }
  void Keep(ShareableMemory memory, RingBlock* block);
  void TakeSlot();
  Word* Counter();

  std::shared_ptr<ShareableMemory> memory_;
  // Keeps the memory, too.
  std::shared_ptr<RingBlock> block_;
  std::shared_ptr<Backlog> backlog_ = std::make_shared<Backlog>();
  // A record that take() has taken and that was too long for the scratch.
  Destination taken_;
  bool are_tasks_ = false;
  int slot_ = Tasks::kNoSlot;
  int32_t slot_owner_ = 0;
};

// A record that was taken, head and bytes, as a Buffer.
Napi::Value BufferOf(Napi::Env env, Destination* taken);

}  // namespace truefork
