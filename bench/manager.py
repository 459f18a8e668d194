"""Uses a manager's objects in the way that a line names; prints the time of one operation in µs."""
import sys
import time
from multiprocessing.managers import SyncManager

N = 1000


class Counter:
    def __init__(self):
        self.count = 0

    def increment(self):
        self.count += 1
        return self.count


class CountingManager(SyncManager):
    pass


CountingManager.register("Counter", Counter)

if __name__ == "__main__":
    manager = CountingManager()
    manager.start()
    shared = manager.dict(count=0)
    numbers = manager.list([0, 1, 2])
    lock = manager.Lock()
    queue = manager.Queue()
    counter = manager.Counter()
    kilobyte = bytes(1000)
    records = manager.dict(record=0)
    record = {"id": 1, "name": "somebody", "tags": ["a", "b", "c"], "at": 0.5}

    def add():
        shared["count"] += 1

    def store():
        records["record"] = record
        return records["record"]

    def append():
        numbers.append(1)
        numbers.pop()

    def acquire():
        with lock:
            pass

    def pass_on():
        queue.put(1)
        queue.get()

    operations = {
        "get": lambda: shared["count"],
        "set": lambda: shared.__setitem__("count", 1),
        "add": add,
        "record": store,
        "bytes": lambda: records.__setitem__("record", kilobyte),
        "index": lambda: numbers[1],
        "append": append,
        "lock": acquire,
        "queue": pass_on,
        "method": counter.increment,
        "make": manager.dict,
    }
    for line in sys.stdin:
        operation = operations[line.strip()]
        count = N // 10 if line.strip() == "make" else N
        start = time.perf_counter()
        for _ in range(count):
            operation()
        print((time.perf_counter() - start) * 1e6 / count, flush=True)
    manager.shutdown()
