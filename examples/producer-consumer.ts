// Producers and consumers at one queue: which numbers are prime, asked by some processes
// and answered by others. Each consumer ends at a sentinel.
//
//   node out/examples/producer-consumer.js [up to]
import { cpuCount, Process, Queue } from 'truefork';

const UP_TO = Number(process.argv[2] ?? 200_000);
const CHUNK = 5000;
const PRODUCERS = 2;
const CONSUMERS = Math.max(2, cpuCount());

interface Range {
  from: number;
  to: number;
}

/** A value that nobody can take for a range. */
const END = null;

// At most so many ranges wait: the producers are no faster than the consumers.
const ranges = new Queue<Range | typeof END>(100);
const counts = new Queue<{ consumer: string; primes: number }>();

function isPrime(number: number): boolean {
  for (let divisor = 2; divisor * divisor <= number; divisor++) {
    if (number % divisor === 0) return false;
  }
  return number > 1;
}

/** Every second chunk, the third, and so on. */
async function produce(index: number): Promise<void> {
  for (let from = index * CHUNK; from < UP_TO; from += PRODUCERS * CHUNK) {
    await ranges.put({ from, to: Math.min(from + CHUNK, UP_TO) });
  }
}

async function consume(consumer: string): Promise<void> {
  let primes = 0;
  for await (const range of ranges) {
    if (range === END) break;
    for (let number = range.from; number < range.to; number++) if (isPrime(number)) primes++;
  }
  await counts.put({ consumer, primes });
}

function start(name: string, target: () => unknown): Process {
  const child = new Process({ name, target });
  child.start();
  return child;
}

const producers = Array.from({ length: PRODUCERS }, (_, i) =>
  start(`producer ${i}`, () => produce(i)),
);
const consumers = Array.from({ length: CONSUMERS }, (_, i) =>
  start(`consumer ${i}`, () => consume(`consumer ${i}`)),
);

for (const producer of producers) await producer.join();
for (let i = 0; i < CONSUMERS; i++) await ranges.put(END);

let total = 0;
for (let i = 0; i < CONSUMERS; i++) {
  const { consumer, primes } = await counts.get();
  console.error(`${consumer} has found ${primes}`);
  total += primes;
}
for (const consumer of consumers) await consumer.join();
console.log(`${total} primes below ${UP_TO}`);
