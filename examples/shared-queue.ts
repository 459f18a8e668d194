// The workers of a pool, and a queue of a manager that all of them put into.   shared-queue
import { Manager, Pool } from 'truefork';

using manager = Manager();
await using pool = new Pool(4);
const queue = manager.Queue();

await pool.map((n) => queue.put([n, n * n]), [1, 2, 3, 4, 5, 6, 7, 8]);

const squares: [number, number][] = [];
while (!queue.empty()) squares.push(queue.getSync() as [number, number]);
for (const [n, square] of squares.toSorted(([a], [b]) => a - b)) {
  console.log(`${n} * ${n} = ${square}`);
}
