"""Kills the real daemon at random moments and has everything checked afterwards.

    crash.py --vigie BIN --dir DIR [--kills 50] [--seed 1] [--series 6]

Values of several series cross a limit again and again, second by second, on a timeline written down beforehand. Every
crossing is to be told twice: as a mail through OpenSMTPD, and to a webhook that logs before it answers. Half of the
kills fall at a moment of chance, half a moment of chance after an attempt has begun. After the last kill all values turn
calm, and `check_deliveries.py` joins what everybody wrote. All randomness comes from the seed; the moments at which
the daemon itself acts do not.
"""

import argparse
import contextlib
import json
import pathlib
import random
import sqlite3
import subprocess
import sys
import time

from support import HERE, Daemon, Failed, MailServer, Sink, expect, main, report_fault, wait_for

LIMIT = 100
RECIPIENTS = ["claire@example.test", "webhook"]
# A share of kills must fall between an attempt's start and its outcome.
INSIDE_SHARE_MIN = 0.2


def config(folder, mail, sink):
    return f"""timezone: UTC
language: fr
state: sqlite:state.db
control: control.sock
{mail.yaml()}
people:
  claire: {{mail: claire@example.test}}

sources:
  shops: {{sql: {{url: "sqlite://values.db"}}}}

kpis:
  queue:
    title: File d'attente
    category: operational
    better: lower
    kind: level
    grain: 1s
    source: shops
    query: |
      SELECT at AS bucket, shop, value FROM queue
      WHERE at >= :from_unix AND at < :to_unix
    dimensions: [shop]
    schedule: every 1s
    expected: 10m after end
    history: 2m

rules:
  too-long:
    script: signal/threshold
    on: [queue]
    each: shop
    with: {{above: {LIMIT}}}

receivers:
  all:
    - {{email: {{to: [claire]}}}}
    - {{webhook: {{url: "http://127.0.0.1:{sink.port}/"}}}}

route:
  to: all
  group: {{by: [alert], wait: 0s, interval: 1s}}
"""


def timeline(chance, series, start, seconds):
    """For each shop the stretches [from, to) during which it is above the limit, in epoch seconds."""
    stretches = {}
    for shop in (f"shop{number}" for number in range(series)):
        at, found = start + chance.randint(5, 9), []
        while at < start + seconds:
            end = at + chance.randint(3, 7)
            found.append([at, end])
            at = end + chance.randint(3, 7)
        stretches[shop] = found
    return stretches


def write_values(path, chance, stretches, first, last):
    rows = []
    for shop, found in stretches.items():
        above = {at for start, end in found for at in range(start, end)}
        for at in range(first, last):
            value = chance.randint(LIMIT + 1, 200) if at in above else chance.randint(0, LIMIT)
            rows.append((at, shop, value))
    with contextlib.closing(sqlite3.connect(path)) as base, base:
        base.execute("CREATE TABLE queue (at INTEGER, shop TEXT, value INTEGER, PRIMARY KEY (at, shop))")
        base.executemany("INSERT INTO queue VALUES (?, ?, ?)", rows)


def calm_down(path, stretches, at):
    """From that second on nothing is above the limit; gives the timeline as it really was."""
    with contextlib.closing(sqlite3.connect(path, timeout=10)) as base, base:
        base.execute("UPDATE queue SET value = 0 WHERE at >= ?", (at,))
    return {
        shop: [[start, min(end, at)] for start, end in found if start < at]
        for shop, found in stretches.items()
    }


def ask(state, sql):
    """One number from the state database; none while it is not there yet."""
    if not state.exists():
        return None
    with contextlib.suppress(sqlite3.OperationalError):
        with contextlib.closing(sqlite3.connect(f"file:{state}?mode=ro", uri=True, timeout=5)) as base:
            return base.execute(sql).fetchone()[0]
    return None


def open_attempts(state):
    return ask(state, "SELECT count(*) FROM attempt WHERE outcome IS NULL") or 0


def wait_and_kill(daemon, state, chance):
    """Lets the daemon work for a while, then kills it; gives when, and how many attempts that cut off."""
    seconds = chance.uniform(0.3, 2.0)
    if chance.random() < 0.1:
        seconds += 4
    until = time.monotonic() + seconds
    # Drawn always, so that the sequence of choices doesn't depend on what the daemon did.
    aimed, later = chance.random() < 0.5, chance.uniform(0, 0.15)
    while time.monotonic() < until:
        reason = daemon.ended()
        expect(not reason, f"the daemon ended by itself: {reason}")
        time.sleep(0.01)
    if aimed:
        give_up = time.monotonic() + 3
        while time.monotonic() < give_up and not open_attempts(state):
            time.sleep(0.005)
        time.sleep(later)
    reason = daemon.ended()
    expect(not reason, f"the daemon ended by itself: {reason}")
    killed = daemon.kill()
    return killed, open_attempts(state)


