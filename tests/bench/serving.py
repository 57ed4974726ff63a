"""The serving part of the bench: digitd and its peer in Node under the same loads, in turns.

    single      one client that sends the next request when it has the answer
    throughput  64 of them
    batches     tensors of 256 images by V2, beside the engine on as many threads
    training    200 requests a second while a job trains on all processors, and what the job loses by them
    slow        64 clients beside 9,000 that drip a byte of a header now and then
"""

import json
import os
import resource
import selectors
import socket
import subprocess
import tempfile
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
CLIENTS = 64
PACED_RATE = 200
BATCH, BATCH_CLIENTS = 256, 4
SLOW_CLIENTS = 9000
SLOW_DEADLINE = 10  # seconds; digitd's --header-timeout
GIVEN_BACK = 2  # seconds after which the memory of closed connections is to be the system's again
BRIEF = {"epochs": 1, "train_limit": 2000}  # what a model says does not matter here, only how large it is


class Digitd:
    def __init__(self, build, data_dir, folder, *flags):
        self.process = subprocess.Popen(
            [os.path.join(build, "digitd"), "serve", "--listen", "127.0.0.1:0", "--store", os.path.join(folder, "store"),
             "--data-dir", data_dir, "--no-bootstrap", "--max-connections", "20000", "--header-timeout",
             str(SLOW_DEADLINE), *flags], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.url = self.process.stdout.readline().split()[-1]
        self.port = int(self.url.rsplit(":", 1)[1])

    def call(self, path, body=None, method=None):
        request = urllib.request.Request(self.url + path, None if body is None else json.dumps(body).encode(),
                                         {"Content-Type": "application/json"} if body is not None else {},
                                         method=method)
        with urllib.request.urlopen(request) as reply:
            return reply.read()

    def train(self, training):
        return json.loads(self.call("/api/v1/jobs", {"training": training}))["id"]

    def job(self, job_id):
        return json.loads(self.call("/api/v1/jobs/" + job_id))

    def train_briefly(self):
        job_id = self.train(BRIEF)
        while self.job(job_id)["state"] in ("queued", "running"):
            time.sleep(0.2)

    def save(self, name, folder):
        path = os.path.join(folder, name)
        with open(path, "wb") as file:
            file.write(self.call("/api/v1/models/digits/versions/1/" + name))
        return path

    def memory(self):
        """Bytes that are resident."""
        with open(f"/proc/{self.process.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * resource.getpagesize()

    def end(self):
        self.process.terminate()
        self.process.wait()


class Peer:
    def __init__(self, model):
        self.process = subprocess.Popen(["node", os.path.join(HERE, "bench_serve_node.mjs"), model],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        about = json.loads(self.process.stdout.readline())
        self.port, self.detail = about["port"], about["detail"]

    def end(self):
        self.process.stdin.close()
        self.process.wait()


class SlowClients:
    """Connections that send a byte of a header each half of the deadline, and that the server is to close."""

    def __init__(self, port, count):
        self.selector, self.closed, self.opened_at = selectors.DefaultSelector(), [], {}
        for _ in range(count):
            client = socket.create_connection(("127.0.0.1", port))
            client.setblocking(False)
            client.send(b"GET /healthz HTTP/1.1\r\nX")
            self.opened_at[client] = time.monotonic()
            self.selector.register(client, selectors.EVENT_READ)

    def drip(self):
        for client in list(self.opened_at):
            try:
                client.send(b"-")
            except OSError:
                pass  # closed by the server: wait() sees it

    def wait(self, seconds):
        """Until all are closed, at most so long; returns how many are, and the age of the oldest in seconds."""
        end = time.monotonic() + seconds
        while self.opened_at and time.monotonic() < end:
            for key, _ in self.selector.select(0.1):
                self.closed.append(time.monotonic() - self.opened_at.pop(key.fileobj))
                self.selector.unregister(key.fileobj)
                key.fileobj.close()
        return len(self.closed), max(self.closed, default=0)

    def end(self):
        for client in self.opened_at:
            client.close()


def cpu_seconds(server):
    with open(f"/proc/{server.process.pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def median(values):
    return sorted(values)[len(values) // 2]


class Serving:
    def __init__(self, bench, contestant, digitd, peer):
        self.bench, self.contestant, self.digitd, self.peer = bench, contestant, digitd, peer

    def load(self, label, server, clients, rate=0, batch=0):
        """A contestant of which `answers` keeps all that it measured, and `server_us` what the server computed for it: in
        microseconds a prediction, which other programs on the machine disturb little."""
        load = self.contestant(label, os.path.join(self.bench.programs, "bench_serve"), server.port, self.bench.mnist,
                               clients, rate, self.bench.options.seconds, batch, unit="predictions_per_second")
        load.answers, load.server_us = [], []
        read, measure = load.read, load.measure

        def read_and_keep():
            answer = read()
            load.answers.append(answer)
            return answer

        def measure_with_server():
            before = cpu_seconds(server)
            rate = measure()
            load.server_us.append(1e6 * (cpu_seconds(server) - before) / (rate * float(self.bench.options.seconds)))
            return rate

        load.read = read_and_keep
        load.measure = measure_with_server
        return load

    @staticmethod
    def show(load, note=""):
        rate, p50, p99 = (median([answer[unit] for answer in load.answers[-len(load.values):]])
                          for unit in ("predictions_per_second", "p50_ms", "p99_ms"))
        server_us = median(load.server_us[-len(load.values):])
        print(f"{load.label:34}{rate:>10,.0f}{p50:>10.3f}{p99:>10.3f}{server_us:>10,.0f}  {note}".rstrip())

    @staticmethod
    def heading(text):
        print(f"\n{text}\n{'-' * len(text)}\n{'':34}{'per second':>10}{'p50 ms':>10}{'p99 ms':>10}{'CPU us':>10}")

    def beside_peer(self, title, clients):
        loads = [self.load("digitd", self.digitd, clients), self.load("Node", self.peer, clients)]
        self.bench.in_turns(f"serving, {title}", loads)
        self.heading(f"Predictions over HTTP, a PNG of 28x28 each, {title}")
        self.show(loads[0], f"{loads[0].median / loads[1].median:.2f} x the peer's")
        self.show(loads[1])
        for load in loads:
            load.end()

    def batches(self, model):
        load = self.load(f"{BATCH_CLIENTS} clients, binary tensors", self.digitd, BATCH_CLIENTS, batch=BATCH)
        engine = self.contestant("the engine alone", os.path.join(self.bench.programs, "bench_predict"), model, BATCH,
                                 self.bench.options.seconds, self.bench.threads)
        self.bench.in_turns("serving, batches", [load, engine])
        self.heading(f"Predictions by V2, {BATCH} images a request")
        self.show(load, f"{load.median / engine.median:.0%} of the engine's speed")
        print(f"{engine.label:34}{engine.median:>10,.0f}")
        load.end()
        engine.end()

    def training_speed(self, job_id, during):
        before, start = self.digitd.job(job_id)["progress"], time.monotonic()
        during()
        after, seconds = self.digitd.job(job_id)["progress"], time.monotonic() - start
        return (after["step"] - before["step"]) / seconds

    def beside_training(self):
        job_id = self.digitd.train({"epochs": 1000})
        while (self.digitd.job(job_id)["progress"] or {"step": 0})["step"] < 20:
            time.sleep(0.1)
        # Only now: a connection that sends nothing for the deadline is closed.
        load = self.load(f"{PACED_RATE} a second", self.digitd, 16, PACED_RATE)
        load.measure()
        alone, loaded = [], []
        for _ in range(self.bench.options.rounds):
            alone.append(self.training_speed(job_id, lambda: time.sleep(self.bench.options.seconds)))
            loaded.append(self.training_speed(job_id, lambda: load.values.append(load.measure())))
        self.digitd.call(f"/api/v1/jobs/{job_id}/cancel", method="POST")
        self.heading("The same while a job trains on all processors")
        self.show(load, f"training keeps {median(loaded) / median(alone):.0%} of its speed")
        load.end()
        while self.digitd.job(job_id)["state"] == "running":
            time.sleep(0.1)

    def beside_slow(self):
        load = self.load(f"{CLIENTS} clients", self.digitd, CLIENTS)
        load.measure()
        alone = [load.measure() for _ in range(self.bench.options.rounds)]
        slow = SlowClients(self.digitd.port, SLOW_CLIENTS)
        slow.drip()
        load.values.append(load.measure())
        slow.drip()
        closed, oldest = slow.wait(3 * SLOW_DEADLINE)
        slow.end()
        time.sleep(GIVEN_BACK)
        self.heading(f"The same beside {SLOW_CLIENTS:,} slow connections")
        self.show(load, f"{load.values[0] / median(alone):.0%} of the speed without; {closed:,} closed, the last "
                        f"after {oldest:.1f} s (deadline {SLOW_DEADLINE} s); {self.digitd.memory() / 2**20:.0f} MiB {GIVEN_BACK} s later")
        load.end()


def bench_serving(bench, contestant):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as folder:
        digitd = Digitd(bench.options.build, bench.options.data_dir, folder)
        try:
            digitd.train_briefly()
            peer = Peer(digitd.save("model.onnx", folder))
            serving = Serving(bench, contestant, digitd, peer)
            serving.beside_peer("one client", 1)
            serving.beside_peer(f"{CLIENTS} clients", CLIENTS)
            print(f"Node: {peer.detail}")
            peer.end()
            serving.batches(digitd.save("weights.safetensors", folder))
            serving.beside_training()
            serving.beside_slow()
        finally:
            digitd.end()
