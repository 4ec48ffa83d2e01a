"""Attacks the embedded server with small requests, silent clients and SIGTERM; writes ATTACK.md.

    python benchmarks/server_attack.py [--tries 2000] [--silent 1000] [--clients 200]

The server runs as `aae-tf serve` under an address space of 6 GiB, with a model of 8x8 digits.
"""

from __future__ import annotations

import argparse
import collections
import gzip
import http.client
import json
import os
import random
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import grpc
import numpy as np

if "--honest" not in sys.argv:
    from report import made_with
    from tensorflow_serving.apis.predict_pb2 import PredictRequest
    from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

    from aae_tf import AAE, export, networks, priors

RESULTS = Path(__file__).with_name("ATTACK.md")
PACKAGES = ("tensorflow", "grpcio", "uvicorn", "numpy")
ADDRESS_SPACE = 6 * 2**30
LARGEST = 10**6


def export_model(root: Path) -> None:
    """Exports 64-256-256-8 and back, with fresh weights."""
    model = AAE(
        encoder=networks.mlp_encoder((8, 8, 1), units=(256, 256), seed=1),
        decoder=networks.mlp_decoder((8, 8, 1), code_dim=8, units=(256, 256), seed=2),
        prior=priors.gaussian(8, scale=5.0),
        seed=0,
    )
    export.export_servables(model, root)


