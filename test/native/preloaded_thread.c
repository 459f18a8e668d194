/* A library to preload: starts a thread before Node starts any. As PRELOADED
 * says that sleeps, spins, or waits for events; or it is Node's own that do not
 * sleep. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char* preloaded;

static int Is(const char* what) {
  return preloaded != NULL && strcmp(preloaded, what) == 0;
}

static void* Live(void* nothing) {
  const int events = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event;
  for (;;) {
    if (Is("sleeps")) pause();
    if (Is("waits")) syscall(SYS_epoll_pwait, events, &event, 1, -1, NULL, 0);
  }
  return nothing;
}

/* The calls that libuv waits with. */
__attribute__((visibility("default"))) int epoll_pwait(
    int fd, struct epoll_event* events, int most, int timeout,
    const sigset_t* mask) {
  const int spins = Is("restless") && syscall(SYS_gettid) != getpid();
  int count = 0;
  do {
    count = (int)syscall(SYS_epoll_pwait, fd, events, most, spins ? 0 : timeout,
                         mask, _NSIG / 8);
  } while (spins && count == 0 && timeout != 0);
  return count;
}

__attribute__((constructor)) static void Start(void) {
  pthread_t thread;
  preloaded = getenv("PRELOADED");
  if (preloaded != NULL && !Is("restless"))
    pthread_create(&thread, NULL, Live, NULL);
}
