"""Messages between two processes in CPython: the counterpart of pipe.ts.

Reads orders from stdin, prints what one round trip took, in microseconds.
"""

import json
import math
import sys
import time
from multiprocessing import Pipe, Process

SMALL = bytes(64)
BIG = bytes(64 * 2**20)
# As in pipe.ts.
WARM_UP = 0.4


def echo_bytes(connection):
    while True:
        message = connection.recv_bytes()
        if not message:
            return
        connection.send_bytes(message)


def echo_values(connection):
    while True:
        value = connection.recv()
        if value is None:
            return
        connection.send(value)


def take(connection):
    while True:
        received = connection.recv()
        if received is None:
            return
        received.close()
        connection.send(1)


def bytes_trip(connection):
    connection.send_bytes(SMALL)
    connection.recv_bytes()


def value_trip(connection):
    connection.send(SMALL)
    connection.recv()


def object_trip(connection):
    connection.send({"id": 1, "name": "a name", "list": [1, 2, 3]})
    connection.recv()


def big_trip(connection):
    connection.send_bytes(BIG)
    connection.recv_bytes()


own, given = Pipe()


def descriptor_trip(connection):
    connection.send(given)
    connection.recv()


def measure(target, trip, end, count):
    ours, theirs = Pipe()
    child = Process(target=target, args=(theirs,))
    child.start()
    for _ in range(math.ceil(count * WARM_UP)):
        trip(ours)
    start = time.perf_counter()
    for _ in range(count):
        trip(ours)
    elapsed = time.perf_counter() - start
    end(ours)
    child.join()
    return elapsed / count * 1e6


def end_bytes(connection):
    connection.send_bytes(b"")


def end_values(connection):
    connection.send(None)


ORDERS = {
    "bytes": (echo_bytes, bytes_trip, end_bytes, 5000),
    "values": (echo_values, value_trip, end_values, 5000),
    "objects": (echo_values, object_trip, end_values, 5000),
    "big": (echo_bytes, big_trip, end_bytes, 3),
    "descriptor": (take, descriptor_trip, end_values, 300),
}

for line in sys.stdin:
    print(json.dumps(measure(*ORDERS[line.strip()])), flush=True)