def settle(daemon, state, calm):
    """Waits until nothing is left to be told."""

    def quiet():
        firing = ask(state, "SELECT count(*) FROM alert WHERE phase IN ('firing', 'pending')")
        queued = ask(state, "SELECT count(*) FROM delivery WHERE state = 'queued'")
        return time.time() > calm + 5 and firing == 0 and queued == 0

    with contextlib.suppress(Failed):
        wait_for("all alerts end and the outbox is quiet", 90, quiet, daemon.ended)
        # What is decided late must still have its chance.
        time.sleep(3)
        wait_for("the outbox stays quiet", 30, quiet, daemon.ended)
    code = daemon.stop()
    expect(code == 0, f"the daemon ended with {code} after SIGTERM:\n{daemon.tail()}")


def run():
    parser = argparse.ArgumentParser()
    parser.add_argument("--vigie", required=True)
    parser.add_argument("--dir", required=True)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--series", type=int, default=6)
    parser.add_argument("--refuse", type=float, default=0.02, help="share of requests that the webhook refuses")
    options = parser.parse_args()
    folder = pathlib.Path(options.dir).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(options.seed)
    state, values = folder / "state.db", folder / "values.db"
    with MailServer(folder / "smtp") as mail, Sink(folder, options.seed, 400, options.refuse) as sink:
        config_path = folder / "vigie.yaml"
        config_path.write_text(config(folder, mail, sink))
        start = int(time.time()) + 1
        horizon = options.kills * 8 + 600
        stretches = timeline(chance, options.series, start, horizon)
        write_values(values, chance, stretches, start - 120, start + horizon)
        runs, inside = [], 0
        for number in range(options.kills + 1):
            began = int(time.time() * 1000)
            daemon = Daemon(options.vigie, config_path, folder / "vigie.log", cwd=folder)
            with daemon:
                if number < options.kills:
                    ended, cut = wait_and_kill(daemon, state, chance)
                    inside += cut > 0
                    runs.append({"start": began, "end": ended, "killed": True, "open_attempts": cut})
                else:
                    again = lambda: (ask(state, "SELECT max(last_slot) FROM kpi_clock") or 0) >= began
                    wait_for("slots go on", 30, again, daemon.ended)
                    took = time.time() - began / 1000
                    calm = int(time.time()) + 4
                    stretches = calm_down(values, stretches, calm)
                    settle(daemon, state, calm)
                    runs.append({"start": began, "end": int(time.time() * 1000), "killed": False, "open_attempts": 0})
        wait_for_mail(folder, state, mail)
    write_record(folder, runs, start, stretches)
    print(f"kills: {options.kills}, inside an attempt: {inside} ({inside / max(options.kills, 1):.0%})")
    checker = subprocess.run([sys.executable, HERE / "check_deliveries.py", folder], check=False)
    expect(checker.returncode == 0, f"the checker found violations (folder {folder})")
    expect(
        inside >= options.kills * INSIDE_SHARE_MIN,
        f"only {inside} of {options.kills} kills fell inside an attempt; at least {INSIDE_SHARE_MIN:.0%} must",
    )
    happens = "the next start goes on; nothing is lost or told out of order, and no copy comes but of attempts that were cut off"
    report_fault("killed at random, and amid attempts (SIGKILL)", happens, took)


def write_record(folder, runs, start, stretches):
    """What the checker reads beside the state and the receipts."""
    (folder / "runs.jsonl").write_text("".join(json.dumps(each) + "\n" for each in runs))
    oracle = {
        "start": start,
        "limit": LIMIT,
        "rule": "too-long",
        "kpi": "queue",
        "label": "shop",
        "recipients": RECIPIENTS,
        "stretches": stretches,
    }
    (folder / "oracle.json").write_text(json.dumps(oracle))


def wait_for_mail(folder, state, mail):
    """The mail server answers before its own delivery; what it took must reach the maildir."""
    sent = "SELECT count(*) FROM delivery WHERE state = 'sent' AND recipient LIKE '%@%'"
    until = time.monotonic() + 15
    while time.monotonic() < until and len(list((mail.mails / "new").glob("*"))) < (ask(state, sent) or 0):
        time.sleep(0.1)
    time.sleep(1)


if __name__ == "__main__":
    main(run)
