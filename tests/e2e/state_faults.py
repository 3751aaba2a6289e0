"""Every fault of the state, the disk, receivers, configuration, clock and process: what happens, in which words, for how long.

    state_faults.py --vigie BIN --dir DIR [--write] [--faults NAME...]

Each fault is played on a service of its own (`bench.py`), several at a time. What the service says is compared with
`golden/state/<name>.txt`; `--write` makes those anew. What reliability demands and the program does not do is told as a
gap at the end. One that does hold by now fails the run: it is to become a check.
"""

import argparse
import concurrent.futures
import ctypes
import importlib
import multiprocessing
import os
import pathlib
import random
import signal
import time
import traceback

import bench
import support
from support import PR_SET_PDEATHSIG, Failed, expect, main, report_fault

# Each enters its faults.
for part in ["store_faults", "delivery_faults", "process_faults"]:
    importlib.import_module(part)

AT_ONCE = 6
# Of each fault's own, so that two don't draw the same one.
PORTS_EACH = 250


def play(vigie, folder, number, name, write):
    """One fault, in a process of its own; gives what it came to, what did not hold, its gaps and its seconds."""
    title, seconds, run = bench.FAULTS[name]
    random.seed(number)
    support.PORT_RANGE = range(15_000 + number * PORTS_EACH, 15_000 + (number + 1) * PORTS_EACH)

    def too_long(*_):
        raise Failed(f"not done after {seconds} s")

    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(seconds)
    began, on = time.monotonic(), None
    try:
        on = bench.Bench(vigie, folder / name)
        shown = run(on)
        wrong = bench.compare(name, shown.message, write)
    except Failed as failed:
        shown, wrong = None, str(failed)
    except Exception:
        shown, wrong = None, "".join(traceback.format_exc(limit=-3))
    finally:
        signal.alarm(0)
    return name, title, shown, wrong, on.gaps if on else [], time.monotonic() - began


def follow_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def run():
    parser = argparse.ArgumentParser()
    parser.add_argument("--vigie", required=True, type=pathlib.Path)
    parser.add_argument("--dir", required=True, type=pathlib.Path)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--faults", nargs="+", choices=list(bench.FAULTS), default=list(bench.FAULTS), metavar="NAME")
    options = parser.parse_args()
    folder, vigie = options.dir.resolve(), options.vigie.resolve()
    expect(os.geteuid() == 0, "disks are mounted and owners changed, so this check must run as root")
    began, found = time.monotonic(), {}
    # A process each: a child of a thread would end with its thread, and two threads would share one alarm.
    context = multiprocessing.get_context("fork")
    names = sorted(options.faults, key=lambda name: -bench.FAULTS[name][1])
    with concurrent.futures.ProcessPoolExecutor(AT_ONCE, context, follow_parent, max_tasks_per_child=None) as pool:
        numbers = list(bench.FAULTS)
        under_way = [pool.submit(play, vigie, folder, numbers.index(name), name, options.write) for name in names]
        for done in concurrent.futures.as_completed(under_way):
            name, *outcome = done.result()
            found[name] = outcome
            print(f"{name}: {outcome[4]:.1f} s{' FAILED' if outcome[2] else ''}")
    wrong, gaps, closed = [], [], []
    for name in options.faults:
        title, shown, problem, own, _ = found[name]
        if problem:
            wrong.append(f"{name}: {problem}")
        else:
            report_fault(title, shown.happens, shown.recovery_seconds, shown.message)
        for holds, demanded, seen in own:
            (closed if holds else gaps).append(f"{name}: demanded: {demanded}; seen: {seen}")
    print(f"{len(options.faults)} faults in {time.monotonic() - began:.0f} s, {len(gaps)} known gaps")
    for gap in gaps:
        print(f"KNOWN GAP {gap}")
    wrong += [f"this gap is closed, make it a check: {gap}" for gap in closed]
    expect(not wrong, "\n".join(wrong))


if __name__ == "__main__":
    main(run)
