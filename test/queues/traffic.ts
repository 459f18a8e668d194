// Producers and consumers at one queue, some of which are killed all the time; and a
// count of what came through.
import assert from 'node:assert/strict';
import { type Process, Queue } from 'truefork';
import { mmap } from 'truefork/posix';
import { until } from '../support/observe.js';
import { started } from '../synchronize/support.js';

export interface Traffic {
  producers: number;
  consumers: number;
  /** Of each producer. */
  items: number;
  /** In bytes. Items have up to three times that. */
  size: number;
  maxsize: number;
  /** Whom to kill, how often in milliseconds, and until when; nothing more is put then. */
  kill?: {
    producers: boolean;
    consumers: boolean;
    every: number;
    isOver: (kills: number) => boolean;
  };
}

export interface Outcome {
  put: number;
  /** That were put and nobody got. */
  lost: number;
  kills: number;
}

const PRODUCER = 0;
const NUMBER = 4;
const HEAD = 8;

/** A number below `limit` that depends on nothing but the arguments. */
function pseudoRandom(producer: number, number: number, limit: number): number {
  let x = Math.imul(number + 1, 0x9e3779b1) ^ Math.imul(producer + 1, 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 15), 0x2c1b3c6d);
  return ((x ^ (x >>> 12)) >>> 0) % limit;
}

function makeItem(producer: number, number: number, size: number): Buffer {
  const length = HEAD + pseudoRandom(producer, number, 3 * size);
  const item = Buffer.alloc(length, (producer * 7 + number) & 0xff);
  item.writeUInt32LE(producer, PRODUCER);
  item.writeUInt32LE(number, NUMBER);
  return item;
}

function checkItem(item: Buffer, size: number): [producer: number, number: number] {
  const producer = item.readUInt32LE(PRODUCER);
  const number = item.readUInt32LE(NUMBER);
  assert.ok(item.equals(makeItem(producer, number, size)), `torn: ${producer}, ${number}`);
  return [producer, number];
}

export async function runTraffic(traffic: Traffic): Promise<Outcome> {
  const { producers, consumers, items, size, maxsize, kill } = traffic;
  const queue = new Queue<Buffer | null>(maxsize, { size });
  // By producer: how many it has put, or may have; and how often each was got.
  const begun = new Int32Array(mmap(producers * 4));
  const got = new Uint8Array(mmap(producers * items));
  const isOver = new Int32Array(mmap(4));

  async function produce(producer: number): Promise<void> {
    // Where one was killed the item may have been put: it is not put again.
    while (begun[producer]! < items && isOver[0] === 0) {
      const number = Atomics.add(begun, producer, 1);
      const item = makeItem(producer, number, size);
      if (number % 3 === 0) await queue.put(item);
      else queue.putSync(item);
    }
  }

  async function consume(consumer: number): Promise<void> {
    const last = Array.from({ length: producers }, () => -1);
    for (let turn = consumer; ; turn++) {
      const item = turn % 3 === 0 ? await queue.get() : queue.getSync();
      if (item === null) return;
      const [producer, number] = checkItem(item, size);
      assert.ok(number > last[producer]!, `${producer}: ${number} after ${last[producer]}`);
      last[producer] = number;
      const times = Atomics.add(got, producer * items + number, 1);
      assert.equal(times, 0, `doubled: ${producer}, ${number}`);
    }
  }

  const startProducer = (i: number): Process => started(() => produce(i));
  const startConsumer = (i: number): Process => started(() => consume(i));
  const producing = Array.from({ length: producers }, (_, i) => startProducer(i));
  const consuming = Array.from({ length: consumers }, (_, i) => startConsumer(i));
  let kills = 0;

  async function killOne(group: Process[], restart: (i: number) => Process): Promise<void> {
    const i = Math.floor(Math.random() * group.length);
    const victim = group[i]!;
    victim.kill();
    const exitcode = await victim.join();
    assert.ok(exitcode === -9 || exitcode === 0, `ended with ${exitcode}`);
    if (exitcode === -9) kills++;
    group[i] = restart(i);
  }

  const isDone = (): boolean => producing.every((process) => !process.isAlive());
  if (kill !== undefined) {
    while (begun.some((count) => count < items) && !kill.isOver(kills)) {
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 2 * kill.every));
      const isProducers = kill.producers && (!kill.consumers || Math.random() < 0.5);
      if (isProducers) await killOne(producing, startProducer);
      else await killOne(consuming, startConsumer);
    }
    Atomics.store(isOver, 0, 1);
  }
  await until(isDone);
  for (const producer of producing) assert.equal(await producer.join(), 0);
  for (let i = 0; i < consumers; i++) await queue.put(null);
  for (const consumer of consuming) assert.equal(await consumer.join(20_000), 0);
  assert.equal(queue.empty(), true);
  assert.equal(queue.qsize(), 0);
  let put = 0;
  let lost = 0;
  for (let producer = 0; producer < producers; producer++) {
    put += begun[producer]!;
    for (let i = 0; i < begun[producer]!; i++) if (got[producer * items + i] === 0) lost++;
  }
  return { put, lost, kills };
}
