// A hundred processes count one number of a manager down to zero, under a lock.
//
//   countdown.ts [processes]
import { Manager, Process } from 'truefork';

const count = Number(process.argv[2] ?? 100);

using manager = Manager();
const lock = manager.Lock();
const shared = manager.dict({ count });

function decrement(): Promise<number> {
  return lock.with(() => (shared.count -= 1));
}

const processes = Array.from({ length: count }, () => new Process({ target: decrement }));
for (const each of processes) each.start();
for (const each of processes) await each.join();

console.log(`${count} processes, and the count is ${shared.count}`);
