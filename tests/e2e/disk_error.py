"""The disk fails to sync: the daemon ends at once, does not try again, and the next start goes on.

    disk_error.py --vigie BIN --dir DIR

What a failed fsync left behind is unknown, so going on would be guessing. strace makes one fail.
"""

import argparse
import pathlib
import time

from disk_full import ask, config, page, write_values
from support import Daemon, Sink, Traced, expect, free_port, main, read_lines, report_fault, wait_for

# One second, and what strace and a loaded machine take.
END_S_MAX = 3


def run():
    parser = argparse.ArgumentParser()
    parser.add_argument("--vigie", required=True)
    parser.add_argument("--dir", required=True)
    options = parser.parse_args()
    folder = pathlib.Path(options.dir).resolve()
    (folder / "disk").mkdir(parents=True)
    state = folder / "disk" / "state.db"
    write_values(folder / "values.db")
    listen = free_port()
    with Sink(folder) as sink:
        path = folder / "vigie.yaml"
        path.write_text(config(sink.port, listen))
        # The creation of the database syncs a few times; the failure comes while slots are committed.
        inject = "inject=fsync,fdatasync:error=EIO:when=40"
        command, what = [options.vigie, "run", "--config", path], ["-ttt", "-e", "trace=fsync,fdatasync", "-e", inject]
        with Traced(command, folder / "failing.log", folder / "strace.log", what, cwd=folder) as failing:
            wait_for("a failed sync ends the daemon", 60, failing.ended)
            ended = time.time()
            code_failed = failing.process.returncode
            calls = [line for line in failing.lines() if "sync" in line]
            failed = next(number for number, line in enumerate(calls) if "(INJECTED)" in line)
        expect(code_failed not in (0, 78), f"the daemon ended with {code_failed} after a failed sync")
        after = ended - float(calls[failed].split()[1])
        expect(after < END_S_MAX, f"the daemon ended {after:.1f} s after the sync that failed")
        expect("input or output error" in failing.tail(), f"the cause is not said:\n{failing.tail()}")
        later = len(calls) - failed - 1
        expect(later <= 4, f"{later} syncs followed the one that failed")
        began = time.time()
        with Daemon(options.vigie, path, folder / "vigie.log", cwd=folder) as daemon:
            wait_for("the next start is ready", 20, lambda: page(listen, "/readyz")[0] == 200, daemon.ended)
            newest = "SELECT max(bucket) FROM observation"
            caught_up = lambda: (ask(state, newest) or 0) >= int(began)
            wait_for("slots go on", 30, caught_up, daemon.ended)
            took = time.time() - began
            told = lambda: [line for line in read_lines(sink.receipts) if not line["refused"]]
            wait_for("the alert is told", 30, told, daemon.ended)
            code = daemon.stop()
            expect(code == 0, f"the daemon ended with {code}:\n{daemon.tail()}")
    expect(ask(state, "PRAGMA integrity_check") == "ok", "the database is damaged")
    happens = f"it ends with {code_failed} at the sync that fails and tries none again; the next start goes on"
    report_fault("disk fails to sync (EIO)", happens, took, failing.tail(1).replace(str(folder), "DIR"))


if __name__ == "__main__":
    main(run)
