"""Kills the real daemon at every point of one whole cycle, one after the other, and has each run checked.

    points.py --vigie BIN --dir DIR [--every 10] [--seed 1] [--parallel 8] [--only write|sync|send]

A point is a call by which it leaves a trace: a write to one of the state's files, a sync, or a send. A first run counts
them; then, for each call and file, one run for each number n (every so many): strace sends SIGKILL as the call with that
number begins, so that it is not made any more and everything before it was. strace counts for each thread: of a file to
which two threads write it is the call of the one that gets to n first. A daemon without strace then goes on to the end of the
cycle, and `check_deliveries.py` must find nothing lost and nothing in excess. Runs go on side by side, each with servers,
source and state of its own. The seed draws which number of each `--every` is taken.
"""

import argparse
import collections
import concurrent.futures
import contextlib
import pathlib
import random
import re
import shutil
import time

from cycle import PHASE_S_MAX, Cycle
from support import Failed, expect, limit, main, wait_for

KILLED = -9
# Syncs and sends are few, and what is promised rests on them: so many times as many of them are taken.
DENSER = 4
KINDS = ("write", "sync", "send")
WRITES = ("write", "pwrite64", "writev", "ftruncate")
SYNCS = ("fsync", "fdatasync")
SENDS = ("sendto", "sendmsg", "writev")
TRACED = sorted({*WRITES, *SYNCS, *SENDS})
CALL = re.compile(r"^(\d+) +(\w+)\(\d+<([^>]*)>")
# Of the run that counts; and what a round may take on average. Each of its phases has a limit of its own.
COUNTED_S_MAX = 4 * PHASE_S_MAX
ROUND_S_MAX = PHASE_S_MAX
# A run has not always quite as many calls as the one that was counted: rounds that were over before their call came.
MISSED_SHARE_MAX = 0.2

# What is done to what: class of call, call, name of the file beside the state's (none: sockets).
Point = collections.namedtuple("Point", "kind call file number")


def count(lines, folder):
    """How often each call is made on each file, by the thread that makes it most: as strace counts."""
    threads = collections.Counter()
    for line in lines:
        found = CALL.match(line)
        if not found:
            continue
        thread, call, path = found.groups()
        if path.startswith("socket:"):
            expect(call in SENDS, f"sends by {call}, which this check does not know: {line[:200]}")
            threads["send", call, None, thread] += 1
        elif path == str(folder) or path.startswith(str(folder / "state.db")):
            kind = "sync" if call in SYNCS else "write"
            threads[kind, call, path.removeprefix(f"{folder}/") if path != str(folder) else ".", thread] += 1
    most = {}
    for (kind, call, file, _), number in threads.items():
        most[kind, call, file] = max(number, most.get((kind, call, file), 0))
    return most


def counted(vigie, folder):
    with contextlib.ExitStack() as servers:
        cycle = Cycle(vigie, folder, servers)
        with cycle.traced(["--seccomp-bpf", "-y", "-s", "0", "-e", "trace=" + ",".join(TRACED)]) as daemon:
            cycle.play(daemon.ended)
            code = daemon.stop()
            expect(code == 0, f"the daemon ended with {code}:\n{daemon.tail()}")
            cycle.over(killed=False)
        cycle.judge()
        return count(daemon.lines(), cycle.folder)


def killed_at(vigie, folder, point):
    """One round; gives whether the call came."""
    with contextlib.ExitStack() as servers:
        cycle = Cycle(vigie, folder, servers)
        where = [] if point.file is None else ["-P", cycle.folder / point.file]
        inject = f"inject={point.call}:signal=KILL:when={point.number}"
        what = [*where, "-e", f"trace={point.call}", "-e", inject]
        cycle.first = servers.enter_context(cycle.traced(what))

        def revive():
            """Once, after the kill."""
            if cycle.daemon.process.poll() is None:
                return None
            if cycle.daemon is not cycle.first or cycle.daemon.process.returncode != KILLED:
                return cycle.daemon.ended()
            cycle.over(killed=True)
            servers.enter_context(cycle.plain())
            return None

        cycle.play(revive)
        if cycle.daemon is cycle.first and cycle.first.stop() == KILLED:
            # It was ending.
            cycle.over(killed=True)
            servers.enter_context(cycle.plain())
        if cycle.daemon is not cycle.first:
            wait_until_it_stays(cycle)
            cycle.daemon.stop()
        code = cycle.daemon.process.returncode
        expect(code == 0, f"the daemon ended with {code}:\n{cycle.daemon.tail()}")
        cycle.over(killed=False)
        cycle.judge()
        return cycle.daemon is not cycle.first


def wait_until_it_stays(cycle):
    """A daemon that has just started may find more to do."""
    wait_for("the next start is ready", PHASE_S_MAX, cycle.ready, cycle.daemon.ended)
    wait_for("all outcomes are recorded", PHASE_S_MAX, cycle.quiet, cycle.daemon.ended)


def chosen(most, every, chance):
    """One number of each `every`, of each call and file; all of them with 1."""
    points = []
    for (kind, call, file), number in sorted(most.items(), key=str):
        step = every if kind == "write" else max(every // DENSER, 1)
        for first in range(1, number + 1, step):
            points.append(Point(kind, call, file, chance.randint(first, min(first + step - 1, number))))
    return points


def run():
    parser = argparse.ArgumentParser()
    parser.add_argument("--vigie", required=True)
    parser.add_argument("--dir", required=True)
    parser.add_argument("--every", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--parallel", type=int, default=8)
    parser.add_argument("--only", choices=KINDS, help="one class of points")
    options = parser.parse_args()
    folder = pathlib.Path(options.dir).resolve()
    limit(COUNTED_S_MAX)
    most = counted(options.vigie, folder / "counted")
    points = chosen(most, options.every, random.Random(options.seed))
    points = [point for point in points if options.only in (None, point.kind)]
    for kind in KINDS:
        of_kind = {f"{call} {file or 'sockets'}": number for (each, call, file), number in most.items() if each == kind}
        expect(of_kind, f"no call of the class {kind} was seen")
        parts = ", ".join(f"{number} {name}" for name, number in sorted(of_kind.items(), key=lambda each: -each[1]))
        print(f"{kind}: {sum(of_kind.values())} points ({parts}), {sum(each.kind == kind for each in points)} rounds")
    limit(COUNTED_S_MAX + ROUND_S_MAX * len(points) // options.parallel)
    began, came, wrong = time.monotonic(), collections.Counter(), []

    with concurrent.futures.ThreadPoolExecutor(options.parallel) as pool:
        rounds = {}
        for number, point in enumerate(points):
            place = folder / f"round{number:04}"
            rounds[pool.submit(killed_at, options.vigie, place, point)] = point, place
        try:
            for done in concurrent.futures.as_completed(rounds):
                point, place = rounds[done]
                try:
                    came[done.result()] += 1
                except Failed as failed:
                    wrong.append(f"{point}: {failed}")
                    expect(len(wrong) < 5, "\n".join(wrong))
                else:
                    # Only what failed is kept.
                    shutil.rmtree(place)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    expect(not wrong, "\n".join(wrong))
    seconds = time.monotonic() - began
    print(f"{len(points)} rounds in {seconds:.0f} s: killed in {came[True]}, over before the call in {came[False]}")
    expect(came[False] <= MISSED_SHARE_MAX * len(points), "too many rounds were over before their call came")
    print("nothing lost, nothing in excess, no history differs")


if __name__ == "__main__":
    main(run)
