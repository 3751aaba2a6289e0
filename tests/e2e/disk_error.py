"""The disk fails to sync: the daemon ends at once, does not try again, and the next start goes on.

    disk_error.py --vigie BIN --dir DIR

What a failed fsync left behind is unknown, so going on would be guessing. strace makes one fail.
"""

import argparse
import pathlib
import time

from disk_full import ask, config, page, write_values
from support import Daemon, Sink, Traced, expect, free_port, main, read_lines, wait_for


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
        command, what = [options.vigie, "run", "--config", path], ["-e", "trace=fsync,fdatasync", "-e", inject]
        with Traced(command, folder / "failing.log", folder / "strace.log", what, cwd=folder) as failing:
            wait_for("a failed sync ends the daemon", 60, failing.ended)
            code = failing.process.returncode
            calls = [line for line in failing.lines() if "sync" in line]
            failed = next(number for number, line in enumerate(calls) if "(INJECTED)" in line)
        expect(code not in (0, 78), f"the daemon ended with {code} after a failed sync")
        expect("input or output error" in failing.tail(), f"the cause is not said:\n{failing.tail()}")
        later = len(calls) - failed - 1
        expect(later <= 4, f"{later} syncs followed the one that failed")
        with Daemon(options.vigie, path, folder / "vigie.log", cwd=folder) as daemon:
            wait_for("the next start is ready", 20, lambda: page(listen, "/readyz")[0] == 200, daemon.ended)
            newest = "SELECT max(bucket) FROM observation"
            caught_up = lambda: (ask(state, newest) or 0) >= int(time.time()) - 4
            wait_for("slots go on", 30, caught_up, daemon.ended)
            told = lambda: [line for line in read_lines(sink.receipts) if not line["refused"]]
            wait_for("the alert is told", 30, told, daemon.ended)
            code = daemon.stop()
            expect(code == 0, f"the daemon ended with {code}:\n{daemon.tail()}")
    expect(ask(state, "PRAGMA integrity_check") == "ok", "the database is damaged")
    print(f"disk error: ended with the sync that failed ({later} later), the next start went on")


if __name__ == "__main__":
    main(run)
