#include "queue/ring_object.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "base/elements.h"
#include "base/result.h"

namespace truefork {

namespace {

// For records that are short: to make a Buffer takes longer than to copy them.
constexpr size_t kScratchSize = size_t{16} * 1024;

alignas(Mark::kUnit) thread_local uint8_t scratch[kScratchSize];

// The results of take() that are not the size of a record in the scratch.
constexpr int kTakenElsewhere = 1;
constexpr int kLater = 2;

double Milliseconds(const Napi::Value& value) {
  return value.As<Napi::Number>().DoubleValue();
}

WaitLimit LimitFor(double timeout_ms) {
  return {Deadline::In(timeout_ms), nullptr};
}

// A negative timeout is that of a thread that must not wait for others.
double GraceAfter(double timeout_ms) {
  return timeout_ms < 0 ? kBriefCopyMs : std::max(0.0, kCopyMs - timeout_ms);
}

Napi::Value Code(Napi::Env env, Outcome outcome) {
  return Napi::Number::New(env, static_cast<int32_t>(outcome));
}

// (kind, bytes, …)
Record RecordOf(const Napi::CallbackInfo& info) {
  const Bytes bytes = BytesOf(info[1]);
  return {static_cast<uint8_t>(Int(info, 0)), bytes.data(), bytes.size()};
}

Napi::Value Scratch(const Napi::CallbackInfo& info) {
  return Napi::ArrayBuffer::New(info.Env(), scratch, kScratchSize);
}

}  // namespace

void RingObject::Register(Napi::Env env, Napi::Object exports) {
  exports["Ring"] = DefineClass(
      env, "Ring",
      {
          InstanceMethod<&RingObject::Map>("map"),
          InstanceMethod<&RingObject::Attach>("attach"),
          InstanceMethod<&RingObject::Descriptor>("descriptor"),
          InstanceMethod<&RingObject::Most>("most"),
          InstanceMethod<&RingObject::Put>("put"),
          InstanceMethod<&RingObject::PutScratch>("putScratch"),
          InstanceMethod<&RingObject::Take>("take"),
          InstanceMethod<&RingObject::TakenRecord>("takenRecord"),
          InstanceMethod<&RingObject::PutBack>("putBack"),
          InstanceMethod<&RingObject::AddToBacklog>("addToBacklog"),
          InstanceMethod<&RingObject::Withdraw>("withdraw"),
          InstanceMethod<&RingObject::CountBacklog>("countBacklog"),
          InstanceMethod<&RingObject::AwaitBacklog>("awaitBacklog"),
          InstanceMethod<&RingObject::SettleBacklog>("settleBacklog"),
          InstanceMethod<&RingObject::ForgetBacklog>("forgetBacklog"),
          InstanceMethod<&RingObject::Count>("count"),
          InstanceMethod<&RingObject::CountTasks>("countTasks"),
          InstanceMethod<&RingObject::SetTaskDone>("setTaskDone"),
          InstanceMethod<&RingObject::JoinTasks>("joinTasks"),
          InstanceMethod<&RingObject::WriteOffTasks>("writeOffTasks"),
          InstanceMethod<&RingObject::IsEmpty>("isEmpty"),
      });
  exports["ringScratch"] = Napi::Function::New<Scratch>(env);
}

RingObject::RingObject(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<RingObject>(info) {}

std::shared_ptr<RingBlock> RingObject::BlockOf(const Napi::Value& ring) {
  return Unwrap(ring.As<Napi::Object>())->block_;
}

std::shared_ptr<Backlog> RingObject::BacklogOf(const Napi::Value& ring) {
  return Unwrap(ring.As<Napi::Object>())->backlog_;
}

Word* RingObject::CounterOf(const Napi::Value& ring) {
  return Unwrap(ring.As<Napi::Object>())->Counter();
}

// Tasks that this process has taken and not done are lost: nobody can say any
// more that they are done.
RingObject::~RingObject() {
  if (slot_owner_ == LockerId() && slot_ != Tasks::kNoSlot)
    tasks().LeaveSlot(slot_);
}

// A child does not have the slot of its parent.
void RingObject::TakeSlot() {
  if (slot_owner_ == LockerId()) return;
  slot_ = tasks().TakeSlot();
  slot_owner_ = LockerId();
}

Word* RingObject::Counter() {
  if (!are_tasks_) return nullptr;
  TakeSlot();
  return slot_ == Tasks::kNoSlot ? nullptr : tasks().taken(slot_);
}

void RingObject::Keep(ShareableMemory memory, RingBlock* block) {
  memory_ = std::make_shared<ShareableMemory>(std::move(memory));
  block_ = std::shared_ptr<RingBlock>(memory_, block);
}

// map(size, most records): 0 or a negative errno
Napi::Value RingObject::Map(const Napi::CallbackInfo& info) {
  const auto size =
      static_cast<size_t>(info[0].As<Napi::Number>().Int64Value());
  ShareableMemory memory;
  if (!MapNew(Ring::LengthFor(size), &memory)) return Result(info.Env(), -1);
  const auto most = info[1].As<Napi::Number>().Uint32Value();
  RingBlock* block = Ring::Make(memory.address(), size, most);
  Keep(std::move(memory), block);
  return Result(info.Env(), 0);
}

// attach(descriptor): 0 or a negative errno. Takes the descriptor in any case.
Napi::Value RingObject::Attach(const Napi::CallbackInfo& info) {
  const int fd = Int(info, 0);
  ShareableMemory memory;
  if (!MapReceived(fd, &memory)) {
    const Napi::Value failure = Result(info.Env(), -1);
    close(fd);
    return failure;
  }
  RingBlock* block = Ring::Find(memory.address(), memory.length());
  if (block == nullptr) return Napi::Number::New(info.Env(), -EINVAL);
  Keep(std::move(memory), block);
  return Napi::Number::New(info.Env(), 0);
}

// descriptor(): of the memory, or a negative errno: it has none, and why
Napi::Value RingObject::Descriptor(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), memory_->descriptor());
}

