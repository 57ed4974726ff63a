"""What else the machine did while something was measured: a figure is worth little when others took the processors."""

import os

TICK = os.sysconf("SC_CLK_TCK")


def _processes():
    """{id: (parent, ticks used)} of every process, threads and ended children included."""
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:  # ended meanwhile
            continue
        found[int(name)] = int(fields[1]), sum(map(int, fields[11:15]))
    return found


def _own_ticks():
    """Of this process and all that descend from it."""
    found = _processes()
    own, grown = {os.getpid()}, True
    while grown:
        more = {name for name, (parent, _) in found.items() if parent in own} - own
        own |= more
        grown = bool(more)
    return sum(found[name][1] for name in own)


def _busy_ticks():
    """Of all processors together; what a hypervisor gave to others counts, too."""
    with open("/proc/stat", encoding="utf-8") as file:
        user, nice, system, _, _, irq, softirq, steal = map(int, file.readline().split()[1:9])
    return user + nice + system + irq + softirq + steal


class Witness:
    """Between start() and stop(): how many processors' worth of time went to others than this bench."""

    def __init__(self):
        self.others = self.elapsed = 0.0

    def start(self):
        self._at = os.times().elapsed, _busy_ticks() - _own_ticks()

    def stop(self):
        at, ticks = self._at
        self.elapsed += os.times().elapsed - at
        self.others += max(0, _busy_ticks() - _own_ticks() - ticks) / TICK

    def warning(self):
        """None when others had less than a twentieth of a processor."""
        share = self.others / self.elapsed if self.elapsed else 0
        return f"Disturbed: other processes took {share:.2f} processors while this was measured." if share > 0.05 else None
