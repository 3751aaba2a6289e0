"""What each fault of `state_faults.py` is played on: a service with a slot every second, and what is asked of it.

A fault is a function of a `Bench`. It breaks one thing, has what the service says compared with `golden/state/<name>.txt`,
mends the thing, and gives what happened with the seconds until the service worked again.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import re
import sqlite3
import subprocess
import time

from disk_full import ask, page
from lifecycle import configuration
from scripted_receivers import Hook
from support import HERE, Child, Healthy, differs_from_golden, expect, free_port, measured, wait_for

GOLDEN = HERE / "golden" / "state"
# From the mending until a slot is stepped, where nothing else is said; a slot comes each second.
RECOVERY_S_MAX = 20
NOTHING = "(nothing is said)"
QUEUED = "SELECT count(*) FROM delivery WHERE state = 'queued'"
GROUP = {"by": ["alert"], "wait": "0s", "interval": "1s"}
# By name, in the order of the table.
FAULTS = {}


@dataclasses.dataclass
class Shown:
    """What a fault came to: in words, as the service put it, and how long it took to work again."""

    happens: str
    message: str
    recovery_seconds: float | None


def fault(title, seconds=90):
    """Enters a fault under the function's name, with how long it may take."""

    def enter(play):
        FAULTS[play.__name__.replace("_", "-")] = (title, seconds, play)
        return play

    return enter


class Bench:
    def __init__(self, vigie, folder):
        self.vigie, self.folder = vigie, folder
        self.disk, self.config, self.log = folder / "disk", folder / "vigie.yaml", folder / "run.log"
        self.state = self.disk / "state.db"
        self.disk.mkdir(parents=True)
        self.healthy, self.listen = Healthy(), free_port()
        # What reliability.md demands and the program does not do: (demanded, shown).
        self.gaps = []
        self.configure()

    def configure(self, **changes):
        """Settings of `lifecycle.py`, with the state on a disk of its own; each change takes the place of a section."""
        settings = configuration(self.healthy, [self.listen], state="sqlite:disk/state.db", timezone="UTC", language="en")
        del settings["kpis"]["other"]
        settings["rules"]["high"]["on"] = ["pulse"]
        settings.update(changes)
        self.config.write_text(json.dumps(settings, indent=1))

    def start(self, *wrapped, **options):
        command = [*wrapped, self.vigie, "run", "--config", self.config]
        return Child(command, self.log, cwd=self.folder, **options)

    def ask(self, sql):
        return ask(self.state, sql)

    def rows(self, sql, *values):
        with contextlib.closing(sqlite3.connect(f"file:{self.state}?mode=ro", uri=True, timeout=5)) as base:
            return base.execute(sql, values).fetchall()

    def page(self, path):
        return page(self.listen, path)

    def metric(self, line):
        """A metric's value by the name with its labels."""
        found = [each.rpartition(" ")[2] for each in self.page("/metrics")[1].splitlines() if each.startswith(line + " ")]
        return float(found[0]) if found else None

    def is_ready(self):
        return self.page("/readyz")[0] == 200

    def newest(self):
        """Epoch seconds of the newest slot that was stepped."""
        return (self.ask("SELECT max(last_slot) FROM kpi_clock WHERE kpi = 'pulse'") or 0) / 1000

    def works(self, daemon, since, seconds=RECOVERY_S_MAX):
        """Seconds from `since` (of the clock) until it is ready and has stepped a slot that came later."""
        wait_for("the service is ready and steps slots", seconds, lambda: self.is_ready() and self.newest() >= since, daemon.ended)
        return time.time() - since

    def lives(self, *wrapped, seconds=30, **options):
        """A service that works."""
        daemon = self.start(*wrapped, **options)
        try:
            self.works(daemon, time.time(), seconds)
        except Exception:
            daemon.kill()
            raise
        return daemon

    def has_lived(self, slots=3):
        """Leaves the state of a service that worked for a while and ended in order."""
        with self.lives() as daemon:
            wait_for("a few slots", 30, lambda: (self.ask("SELECT count(*) FROM observation") or 0) >= slots, daemon.ended)
            ends_well(daemon)

    def files(self):
        """Checksums of all files of the state; the lock's own file holds no state."""
        found = {}
        for path in sorted(self.disk.iterdir()):
            if path.name != "state.db.lock":
                found[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
        return found

    def refused(self, *wrapped, code=1, seconds=30, **options):
        """What a start says that must be refused with that code and leave every file as it was."""
        before = self.files()
        command = [*wrapped, self.vigie, "run", "--config", self.config]
        said, ended, took, mib = measured(command, seconds, **options)
        expect(ended == code, f"the start ended with {ended} after {took:.1f} s, where {code} was due: {said}")
        after = self.files()
        changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
        expect(not changed, f"a start that was refused touched {changed}: {said}")
        return said

    def recovers(self, seconds=RECOVERY_S_MAX):
        """Starts what was mended; gives the seconds until it worked."""
        began = time.time()
        with self.start() as daemon:
            took = self.works(daemon, began, seconds)
            ends_well(daemon)
        return took

    def lines(self, *needles, since=0):
        """Lines of the log that hold one of these, without their times, each once."""
        text = self.log.read_text(errors="replace")[since:]
        found = [line for line in text.splitlines() if any(needle in line for needle in needles)]
        return "\n".join(dict.fromkeys(re.sub(r"^\S+Z +", "", line) for line in found))

    def gap(self, holds, demanded, shown):
        """Notes whether a demand is met that is known not to be."""
        self.gaps.append((holds, demanded, shown))

    def normalised(self, text, keep=None):
        """Without what differs from run to run: the folder, ports, numbers (but those that match `keep`)."""
        text = text.replace(str(self.folder), "DIR")
        text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z?", "TIME", text)
        text = re.sub(r"(127\.0\.0\.1|localhost):\d{4,5}\b", r"\1:PORT", text)

        def number(found):
            return found.group() if keep and re.fullmatch(keep, found.group()) else "N"

        return re.sub(r"(?<![\w.-])\d+(?![\w.]*\w)", number, text).strip() + "\n"


def hooked(bench, **changes):
    """A webhook, and each alert goes there by itself."""
    hook = Hook()
    bench.configure(receivers={"ops": {"webhook": {"url": f"http://127.0.0.1:{hook.port}/"}}}, route={"to": "ops", "group": GROUP}, **changes)
    return hook


def quiet(bench):
    return bench.ask(QUEUED) == 0


def ends_well(daemon, seconds=20):
    code = daemon.stop(seconds)
    expect(code == 0, f"the daemon ended with {code}:\n{daemon.tail()}")


def compare(name, message, write):
    """How what was said differs from what is kept; none where it does not."""
    return differs_from_golden(GOLDEN / f"{name}.txt", message, write)


@contextlib.contextmanager
def mounted(place, options):
    """A file system of its own in memory."""
    expect(os.geteuid() == 0, "a disk of its own is mounted, so this check must run as root")
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", place], check=True)
    try:
        yield
    finally:
        # What still has a file open there is ended by whoever began it.
        subprocess.run(["umount", "--lazy", place], check=True)


def tampering(daemon, path, inject, log):
    """strace beside a running service: calls on that file fail until it is ended."""
    command = ["strace", "-f", "-ttt", "-qq", "-o", log, "-p", daemon.process.pid, "-P", path, "-e", inject]
    return Child(command, log.with_suffix(".said"))