Napi::Value RingObject::Most(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), ring().most());
}

// (…, milliseconds): an outcome
Napi::Value RingObject::PutFor(const Napi::CallbackInfo& info,
                               const Record& record) {
  const double timeout_ms = Milliseconds(info[2]);
  return Code(info.Env(),
              ring(GraceAfter(timeout_ms)).Put(record, LimitFor(timeout_ms)));
}

// put(kind, bytes, milliseconds): an outcome
Napi::Value RingObject::Put(const Napi::CallbackInfo& info) {
  return PutFor(info, RecordOf(info));
}

// putScratch(kind, length, milliseconds)
Napi::Value RingObject::PutScratch(const Napi::CallbackInfo& info) {
  const Record record{static_cast<uint8_t>(Int(info, 0)),
                      scratch + sizeof(RecordHead),
                      static_cast<size_t>(Int(info, 1))};
  return PutFor(info, record);
}

// take(milliseconds): the size of the record in the scratch, 0 after the
// timeout, kTakenElsewhere, kLater, or a negative errno
Napi::Value RingObject::Take(const Napi::CallbackInfo& info) {
  auto taken = Destination(scratch, kScratchSize);
  taken.CountIn(Counter());
  const double timeout_ms = Milliseconds(info[0]);
  const Outcome outcome =
      ring(GraceAfter(timeout_ms)).Take(&taken, LimitFor(timeout_ms));
  if (outcome == kNoMemory) return Napi::Number::New(info.Env(), -ENOMEM);
  if (outcome == kBusy) return Napi::Number::New(info.Env(), kLater);
  if (outcome != Outcome::kDone) return Napi::Number::New(info.Env(), 0);
  if (taken.size() <= kScratchSize)
    return Napi::Number::New(info.Env(), static_cast<double>(taken.size()));
  taken_ = std::move(taken);
  return Napi::Number::New(info.Env(), kTakenElsewhere);
}

