"""Uses a Pool in the way that a line names; prints how long that takes, in milliseconds."""
import json
import os
import sys
import time
from multiprocessing import Pool

PROCESSES = len(os.sched_getaffinity(0))
pool = None
records = []


def square(x):
    return x * x


def megabyte(i):
    return bytes(1_000_000)


def burn(n):
    total = 0
    for i in range(n):
        total += i % 7
    return total


def sum_slice(bounds):
    total = 0.0
    for i in range(*bounds):
        total += sum(records[i])
    return total


def start():
    global pool
    pool = Pool(PROCESSES)
    pool.apply(square, (3,))


def end():
    pool.terminate()
    pool.join()


def round_trips(n):
    begin = time.perf_counter()
    for i in range(n):
        pool.apply(square, (i,))
    return (time.perf_counter() - begin) * 1e3 / n


def timed(run):
    begin = time.perf_counter()
    run()
    return (time.perf_counter() - begin) * 1e3


def fill(megabytes):
    for _ in range(megabytes * 1000):
        records.append([n + 0.5 for n in range(32)])


def over_structure(megabytes, parts):
    """A pool of its own: it has what there is when it is made, as ours does."""
    if not records:
        fill(megabytes)
    n = len(records)
    bounds = [(n * i // parts, n * (i + 1) // parts) for i in range(parts)]
    begin = time.perf_counter()
    with Pool(PROCESSES) as own:
        sum(own.map(sum_slice, bounds, 1))
        return (time.perf_counter() - begin) * 1e3


def pss():
    children = open(f"/proc/self/task/{os.getpid()}/children").read().split()
    total = 0
    for pid in ["self", *children]:
        for line in open(f"/proc/{pid}/smaps_rollup"):
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1000


for line in sys.stdin:
    order, *args = json.loads(line)
    if order == "start":
        result = timed(start)
    elif order == "end":
        end()
        result = 0
    elif order == "roundTrips":
        result = round_trips(*args)
    elif order == "map":
        result = timed(lambda: pool.map(square, range(args[0])))
    elif order == "map one by one":
        result = timed(lambda: pool.map(square, range(args[0]), 1))
    elif order == "megabytes":
        result = timed(lambda: pool.map(megabyte, range(args[0]), 1))
    elif order == "burn":
        result = timed(lambda: pool.map(burn, [args[1]] * args[0], 1))
    elif order == "structure":
        result = over_structure(*args)
    elif order == "pss":
        result = pss()
    print(json.dumps(result), flush=True)
