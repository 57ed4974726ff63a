"""The parts of the bench that are about jobs under way: who follows them, and what they are ordered to do.

    streams  500 clients follow the log of events for a minute, in turns with none: what training loses by them
    orders   how long it takes until a job of the preset `large` has paused, or has been cancelled
"""

import json
import os
import random
import subprocess
import tempfile
import time

from serving import Digitd, median

STREAMS = 500
STREAM_TURNS, STREAM_SECONDS = 6, 10  # with them, and as often as long without
ORDERS = 100  # of each


class Streams:
    def __init__(self, build, port, after):
        self.process = subprocess.Popen(
            [os.path.join(build, "tests/bench/bench_streams"), str(port), str(STREAMS), str(after)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()

    def turn(self, order="turn"):
        self.process.stdin.write(order + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def catch_up(self, last):
        """Until each stream has had the event with the id `last`, a minute at most; what they have then."""
        for _ in range(600):
            said = self.turn("say")
            if said["least"] >= last:
                break
            time.sleep(0.1)
        return said

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def wait_for_step(digitd, job, step=1):
    while (digitd.job(job)["progress"] or {"step": 0, "epoch": 1})["step"] < step:
        time.sleep(0.02)


def images_trained(digitd):
    for line in digitd.call("/metrics").decode().splitlines():
        if line.startswith("digitd_train_images_total"):
            return float(line.split()[-1])
    raise LookupError("digitd_train_images_total")


def last_event(digitd, after=0):
    while True:
        page = json.loads(digitd.call(f"/api/v1/events?after={after}&limit=1000"))
        after = page["data"][-1]["id"] if page["data"] else after
        if not page["has_more"]:
            return after


def serving_ticks(*processes):
    """Processor time of all threads but those that train, which run at idle priority, in ticks."""
    ticks = 0
    for process in processes:
        for thread in os.listdir(f"/proc/{process.pid}/task"):
            with open(f"/proc/{process.pid}/task/{thread}/stat", encoding="utf-8") as file:
                fields = file.read().rpartition(")")[2].split()
            if int(fields[38]) != os.SCHED_IDLE:
                ticks += int(fields[11]) + int(fields[12])
    return ticks


def training_speed(digitd, streams):
    """Images a second, and the share of all processors that serving and following took meanwhile."""
    before, ticks, start = images_trained(digitd), serving_ticks(digitd.process, streams.process), time.monotonic()
    time.sleep(STREAM_SECONDS)
    seconds = time.monotonic() - start
    used = (serving_ticks(digitd.process, streams.process) - ticks) / os.sysconf("SC_CLK_TCK")
    return (images_trained(digitd) - before) / seconds, used / seconds / os.cpu_count()


def streams_in_turns(digitd, build):
    job = digitd.train({"epochs": 1000, "train_limit": 3000})  # a network of usual size, many events
    wait_for_step(digitd, job, 10)
    streams = Streams(build, digitd.port, last_event(digitd))
    alone, followed = [], []
    for _ in range(STREAM_TURNS):
        alone.append(training_speed(digitd, streams))
        streams.turn()
        followed.append(training_speed(digitd, streams))
        streams.turn()
    streams.turn()
    digitd.call(f"/api/v1/jobs/{job}/cancel", method="POST")
    digitd.call(f"/api/v1/jobs/{job}", method="DELETE")  # the last event of all
    last = last_event(digitd)
    said = streams.catch_up(last)
    streams.end()
    return alone, followed, said, last


def bench_streams(bench):
    with tempfile.TemporaryDirectory() as folder:
        digitd = Digitd(bench.options.build, bench.options.data_dir, folder, "--event-streams",
                        str(2 * STREAMS))  # those that were just closed may count for a moment
        try:
            alone, followed, said, last = streams_in_turns(digitd, bench.options.build)
        finally:
            digitd.end()
    bench.results["streams"] = {"alone": alone, "followed": followed, **said}
    (alone, idle), (followed, busy) = zip(*alone), zip(*followed)
    ratios = [loaded / free for loaded, free in zip(followed, alone)]
    print(f"\n{STREAMS} streams of events while a job trains, {STREAM_TURNS} times {STREAM_SECONDS} s, and as often without")
    print(f"training, images/s: {median(alone):,.0f} alone, {median(followed):,.0f} followed; "
          f"it keeps {sum(followed) / sum(alone):.1%} (turns: {', '.join(f'{ratio:.1%}' for ratio in ratios)})")
    print(f"server and clients take {sum(busy) / len(busy):.1%} of the processors for it, {sum(idle) / len(idle):.1%} without")
    whole = said["faults"] == 0 and said["least"] == said["most"] == last
    print(f"{said['events']:,} events and {said['progress']:,} messages of progress; each event to each stream once and in "
          f"order: {'yes' if whole else 'NO: ' + json.dumps(said) + f', the last one is {last}'}")


def time_pause(digitd, job):
    """Until the job's checkpoint is there and its thread is free."""
    after, start = last_event(digitd), time.monotonic()
    digitd.call(f"/api/v1/jobs/{job}/pause", method="POST")
    while True:
        page = json.loads(digitd.call(f"/api/v1/jobs/{job}/events?after={after}"))
        if any(event["type"] == "log" for event in page["data"]):
            return time.monotonic() - start
        time.sleep(0.002)


def time_cancel(digitd, job):
    """Until the job can be deleted, for which its thread must have let go of it."""
    start = time.monotonic()
    digitd.call(f"/api/v1/jobs/{job}/cancel", method="POST")
    digitd.call(f"/api/v1/jobs/{job}", method="DELETE")
    return time.monotonic() - start


def order_often(digitd, dice):
    pauses, cancels = [], []
    for _ in range(ORDERS):
        job = json.loads(digitd.call("/api/v1/jobs", {"model": {"preset": "large"}, "training": {"epochs": 1000}}))["id"]
        wait_for_step(digitd, job)
        time.sleep(dice.random() / 4)
        pauses.append(time_pause(digitd, job))
        digitd.call(f"/api/v1/jobs/{job}/resume", method="POST")
        while digitd.job(job)["state"] != "running" or not digitd.job(job)["progress"]["step"]:
            time.sleep(0.02)
        time.sleep(dice.random() / 4)
        cancels.append(time_cancel(digitd, job))
    return pauses, cancels


def bench_orders(bench):
    with tempfile.TemporaryDirectory() as folder:
        digitd = Digitd(bench.options.build, bench.options.data_dir, folder)
        try:
            pauses, cancels = order_often(digitd, random.Random(1))
        finally:
            digitd.end()
    print(f"\nUntil a job of the preset large has stopped, {ORDERS} times each, ms\n{'':34}{'p50':>10}{'p99':>10}{'highest':>10}")
    for label, values in ("pause, with its checkpoint", pauses), ("cancel", cancels):
        values.sort()
        bench.results[label] = values
        print(f"{label:34}{median(values) * 1e3:>10.0f}{values[int(len(values) * 0.99) - 1] * 1e3:>10.0f}{values[-1] * 1e3:>10.0f}")