Napi::Value RingObject::TakenRecord(const Napi::CallbackInfo& info) {
  return BufferOf(info.Env(), &taken_);
}

// putBack(kind, bytes): whether there was room
Napi::Value RingObject::PutBack(const Napi::CallbackInfo& info) {
  const bool is_back = ring().PutBack(RecordOf(info));
  Word* counter = Counter();
  if (is_back && counter != nullptr) counter->fetch_sub(1);
  return Napi::Boolean::New(info.Env(), is_back);
}

// addToBacklog(kind, bytes): whether a waiter thread feeds it
Napi::Value RingObject::AddToBacklog(const Napi::CallbackInfo& info) {
  TakeSlot();
  if (slot_ != Tasks::kNoSlot) backlog_->ShowIn(tasks().to_put(slot_));
  return Napi::Boolean::New(info.Env(), backlog_->Add(RecordOf(info)));
}

Napi::Value RingObject::Withdraw(const Napi::CallbackInfo& info) {
  backlog_->Withdraw();
  return info.Env().Undefined();
}

Napi::Value RingObject::CountBacklog(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), backlog_->count());
}

// awaitBacklog(milliseconds): false after the timeout
Napi::Value RingObject::AwaitBacklog(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(
      info.Env(), backlog_->AwaitEnd(LimitFor(Milliseconds(info[0])).until));
}

// A ring that is empty and a backlog that is not: either it has been put and
// taken, and the waiter thread has yet to count that, which is a matter of a
// deadline; or another is putting, and the backlog is to come.
Napi::Value RingObject::SettleBacklog(const Napi::CallbackInfo& info) {
  const Deadline end = Deadline::In(kCopyMs);
  while (ring().is_empty() && !ring().IsAnotherPutting(backlog_->feeder()) &&
         !backlog_->AwaitEnd(Deadline::In(1)) && !end.IsOver()) {
  }
  return info.Env().Undefined();
}

Napi::Value RingObject::ForgetBacklog(const Napi::CallbackInfo& info) {
  // The thread that does not exist may have been changing it: it stays as it
  // is.
  static_cast<void>(new std::shared_ptr<Backlog>(backlog_));
  backlog_ = std::make_shared<Backlog>();
  return info.Env().Undefined();
}

// Records that processes have yet to put count, too.
Napi::Value RingObject::Count(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), ring().count() + tasks().to_put());
}

// From here on what is taken is counted until it is done.
Napi::Value RingObject::CountTasks(const Napi::CallbackInfo& info) {
  are_tasks_ = true;
  return info.Env().Undefined();
}

// setTaskDone(): whether there was one
Napi::Value RingObject::SetTaskDone(const Napi::CallbackInfo& info) {
  TakeSlot();
  return Napi::Boolean::New(info.Env(), tasks().SetDone(slot_));
}

// joinTasks(milliseconds): an outcome
Napi::Value RingObject::JoinTasks(const Napi::CallbackInfo& info) {
  return Code(info.Env(), tasks().AwaitEnd(LimitFor(Milliseconds(info[0]))));
}

// writeOffTasks(): how many are lost
Napi::Value RingObject::WriteOffTasks(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), tasks().WriteOff());
}

Napi::Value RingObject::IsEmpty(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), ring().is_empty());
}

Napi::Value BufferOf(Napi::Env env, Destination* taken) {
  // Not a Buffer over the memory itself: Node gives such memory back in the
  // next turn of the event loop only, which one that blocks does not come to.
  uint8_t* memory = taken->TakeMemory();
  const Napi::Value buffer =
      Napi::Buffer<uint8_t>::Copy(env, memory, taken->size());
  free(memory);
  return buffer;
}

}  // namespace truefork
