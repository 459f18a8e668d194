// Jobs of libuv's thread pool that a child inherits, and whose results only the
// parent gets.
//
// It relies on the layout of uv__work and of libuv's requests: guarded by
// test/fork/child/under-way and file-streams.
#pragma once

#include <uv.h>

#include <string>
#include <vector>

namespace truefork {

// The descriptors of those jobs of the pool that have opened the file `path` to
// write to it, and whose callbacks have not been called.
std::vector<int> FinishedOpens(uv_loop_t* loop, const std::string& path);

// Drops the jobs that the parent's pool has finished and nobody was told of:
// who reads a file in pieces would go on in both processes, at one offset.
void DropFinishedJobs(uv_loop_t* loop);

// Drops those writes that are finished and would be called back.
void DropFinishedWrites(uv_loop_t* loop);

// Makes the loop of a child that goes on with it forget the requests that
// nobody will finish here. They would keep the child alive for ever.
void ForgetLostRequests(uv_loop_t* loop);

}  // namespace truefork
