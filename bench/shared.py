"""Uses shared data in the way that a line names; prints the time of one operation in ns."""
import sys
import time
from multiprocessing import Array, RawArray, RawValue, Value
from multiprocessing.shared_memory import SharedMemory

N = 100_000
LENGTH = 10_000
value = Value("d", 0.5)
unlocked = RawValue("d", 0.5)
array = Array("d", LENGTH)
raw = RawArray("d", LENGTH)


def read(cell):
    for _ in range(N):
        cell.value
    return N


def write(cell):
    for i in range(N):
        cell.value = i
    return N


def increment():
    lock = value.get_lock()
    for _ in range(N):
        with lock:
            value.value += 1
    return N


def index(cells):
    total = 0.0
    for i in range(LENGTH):
        total += cells[i]
    return LENGTH


def total(cells):
    sum(cells)
    return LENGTH


def fill(cells):
    cells[:] = [1.5] * LENGTH
    return LENGTH


def make_value(make):
    for _ in range(500):
        make("d", 0.5)
    return 500


def make_memory():
    for _ in range(200):
        memory = SharedMemory(create=True, size=1 << 20)
        memory.close()
        memory.unlink()
    return 200


OPERATIONS = {
    "read": lambda: read(value),
    "read raw": lambda: read(unlocked),
    "write": lambda: write(value),
    "write raw": lambda: write(unlocked),
    "increment": increment,
    "index": lambda: index(array),
    "index raw": lambda: index(raw),
    "sum": lambda: total(array),
    "sum raw": lambda: total(raw),
    "fill": lambda: fill(array),
    "fill raw": lambda: fill(raw),
    "make": lambda: make_value(Value),
    "make raw": lambda: make_value(RawValue),
    "memory": make_memory,
}

for line in sys.stdin:
    start = time.perf_counter()
    count = OPERATIONS[line.strip()]()
    print((time.perf_counter() - start) * 1e9 / count, flush=True)
