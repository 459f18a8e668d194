{
  "target_defaults": {
    "include_dirs": [
      "native",
      "<!(node -p \"require('node-addon-api').include_dir\")"
    ],
    "defines": [
      "NAPI_VERSION=9",
      "NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS",
      "NODE_ADDON_API_DISABLE_DEPRECATED"
    ],
    "cflags": ["-Wall", "-Wextra", "-Werror", "-fvisibility=hidden"],
    "cflags_cc!": ["-std=gnu++17", "-std=gnu++20"],
    "cflags_cc": ["-std=c++20", "-fvisibility-inlines-hidden"],
    "conditions": [
      ["OS=='linux'", {
        # A child would look up each symbol anew, at the cost of a page or two.
        "ldflags": ["-Wl,-z,now"],
        # glibc before 2.34 has shm_open() there.
        "libraries": ["-lrt"]
      }],
      ["OS=='mac'", {
        "xcode_settings": {
          "CLANG_CXX_LANGUAGE_STANDARD": "c++20",
          "GCC_SYMBOLS_PRIVATE_EXTERN": "YES",
          "GCC_ENABLE_CPP_EXCEPTIONS": "NO",
          "MACOSX_DEPLOYMENT_TARGET": "11.0",
          "WARNING_CFLAGS": ["-Wall", "-Wextra", "-Werror"]
        }
      }]
    ]
  },
  "targets": [
    {
      "target_name": "truefork",
      "sources": [
        "native/loop/abandon.cc",
        "native/addon.cc",
        "native/waiter/waiter_thread_object.cc",
        "native/waiter/waiter_thread.cc",
        "native/io/ancillary.cc",
        "native/posix/attributes.cc",
        "native/queue/backlog.cc",
        "native/sync/change.cc",
        "native/fork/collector_lock.cc",
        "native/base/deadline.cc",
        "native/io/descriptors.cc",
        "native/loop/file_watchers.cc",
        "native/node/foreground_tasks.cc",
        "native/fork/fork.cc",
        "native/fork/fork_functions.cc",
        "native/io/frames.cc",
        "native/base/futex.cc",
        "native/fork/heap_pages.cc",
        "native/loop/inherited_handles.cc",
        "native/loop/kept_handles.cc",
        "native/fork/leave.cc",
        "native/io/look_up.cc",
        "native/loop/loop_end.cc",
        "native/loop/loop_fork.cc",
        "native/loop/loop_functions.cc",
        "native/loop/lost_requests.cc",
        "native/node/node_functions.cc",
        "native/node/node_internals.cc",
        "native/io/poll_set.cc",
        "native/io/poll_until.cc",
        "native/io/poller.cc",
        "native/node/precompile.cc",
        "native/queue/ring.cc",
        "native/queue/ring_object.cc",
        "native/queue/ring_put.cc",
        "native/queue/ring_space.cc",
        "native/queue/ring_take.cc",
        "native/sync/robust_list.cc",
        "native/posix/semaphores.cc",
        "native/memory/shareable_memory.cc",
        "native/sync/shared_lock.cc",
        "native/memory/shared_memory.cc",
        "native/sync/shared_semaphore.cc",
        "native/io/fd_broker.cc",
        "native/fork/signals.cc",
        "native/fork/sleeping_threads.cc",
        "native/io/socket_address.cc",
        "native/io/sockets.cc",
        "native/posix/spawn.cc",
        "native/base/stack.cc",
        "native/sync/synchronize.cc",
        "native/queue/tasks.cc",
        "native/node/terminated.cc",
        "native/loop/thread_pool.cc",
        "native/fork/v8_workers.cc",
        "native/fork/vanished_stacks.cc",
        "native/fork/fork_gate.cc",
        "native/node/virtual_table.cc",
        "native/node/vm_timeout.cc",
        "native/posix/wait.cc",
        "native/loop/watchers.cc"
      ]
    },
    {
      "target_name": "bare_fork",
      "sources": ["bench/native/bare_fork.cc"]
    }
  ],
  "conditions": [
    ["OS=='linux'", {
      "targets": [
        {
          "target_name": "ring_steps",
          "type": "executable",
          "sources": [
            "native/base/deadline.cc",
            "native/base/futex.cc",
            "native/queue/ring.cc",
            "native/queue/ring_put.cc",
            "native/queue/ring_space.cc",
            "native/queue/ring_take.cc",
            "native/sync/robust_list.cc",
            "native/sync/shared_lock.cc",
            "test/native/ring_steps.cc"
          ],
          "libraries": ["-lpthread"]
        },
        {
          "target_name": "preloaded_thread",
          "sources": ["test/native/preloaded_thread.c"],
          "libraries": ["-lpthread"]
        }
      ]
    }]
  ]
}
