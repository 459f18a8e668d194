"""Passes items through a queue in the way that a line names; prints the seconds it took."""
import sys
import time
from multiprocessing import Event, Process, Queue, SimpleQueue

ITEMS = {
    "8B": b"\1" * 8,
    "64B": b"\1" * 64,
    "1KB": b"\1" * 1024,
    "64KB": b"\1" * 65536,
    "object": {"id": 1, "name": "abc", "ok": True, "list": [1, 2, 3]},
}


def run(go, ready, done, work, queue, item, count):
    ready.put(0)
    go.wait()
    work(queue, item, count)
    done.put(0)


def produce(queue, item, count):
    for _ in range(count):
        queue.put(item)


def consume(queue, item, count):
    for _ in range(count):
        queue.get()


def throughput(name, producers, consumers, item, count, maxsize):
    queue = Queue(maxsize) if name == "Queue" else SimpleQueue()
    go, ready, done = Event(), Queue(), Queue()
    parts = [(produce, count // producers)] * producers
    parts += [(consume, count // consumers)] * consumers
    children = [
        Process(target=run, args=(go, ready, done, work, queue, ITEMS[item], part))
        for work, part in parts
    ]
    for child in children:
        child.start()
    for _ in children:
        ready.get()
    start = time.perf_counter()
    go.set()
    for _ in children:
        done.get()
    seconds = time.perf_counter() - start
    for child in children:
        child.join()
    return seconds


def echo(there, back, count):
    for _ in range(count):
        back.put(there.get())


def latency(count):
    there, back = Queue(), Queue()
    child = Process(target=echo, args=(there, back, count))
    child.start()
    start = time.perf_counter()
    for _ in range(count):
        there.put(ITEMS["64B"])
        back.get()
    seconds = time.perf_counter() - start
    child.join()
    return seconds / count / 2


for line in sys.stdin:
    name, *arguments = line.split()
    if name == "latency":
        print(latency(int(arguments[0])), flush=True)
    else:
        producers, consumers, item, count, maxsize = arguments
        seconds = throughput(name, int(producers), int(consumers), item, int(count), int(maxsize))
        print(seconds, flush=True)
