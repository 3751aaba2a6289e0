"""The disk of the state fills while a message is queued: what must happen is in three sentences.

    disk_full.py --vigie BIN --dir DIR

What is queued goes out, history pauses and the service says so (a message about itself, `/readyz`, a metric). A kill in
that state changes nothing. Once there is space everything is made up for. The disk is a small tmpfs of its own.
"""

import argparse
import contextlib
import os
import pathlib
import sqlite3
import subprocess
import time
import urllib.error
import urllib.request

from support import Daemon, Sink, expect, free_port, main, read_lines, report_fault, wait_for

DISK_MIB = 96
SHOPS = 400


def config(sink_port, listen):
    return f"""timezone: UTC
language: en
state: sqlite:disk/state.db
control: control.sock
listen: 127.0.0.1:{listen}
sources:
  shops: {{sql: {{url: "sqlite://values.db"}}}}
kpis:
  queue:
    title: Queue
    category: operational
    better: lower
    kind: level
    grain: 1s
    source: shops
    query: SELECT at AS bucket, 200 AS value FROM second WHERE at >= :from_unix AND at < :to_unix
    schedule: every 1s
    history: 10s
  visits:
    title: Visits
    category: customer
    kind: flow
    grain: 1s
    source: shops
    query: |
      SELECT at AS bucket, shop, at % 7 AS value FROM second, shop WHERE at >= :from_unix AND at < :to_unix
    dimensions: [shop]
    schedule: every 1s
    history: 10s
rules:
  too-long: {{script: signal/threshold, on: [queue], with: {{above: 100}}}}
receivers:
  ops: {{webhook: {{url: "http://127.0.0.1:{sink_port}/"}}}}
route: {{to: ops, group: {{by: [alert], wait: 0s, interval: 1s}}}}
"""


def write_values(path):
    now = int(time.time())
    with contextlib.closing(sqlite3.connect(path)) as base, base:
        base.execute("CREATE TABLE second (at INTEGER PRIMARY KEY)")
        base.execute("CREATE TABLE shop (shop TEXT PRIMARY KEY)")
        base.executemany("INSERT INTO second VALUES (?)", [(at,) for at in range(now - 60, now + 900)])
        base.executemany("INSERT INTO shop VALUES (?)", [(f"shop{number:03}",) for number in range(SHOPS)])


def ask(state, sql):
    with contextlib.suppress(sqlite3.OperationalError):
        with contextlib.closing(sqlite3.connect(f"file:{state}?mode=ro", uri=True, timeout=5)) as base:
            return base.execute(sql).fetchone()[0]
    return None


def page(port, path, seconds=5):
    """Status and text of one of the daemon's pages."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=seconds) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def fill(path):
    """Takes every free byte; gives how many were taken."""
    taken = 0
    with open(path, "ab", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while True:
                    taken += file.write(b"x" * size)
    return taken


def told(sink_log):
    """(aspect, state) of each alert in the receipts."""
    events = [line["event"] for line in read_lines(sink_log) if not line["refused"]]
    return [(alert["aspect"], alert["state"]) for event in events for alert in event["alerts"]]


def run():
    parser = argparse.ArgumentParser()
    parser.add_argument("--vigie", required=True)
    parser.add_argument("--dir", required=True)
    options = parser.parse_args()
    folder = pathlib.Path(options.dir).resolve()
    expect(os.geteuid() == 0, "a disk of its own is mounted, so this check must run as root")
    disk = folder / "disk"
    disk.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "none", disk], check=True)
    try:
        play(options.vigie, folder, disk)
    finally:
        subprocess.run(["umount", disk], check=True)


def play(vigie, folder, disk):
    state, log = disk / "state.db", folder / "vigie.log"
    write_values(folder / "values.db")
    sink_port, listen = free_port(), free_port()
    path = folder / "vigie.yaml"
    path.write_text(config(sink_port, listen))
    full = lambda: page(listen, "/readyz")[0] == 503 and "full" in page(listen, "/readyz")[1]
    newest = lambda: ask(state, "SELECT max(bucket) FROM observation")
    with Daemon(vigie, path, log, cwd=folder) as daemon:
        tried = "SELECT count(*) FROM attempt WHERE outcome = 'retry'"
        wait_for("a message waits for its receiver", 30, lambda: ask(state, tried), daemon.ended)
        expect(page(listen, "/readyz")[0] == 200, "the service is not ready while all is well")
        taken = fill(disk / "filler")
        print(f"disk: {taken >> 20} MiB taken, {os.statvfs(disk).f_bavail} blocks left")
        wait_for("the service says that its disk is full", 120, full, daemon.ended)
        expect("vigie_state_space_ok 0" in page(listen, "/metrics")[1], "the metric did not move")
        paused = newest()
        with Sink(folder, port=sink_port) as sink:
            both = lambda: {("breach", "firing"), ("system", "firing")} <= set(told(sink.receipts))
            wait_for("what was queued and the service's own trouble are told", 60, both, daemon.ended)
            expect(newest() == paused, "history went on although the disk is full")
            daemon.kill()
            daemon = Daemon(vigie, path, log, cwd=folder)
            with daemon:
                wait_for("the service starts on a full disk and says so", 30, full, daemon.ended)
                (disk / "filler").unlink()
                ready = lambda: page(listen, "/readyz")[0] == 200
                began = time.monotonic()
                wait_for("the service works again", 10, ready, daemon.ended)
                seconds = time.monotonic() - began
                caught_up = lambda: (newest() or 0) >= int(time.time()) - 4
                wait_for("missed slots are made up for", 30, caught_up, daemon.ended)
                over = lambda: ("system", "resolved") in told(sink.receipts)
                wait_for("the end of the trouble is told", 30, over, daemon.ended)
                holes = ask(
                    state,
                    "SELECT max(bucket) - min(bucket) + 1 - count(*) FROM observation"
                    " WHERE series = (SELECT id FROM series WHERE kpi = 'queue')",
                )
                expect(holes == 0, f"{holes} buckets are missing")
                code = daemon.stop()
                expect(code == 0, f"the daemon ended with {code}:\n{daemon.tail()}")
            open_rows = ask(state, "SELECT count(*) FROM delivery WHERE state = 'queued'")
            expect(open_rows == 0, f"{open_rows} deliveries are left")
            keys = [line["key"] for line in read_lines(sink.receipts) if not line["refused"]]
            unknown = ask(state, "SELECT count(*) FROM attempt WHERE outcome NOT IN ('sent', 'retry')")
            expect(len(keys) - len(set(keys)) <= unknown, f"more copies than {unknown} attempts of unknown outcome")
    expect(ask(state, "PRAGMA integrity_check") == "ok", "the database is damaged")
    happens = "history pauses, what is queued and the trouble itself are told; a kill meanwhile changes nothing; no bucket is missing"
    freed = next(line for line in log.read_text().splitlines() if "the reserve was freed" in line)
    report_fault("disk full", happens, seconds, freed.partition("Z ")[2].strip().replace(str(folder), "DIR"))


if __name__ == "__main__":
    main(run)
