"""Measure the service: requests a second and the time of each, over connections that stay open.

    python benchmarks/serve.py --data FOLDER [--connections 16] [--seconds 10] [--rounds 3]

Serves a GRU (hidden 64) beside a linear classifier, trained on FOLDER as benchmarks/predict.py does
(or what `--bundle` names), in a process of its own on 127.0.0.1. This process sends the texts of
FOLDER's test rows, one a request, over `--connections`: each sends its next request once it has the
answer to the last. A round ends after `--seconds` or `--requests`, whichever is first. Beside each
round stands a bare application (uvicorn and no framework, an answer of the same length, nothing
predicted), which is what the machine, the server and this client allow at most.
"""

import argparse
import asyncio
import csv
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil

BARE = """
import uvicorn
body = b'{"predictions":[{"label":"Business","probability":0.9817351698875427}]}'
head = [(b'content-type', b'application/json'), (b'content-length', str(len(body)).encode())]
async def app(scope, receive, send):
    if scope['type'] != 'http':
        return
    await receive()
    await send({'type': 'http.response.start', 'status': 200, 'headers': head})
    await send({'type': 'http.response.body', 'body': body})
import socket
listener = socket.create_server(('127.0.0.1', 0), backlog=2048)
print(f'http://127.0.0.1:{listener.getsockname()[1]}/', flush=True)
config = uvicorn.Config(app, access_log=False, log_level='warning', lifespan='off')
uvicorn.Server(config).run(sockets=[listener])
"""


def main() -> None:
    options = parse()
    load = os.getloadavg()[0]
    print(f"{datetime.date.today()}, {platform.machine()}, {os.cpu_count()} cores, load {load:.1f}")
    requests = [request_of(text) for text in texts_of(Path(options.data) / "test.csv")]
    with tempfile.TemporaryDirectory() as scratch:
        bundle = options.bundle or train(options.data, Path(scratch) / "bundle")
        ours = [sys.executable, "-m", "textcls.serve", str(bundle), "--port", "0"]
        for _ in range(options.rounds):
            for name, command in (("ours", ours), ("bare", [sys.executable, "-c", BARE])):
                with running(command) as (process, port):
                    asyncio.run(play(port, requests, options.connections, 1.0, 1_000))  # warm up
                    before = sum(process.cpu_times()[:2])
                    began = time.perf_counter()
                    times, errors = asyncio.run(
                        play(port, requests, options.connections, options.seconds, options.requests)
                    )
                    took = time.perf_counter() - began
                    work = sum(process.cpu_times()[:2]) - before
                print(told(name, np.array(times), errors, took, work))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--bundle")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


def texts_of(path: Path) -> list[str]:
    with path.open(newline="", encoding="utf-8") as file:
        return [f"{title} {text}" for _, title, text in csv.reader(file)]


def request_of(text: str) -> bytes:
    body = json.dumps({"texts": [text]}).encode()
    head = (
        "POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def train(data: str, out: Path) -> Path:
    import predict

    return predict.train(Path(data), out)


@contextmanager
def running(command: Sequence[str]) -> Iterator[tuple[psutil.Process, int]]:
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline().split("/")[2].rsplit(":", 1)[1])
            yield psutil.Process(process.pid), port
        finally:
            process.terminate()


class Connection(asyncio.Protocol):
    """A connection that asks for one text after another until it is told to end.

    Written on the transport itself: a client library would take more of the processor than the
    service that it measures.
    """

    def __init__(self, requests: Iterator[bytes], times: list[float], until: float) -> None:
        self.requests = requests
        self.times = times
        self.until = until
        self.errors = 0
        self.done = asyncio.get_running_loop().create_future()
        self.answer = b""
        self.began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.next()

    def next(self) -> None:
        request = next(self.requests, None)
        now = time.perf_counter()
        if request is None or now > self.until:
            self.transport.close()
            return
        self.began = now
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.answer += data
        head, found, body = self.answer.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        self.times.append(time.perf_counter() - self.began)
        if not head.startswith(b"HTTP/1.1 200") or b'"label":' not in body:
            self.errors += 1
        self.answer = b""
        self.next()

    def connection_lost(self, error: Exception | None) -> None:
        self.errors += error is not None or bool(self.answer)
        self.done.set_result(None)


async def play(
    port: int, requests: Sequence[bytes], connections: int, seconds: float, most: int
) -> tuple[list[float], int]:
    """Return the seconds of each request, and how many were answered wrongly or not at all."""
    times: list[float] = []
    until = time.perf_counter() + seconds
    turns = (requests[i % len(requests)] for i in range(most))
    loop = asyncio.get_running_loop()
    made = [
        (await loop.create_connection(lambda: Connection(turns, times, until), "127.0.0.1", port))[
            1
        ]
        for _ in range(connections)
    ]
    await asyncio.gather(*(each.done for each in made))
    return times, sum(each.errors for each in made)


def told(
    name: str,
    times: np.ndarray[tuple[int], np.dtype[np.float64]],
    errors: int,
    took: float,
    work: float,
) -> str:
    half, most, worst = 1e3 * np.percentile(times, [50, 99, 100])
    return (
        f"{name}: {len(times) / took:,.0f} requests/s, p50 {half:.1f} ms, p99 {most:.1f} ms, "
        f"slowest {worst:.1f} ms, {errors} errors, {len(times):,} requests; "
        f"{1e6 * work / len(times):.0f} us of one processor a request in the service"
    )


if __name__ == "__main__":
    main()
