// Node builds V8 so that it marks its heap MADV_DONTFORK: a forked child would
// fault at its first instruction of JavaScript. Before a fork the marks have to
// go. (They only make child_process.spawn cheaper.)
//
// It relies on /proc/self/maps: guarded by test/failures/surroundings; every
// test needs it.
#pragma once

namespace truefork {

// Makes every page of this process inheritable. Call it when no other thread
// maps V8 pages any more. Returns 0 or -errno.
int MakeHeapInheritable();

}  // namespace truefork
