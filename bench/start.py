"""Starts and joins processes, as many as a line says; prints the times in ms."""
import json
import multiprocessing
import sys
import time


def nothing():
    pass


context = multiprocessing.get_context("fork")
for line in sys.stdin:
    times = []
    for _ in range(int(line)):
        start = time.perf_counter()
        process = context.Process(target=nothing)
        process.start()
        process.join()
        times.append((time.perf_counter() - start) * 1000)
    print(json.dumps(times), flush=True)
