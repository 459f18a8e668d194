"""Uses locks and the like in the way that a line names; prints what one operation takes in ns."""
import sys
import time
from multiprocessing import Barrier, Event, Lock, Process, RLock, Semaphore, Value
from multiprocessing.sharedctypes import RawValue

N = 100_000
lock = Lock()
recursive = RLock()
semaphore = Semaphore(1)
value = Value("i", 0)
raw = RawValue("i", 0)


def timed(run, count):
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1e9 / count


def busy(run):
    start = time.process_time()
    run()
    return (time.process_time() - start) * 1e9 / N


def pairs(lock):
    def run():
        for _ in range(N):
            lock.acquire()
            lock.release()

    return lambda: busy(run)


def read():
    guard = value.get_lock()
    for _ in range(N):
        with guard:
            value.value


def increment():
    guard = value.get_lock()
    for _ in range(N):
        with guard:
            value.value += 1


def increment_raw():
    for _ in range(N):
        raw.value += 1


def contended(processes):
    count = N // processes
    gate = Barrier(processes + 1)

    def work():
        gate.wait()
        for _ in range(count):
            lock.acquire()
            raw.value += 1
            lock.release()
        gate.wait()

    children = [Process(target=work) for _ in range(processes)]
    for child in children:
        child.start()
    gate.wait()
    duration = timed(gate.wait, count * processes)
    for child in children:
        child.join()
    return duration


def ping_pong():
    count = 20_000
    ping, pong = Semaphore(0), Semaphore(0)

    def answer():
        for _ in range(count + 1):
            ping.acquire()
            pong.release()

    def once():
        ping.release()
        pong.acquire()

    def run():
        for _ in range(count):
            once()

    child = Process(target=answer)
    child.start()
    once()
    duration = timed(run, count)
    child.join()
    return duration


def latency():
    count = 200
    event, ready = Event(), Semaphore(0)
    woken = RawValue("d")

    def wait():
        for _ in range(count):
            ready.release()
            event.wait()
            woken.value = time.perf_counter()
            event.clear()

    child = Process(target=wait)
    child.start()
    durations = []
    for _ in range(count):
        ready.acquire()
        time.sleep(0.001)
        start = time.perf_counter()
        event.set()
        while event.is_set():
            time.sleep(0)
        durations.append(woken.value - start)
    child.join()
    return sorted(durations)[count // 2] * 1e9


OPERATIONS = {
    "lock": pairs(lock),
    "rlock": pairs(recursive),
    "semaphore": pairs(semaphore),
    "read": lambda: busy(read),
    "increment": lambda: busy(increment),
    "increment raw": lambda: busy(increment_raw),
    "two": lambda: contended(2),
    "eight": lambda: contended(8),
    "ping-pong": ping_pong,
    "latency": latency,
}

for line in sys.stdin:
    print(OPERATIONS[line.strip()](), flush=True)