class Server:
    """`aae-tf serve` in a process of its own."""

    def __init__(self, root: Path, *options: str) -> None:
        command = [str(Path(sys.executable).with_name("aae-tf")), "serve", str(root)]
        command += ["--port=0", "--rest_api_port=0", *options]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE,) * 2),
        )
        for line in self.process.stdout:
            if found := re.search(r"gRPC on \S+:(\d+), REST on \S+:(\d+)", line):
                self.grpc_port, self.rest_port = map(int, found.groups())
                break
        else:
            raise RuntimeError("The server has ended without a word about its ports.")
        self.at_start = self.memory("VmRSS")

    def memory(self, field: str) -> float:
        """Returns a figure of /proc, MB."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{field}:\s+(\d+)", text).group(1)) / 1024

    def post(self, body: bytes, model: str = "decoder", **headers: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.rest_port, timeout=120)
        try:
            connection.request("POST", f"/v1/models/{model}:predict", body, headers)
            response = connection.getresponse()
            response.read()
            return response.status
        finally:
            connection.close()


def documents(rng: random.Random) -> bytes:
    """A JSON body of a hostile form, up to 100 MB before compression."""
    unit = rng.choice(
        [
            *(
                b"[],",
                b"{},",
                b"0,",
                b"1.5,",
                b'"",',
                b"[[[]]],",
                b'{"seed":1},',
                b"1e9,",
                b"null,",
            ),
            *(b'{"b64":""},', b"[1,2],", b'"' + b"x" * 50 + b'",', b"-1,", b"1234567890123,", b" "),
        ]
    )
    count = int(10 ** rng.uniform(1, 8)) // len(unit)
    key = rng.choice([b"instances", b"inputs", b"other"])
    signature = rng.choice([b"sample", b"decode", b"", b"serving_default"])
    opening = rng.choice([b"", b"[", b"[[", b"[" * rng.randrange(300)])
    ending = b"]" * len(opening) if rng.random() < 0.7 else b""
    return b'{"signature_name":"%s","%s":%s[%s1]%s}' % (
        signature, key, opening, unit * count, ending,
    )  # fmt: skip


def one_rest_try(server: Server, rng: random.Random) -> str:
    body = documents(rng)
    headers = {}
    if rng.random() < 0.5:
        body = gzip.compress(body, 6)
        headers["Content-Encoding"] = "gzip"
    return str(server.post(body[:LARGEST], rng.choice(["encoder", "decoder"]), **headers))


def one_grpc_try(stub: PredictionServiceStub, rng: random.Random) -> str:
    request = PredictRequest()
    request.model_spec.name = rng.choice(["encoder", "decoder"])
    request.model_spec.signature_name = rng.choice(["encode", "decode", "sample", ""])
    for name in rng.sample(["inputs", "latents", "seed", "label"], rng.choice([1, 1, 1, 2])):
        tensor = request.inputs[name]
        tensor.dtype = rng.choice([1, 1, 1, 2, 7, 9, 9, 9, 14, 19, 20])
        for _ in range(rng.choice([1, 1, 2, 4, rng.randrange(300)])):
            tensor.tensor_shape.dim.add(size=rng.choice([1, 8, int(10 ** rng.uniform(0, 12))]))
        form = rng.randrange(5)
        if form == 0:
            tensor.float_val.extend([1.0] * rng.randrange(1, LARGEST // 4))
        elif form == 1:
            tensor.int64_val.extend([1] * rng.randrange(1, LARGEST))
        elif form == 2:
            tensor.string_val.extend([b""] * rng.randrange(1, LARGEST // 2))
        elif form == 3:
            tensor.tensor_content = os.urandom(rng.randrange(LARGEST))
        else:
            tensor.float_val.append(1.0)
            tensor.int64_val.append(1)
    if rng.random() < 0.1:
        for index in range(50_000):
            request.inputs[str(index)].dtype = 1
    try:
        stub.Predict(request, timeout=120)
    except grpc.RpcError as error:
        return error.code().name
    return "OK"


class Honest:
    """A client in a process of its own that encodes one row and asks for the status, by turns."""

    def __init__(self, server: Server) -> None:
        command = [sys.executable, __file__, "--honest", encode_request().SerializeToString().hex()]
        command += [str(server.grpc_port), str(server.rest_port)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._process.stdout.readline()  # it has begun
        self.predict: list[float] = []
        self.status: list[float] = []
        self.failed = 0

    def __enter__(self) -> Honest:
        return self

    def __exit__(self, *_: object) -> None:
        output, _ = self._process.communicate("stop")
        self.predict, self.status, self.failed = json.loads(output)


def encode_request() -> PredictRequest:
    """Encodes one image of 8x8."""
    request = PredictRequest()
    request.model_spec.name = "encoder"
    tensor = request.inputs["inputs"]
    tensor.dtype = 1
    for size in (1, 8, 8, 1):
        tensor.tensor_shape.dim.add(size=size)
    tensor.tensor_content = bytes(4 * 64)
    return request


def be_honest(request: bytes, grpc_port: str, rest_port: str) -> None:
    """What the process of an `Honest` does, without any import that takes long."""
    stopped = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stopped.set()), daemon=True).start()
    predict, status, failed = [], [], 0
    connection = http.client.HTTPConnection("127.0.0.1", int(rest_port), timeout=120)
    with grpc.insecure_channel(f"127.0.0.1:{grpc_port}") as channel:
        call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        call(request, timeout=120)
        print("begun", flush=True)
        while not stopped.wait(0.01):
            try:
                start = time.perf_counter()
                call(request, timeout=120)
                predict.append(time.perf_counter() - start)
                start = time.perf_counter()
                connection.request("GET", "/v1/models/encoder")
                connection.getresponse().read()
                status.append(time.perf_counter() - start)
            except (grpc.RpcError, OSError, http.client.HTTPException):
                failed += 1
                connection.close()
    print(json.dumps([predict, status, failed]))


def p99(times: list[float]) -> float:
    """Returns the 99th percentile, milliseconds."""
    return 1e3 * float(np.percentile(times, 99)) if times else float("nan")


def fuzz(server: Server, tries: int) -> dict[str, object]:
    """Sends hostile requests one after another, beside an honest client."""
    rng = random.Random(0)
    outcomes: collections.Counter[str] = collections.Counter()
    with (
        Honest(server) as honest,
        grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel,
    ):
        stub = PredictionServiceStub(channel)
        for _ in range(tries):
            if server.process.poll() is not None:
                break
            try:
                if rng.random() < 0.5:
                    outcomes[one_rest_try(server, rng)] += 1
                else:
                    outcomes[one_grpc_try(stub, rng)] += 1
            except (OSError, http.client.HTTPException) as error:
                outcomes[type(error).__name__] += 1
    return {
        "alive": server.process.poll() is None,
        "outcomes": dict(outcomes.most_common()),
        "over": server.memory("VmHWM") - server.at_start,
        "predict": p99(honest.predict),
        "predict_max": 1e3 * max(honest.predict),
        "status": p99(honest.status),
        "failed": honest.failed,
    }


def worst(server: Server) -> dict[str, tuple[float, float]]:
    """The three requests that once stopped every other client: p99 of predict and status, ms."""
    rows = b"[" + b"0.123456," * 63 + b"1]"
    images = b'{"instances":[' + (rows + b",") * 20_000 + rows + b"]}"
    bodies = {
        "100 kB of gzip": (gzip.compress(b'{"instances":[' + b"0," * 50_000_000 + b"1]}"), "gzip"),
        f"{len(images) // 10**6} MB of JSON": (images, ""),
        "100,000 seeds": (json.dumps(
            {"signature_name": "sample", "instances": list(range(100_000))}).encode(), ""),
    }  # fmt: skip
    found = {}
    for name, (body, encoding) in bodies.items():
        with Honest(server) as honest:
            end = time.monotonic() + 10.0
            while time.monotonic() < end:
                model = "decoder" if "seeds" in name else "encoder"
                server.post(body, model, **({"Content-Encoding": encoding} if encoding else {}))
        found[name] = (p99(honest.predict), p99(honest.status))
    return found


def silent(server: Server, count: int) -> tuple[float, float]:
    """Returns an honest client's p99, ms, without and with silent connections; rounds alternate."""
    without, with_them = [], []
    for _ in range(3):
        with Honest(server) as honest:
            time.sleep(4.0)
        without += honest.predict
        held = []
        for index in range(count):
            port = server.rest_port if index % 2 else server.grpc_port
            held.append(socket.create_connection(("127.0.0.1", port)))
        with Honest(server) as honest:
            time.sleep(4.0)
        with_them += honest.predict
        for each in held:
            each.close()
    return p99(without), p99(with_them)


