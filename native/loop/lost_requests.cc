#include "loop/lost_requests.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/intrusive_queue.h"
#include "base/stack.h"
#include "loop/thread_pool.h"

namespace truefork {

namespace {

unsigned Length(const uv__queue* head) {
  unsigned length = 0;
  for (const uv__queue* node = head->next; node != head; node = node->next)
    length++;
  return length;
}

// Reads memory that need not be there: the kernel says EFAULT where reading
// would be a crash.
class CarefulReader {
 public:
  CarefulReader() { is_open_ = pipe(ends_) == 0; }
  ~CarefulReader() {
    if (!is_open_) return;
    for (const int end : ends_) close(end);
  }
  CarefulReader(const CarefulReader&) = delete;
  CarefulReader& operator=(const CarefulReader&) = delete;

  template <typename Type>
  bool Read(uintptr_t address, Type* value) {
    constexpr ssize_t kSize = sizeof(Type);
    return is_open_ &&
           write(ends_[1], reinterpret_cast<void*>(address), kSize) == kSize &&
           read(ends_[0], value, kSize) == kSize;
  }

 private:
  int ends_[2];
  bool is_open_;
};

// libuv takes what has been finished from its queue to one on the stack, and
// calls back for each: a fork in such a callback finds the others there.
class BatchOnStack {
 public:
  explicit BatchOnStack(uv_loop_t* loop) : loop_(loop) {}

  unsigned CountWrites() {
    unsigned count = 0;
    ForEach(&BatchOnStack::IsFinishedWrite,
            [&](uv__queue* head) { count += Length(head); });
    return count;
  }

  // Visits each of the jobs.
  template <typename Visit>
  void ForEachJob(Visit visit) {
    ForEach(&BatchOnStack::IsFinishedJob, [&](uv__queue* head) {
      for (uv__queue* node = head->next; node != head; node = node->next)
        visit(node);
    });
  }

  void DropJobs() { ForEach(&BatchOnStack::IsFinishedJob, MakeEmpty); }
  void DropWrites() { ForEach(&BatchOnStack::IsFinishedWrite, MakeEmpty); }

 private:
  using Test = bool (BatchOnStack::*)(uintptr_t node);

  // Visits the heads of those queues whose first node passes the test.
  template <typename Visit>
  void ForEach(Test test, Visit visit) {
    const StackRange stack = WordsOfStack();
    for (uintptr_t word = stack.low; word + sizeof(uv__queue) <= stack.high;
         word += sizeof(word)) {
      auto* head = reinterpret_cast<uv__queue*>(word);
      if (IsHead(head, test)) visit(head);
    }
  }

  static bool MayBePointer(const uv__queue* pointer) {
    constexpr uintptr_t kFirstPages = 0x10000;
    const auto address = reinterpret_cast<uintptr_t>(pointer);
    return address >= kFirstPages && address % alignof(uv__queue) == 0;
  }

  bool IsHead(const uv__queue* head, Test test) {
    if (!MayBePointer(head->next) || !MayBePointer(head->prev)) return false;
    if (head->next == head) return false;
    uv__queue first{};
    const auto node = reinterpret_cast<uintptr_t>(head->next);
    return reader_.Read(node, &first) && first.prev == head &&
           (this->*test)(node);
  }

  bool IsFinishedJob(uintptr_t node) {
    uv__work job{};
    return reader_.Read(node - offsetof(uv__work, wq), &job) &&
           job.loop == loop_ && job.done != nullptr;
  }

  bool IsFinishedWrite(uintptr_t node) {
    uv_write_t request{};
    uv_stream_t stream{};
    return reader_.Read(node - offsetof(uv_write_t, queue), &request) &&
           request.type == UV_WRITE &&
           reader_.Read(reinterpret_cast<uintptr_t>(request.handle), &stream) &&
           stream.loop == loop_;
  }

  uv_loop_t* loop_;
  CarefulReader reader_;
};

// Looks for requests to open a file among jobs, which may be anything.
class OpenedFiles {
 public:
  explicit OpenedFiles(const std::string& path) : path_(path) {}

  void Look(uv__queue* job) {
    constexpr size_t kDistance =
        offsetof(uv_fs_t, work_req) + offsetof(uv__work, wq);
    uv_fs_t request{};
    const bool is_right =
        reader_.Read(reinterpret_cast<uintptr_t>(job) - kDistance, &request) &&
        request.type == UV_FS && request.fs_type == UV_FS_OPEN &&
        (request.flags & O_ACCMODE) != O_RDONLY && request.result >= 0 &&
        IsPath(reinterpret_cast<uintptr_t>(request.path));
    if (is_right) found_.push_back(static_cast<int>(request.result));
  }

  [[nodiscard]] const std::vector<int>& found() const { return found_; }

 private:
  bool IsPath(uintptr_t address) {
    const char* expected = path_.c_str();
    for (size_t i = 0; i <= path_.size(); i++) {
      char character = 0;
      if (!reader_.Read(address + i, &character) || character != expected[i])
        return false;
    }
    return true;
  }

  const std::string& path_;
  CarefulReader reader_;
  std::vector<int> found_;
};

unsigned RequestsOf(const uv_stream_t* stream) {
  return (stream->connect_req != nullptr ? 1 : 0) +
         (stream->shutdown_req != nullptr ? 1 : 0) +
         Length(&stream->write_queue) + Length(&stream->write_completed_queue);
}

unsigned RequestsOf(const uv_udp_t* socket) {
  return Length(&socket->write_queue) + Length(&socket->write_completed_queue);
}

void AddRequests(uv_handle_t* handle, void* argument) {
  auto* count = static_cast<unsigned*>(argument);
  switch (handle->type) {
    case UV_TCP:
    case UV_NAMED_PIPE:
    case UV_TTY:
      *count += RequestsOf(reinterpret_cast<uv_stream_t*>(handle));
      break;
    case UV_UDP:
      *count += RequestsOf(reinterpret_cast<uv_udp_t*>(handle));
      break;
    default:
      break;
  }
}

}  // namespace

std::vector<int> FinishedOpens(uv_loop_t* loop, const std::string& path) {
  OpenedFiles files(path);
  BatchOnStack(loop).ForEachJob([&](uv__queue* job) { files.Look(job); });
  const PausedThreadPool paused(loop);
  for (uv__queue* job = loop->wq.next; job != &loop->wq; job = job->next)
    files.Look(job);
  return files.found();
}

void DropFinishedJobs(uv_loop_t* loop) {
  MakeEmpty(&loop->wq);
  if (loop->active_reqs.count > 0) BatchOnStack(loop).DropJobs();
}

void DropFinishedWrites(uv_loop_t* loop) {
  if (loop->active_reqs.count > 0) BatchOnStack(loop).DropWrites();
}

void ForgetLostRequests(uv_loop_t* loop) {
  unsigned& count = loop->active_reqs.count;
  unsigned living = 0;
  if (count > 0) uv_walk(loop, AddRequests, &living);
  if (living < count) living += BatchOnStack(loop).CountWrites();
  count = std::min(count, living);
}

}  // namespace truefork
