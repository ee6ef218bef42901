"""The machine while it is measured: what it is, what it gives now, and who else uses it."""

from __future__ import annotations

import json
import os
import platform
import re
import resource
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = ROOT / "build" / "bench"  # probe, roofline

# Of a peak, between the probes around a run; neighbours of a virtual machine share its memory.
MOVED = {"float32": 0.05, "dram": 0.2}
OTHERS = 0.05  # of the machine's time, used by others during a run


def n_cores() -> int:
    return len(os.sched_getaffinity(0))


def cpu_name(cpuinfo: str) -> str:
    """Of the first CPU in /proc/cpuinfo; with its numbers where a guest is told a bare name."""
    found = dict(re.findall(r"^([\w ]+?)\s*: (.*)$", cpuinfo.split("\n\n", 1)[0], re.MULTILINE))
    name = found.get("model name")
    if name is None:
        return platform.processor()
    if re.search(r"\d", name):
        return name
    return f"{name} family {found['cpu family']} model {found['model']}"


def facts() -> dict[str, Any]:
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True
    )
    return {
        "cpu": cpu_name(Path("/proc/cpuinfo").read_text(encoding="utf-8")),
        "n_cores": n_cores(),
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "commit": commit.stdout.strip() or None,
    }


def probe(n_threads: int) -> dict[str, Any]:
    """Peaks now: `one` thread and `all` n_threads; see probe.cpp."""
    done = subprocess.run(
        [str(PROGRAMS / "probe"), str(n_threads)], capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    return {**found, "all": found["all"] or found["one"]}


def roofline(n_threads: int) -> list[dict[str, Any]]:
    """ops::linear and ops::attention on the shapes of real models, each against the peak of its
    type; see roofline.cpp."""
    done = subprocess.run(
        [str(PROGRAMS / "roofline"), str(n_threads)], capture_output=True, text=True, check=True
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return [line for line in lines if "share" in line]


@dataclass(frozen=True)
class Usage:
    """CPU seconds since boot: of everybody, of our own children, and all there was to use."""

    everybody: float
    ours: float
    total: float

    @classmethod
    def now(cls) -> Usage:
        first = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0]
        user, nice, system, idle, iowait, irq, softirq, steal, *_ = map(int, first.split()[1:])
        tick = os.sysconf("SC_CLK_TCK")
        busy = user + nice + system + irq + softirq + steal
        mine = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        own = sum(usage.ru_utime + usage.ru_stime for usage in mine)
        return cls(busy / tick, own, (busy + idle + iowait) / tick)

    def others_since(self, earlier: Usage) -> float:
        """Share of the machine's time that was neither idle nor ours."""
        busy = self.everybody - earlier.everybody - (self.ours - earlier.ours)
        return max(0.0, busy / max(self.total - earlier.total, 1e-9))


def wait_for_quiet(most_s: float) -> bool:
    """Returns when others leave the machine alone for half a second, or after most_s; whether it
    waited at all."""
    started = time.monotonic()
    waited = False
    while time.monotonic() - started < most_s:
        usage = Usage.now()
        time.sleep(0.5)
        if Usage.now().others_since(usage) <= OTHERS:
            break
        waited = True
    return waited


def disturbed(before: dict[str, Any], after: dict[str, Any], others: float) -> bool:
    """Whether the machine was not the same before and after a run, or not ours alone."""
    moved = any(abs(after["all"][k] / before["all"][k] - 1) > most for k, most in MOVED.items())
    return moved or others > OTHERS