def seeds(server: Server) -> float:
    """Returns the seconds that 10,000 seeds over REST take, the median of three."""
    document = {"signature_name": "sample", "instances": list(range(10_000))}
    times = []
    for _ in range(3):
        start = time.perf_counter()
        if server.post(json.dumps(document).encode()) != 200:
            raise RuntimeError("Expected an answer to 10,000 seeds.")
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def terminate(server: Server, clients: int) -> tuple[dict[str, int], float, int]:
    """Sends SIGTERM under load; returns the answers from then on, the seconds and the exit code."""
    outcomes: collections.Counter[str] = collections.Counter()
    sent, stopped = threading.Event(), threading.Event()
    request = encode_request()
    body = json.dumps({"instances": np.zeros((1, 8, 8, 1)).tolist()}).encode()

    def ask_grpc() -> None:
        options = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}", options) as channel:
            stub = PredictionServiceStub(channel)
            while not stopped.is_set():
                try:
                    stub.Predict(request, timeout=60)
                    code = "OK"
                except grpc.RpcError as error:
                    code = error.code().name
                    time.sleep(0.02)
                if sent.is_set():
                    outcomes[f"gRPC {code}"] += 1

    def ask_rest() -> None:
        while not stopped.is_set():
            try:
                code = {200: "OK", 503: "UNAVAILABLE"}.get(status := server.post(body, "encoder"))
                code = code or str(status)
            except (OSError, http.client.HTTPException):
                code = "UNAVAILABLE"  # no connection, or a lost one
                time.sleep(0.02)
            if sent.is_set():
                outcomes[f"REST {code}"] += 1

    threads = [
        threading.Thread(target=ask_grpc if index % 2 else ask_rest, daemon=True)
        for index in range(clients)
    ]
    for thread in threads:
        thread.start()
    time.sleep(5.0)
    start = time.monotonic()
    sent.set()
    server.process.send_signal(signal.SIGTERM)
    code = server.process.wait(60)
    seconds = time.monotonic() - start
    time.sleep(0.5)
    stopped.set()
    for thread in threads:
        thread.join()
    return dict(outcomes), seconds, code


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tries", type=int, default=2000)
    parser.add_argument("--silent", type=int, default=1000)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--idle", type=float, default=60.0, help="seconds before memory is read")
    arguments = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as folder:
        export_model(Path(folder))
        server = Server(Path(folder))
        try:
            before, beside = silent(server, arguments.silent)
            seeds_seconds = seeds(server)
            held = worst(server)
            fuzzed = fuzz(server, arguments.tries)
            print(json.dumps({"fuzz": fuzzed, "worst": held}, indent=1))
            time.sleep(arguments.idle)
            idle = server.memory("VmRSS") / server.at_start
            outcomes, seconds, code = terminate(server, arguments.clients)
        finally:
            server.process.kill()
    rows = [
        (f"{arguments.tries} requests of at most 1 MB: the server lives", "yes",
         "yes" if fuzzed["alive"] else "no"),
        ("the same: most memory over the start", "<= 1500 MB", f"{fuzzed['over']:.0f} MB"),
        ("the same: an honest client's p99 of batch 1, gRPC", "<= 250 ms",
         f"{fuzzed['predict']:.0f} ms"),
        ("the same: p99 of its status, REST", "<= 1000 ms", f"{fuzzed['status']:.0f} ms"),
        *((f"the p99 of both while {name} come without a pause", "<= 250, 1000 ms",
           f"{predict:.0f}, {status:.0f} ms") for name, (predict, status) in held.items()),
        (f"{arguments.silent} silent connections: an honest client's p99 over that without",
         "<= 2", f"{beside / before:.2f} ({beside:.1f} and {before:.1f} ms)"),
        ("10,000 seeds over REST", "<= 1 s", f"{seeds_seconds:.2f} s"),
        (f"memory {arguments.idle:g} s later over that at the start", "<= 1.3", f"{idle:.2f}"),
        (f"SIGTERM with {arguments.clients} clients: answers that are neither OK nor UNAVAILABLE",
         "0", str(sum(n for key, n in outcomes.items() if key.split()[1] not in
                      ("OK", "UNAVAILABLE")))),
        ("the same: exit code, seconds", "0, <= 10", f"{code}, {seconds:.1f}"),
    ]  # fmt: skip
    table = "\n".join(f"| {measured} | {reach} | {found} |" for measured, reach, found in rows)
    RESULTS.write_text(
        f"""# The embedded server under attack

Written by `python benchmarks/server_attack.py --tries {arguments.tries}
--silent {arguments.silent} --clients {arguments.clients} --idle {arguments.idle:g}`.
The encoder and the decoder of 64-256-256-8, `aae-tf serve` in a process of 6 GiB of address
space, all clients in another on the same cores.

| measured | reach | found |
|---|---|---|
{table}

Answers to the fuzzer: {fuzzed["outcomes"]}. Answers after SIGTERM: {outcomes}.

{made_with(*PACKAGES)}
"""
    )
    print(RESULTS.read_text())


if __name__ == "__main__":
    if "--honest" in sys.argv:
        be_honest(bytes.fromhex(sys.argv[2]), *sys.argv[3:])
    else:
        main()
