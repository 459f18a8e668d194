{
  "target_defaults": {
    "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
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
        "native/abandon.cc",
        "native/addon.cc",
        "native/agent.cc",
        "native/agent_thread.cc",
        "native/ancillary.cc",
        "native/attributes.cc",
        "native/backlog.cc",
        "native/change.cc",
        "native/collector_lock.cc",
        "native/descriptors.cc",
        "native/file_watchers.cc",
        "native/foreground_tasks.cc",
        "native/fork.cc",
        "native/frames.cc",
        "native/futex.cc",
        "native/heap_pages.cc",
        "native/inherited_handles.cc",
        "native/kept_handles.cc",
        "native/leave.cc",
        "native/look_up.cc",
        "native/loop_end.cc",
        "native/loop_fork.cc",
        "native/lost_requests.cc",
        "native/node_internals.cc",
        "native/poll_set.cc",
        "native/poller.cc",
        "native/precompile.cc",
        "native/ring.cc",
        "native/ring_object.cc",
        "native/robust_list.cc",
        "native/semaphores.cc",
        "native/shareable_memory.cc",
        "native/shared_lock.cc",
        "native/shared_memory.cc",
        "native/shared_semaphore.cc",
        "native/sharer.cc",
        "native/signals.cc",
        "native/sleeping_threads.cc",
        "native/socket_address.cc",
        "native/sockets.cc",
        "native/spawn.cc",
        "native/stack.cc",
        "native/synchronize.cc",
        "native/tasks.cc",
        "native/terminated.cc",
        "native/thread_pool.cc",
        "native/v8_workers.cc",
        "native/vanished_stacks.cc",
        "native/verdict.cc",
        "native/virtual_table.cc",
        "native/vm_timeout.cc",
        "native/wait.cc",
        "native/watchers.cc"
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
            "native/futex.cc",
            "native/ring.cc",
            "native/robust_list.cc",
            "native/shared_lock.cc",
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
