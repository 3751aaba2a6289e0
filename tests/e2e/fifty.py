"""Fifty APIs with twenty KPIs each, all due in the same minute, and one of them hangs for ever.

    fifty.py --vigie BIN --dir DIR

Every KPI of the other forty-nine is stepped within a minute of its slot, the daemon stays under 150 MB, the hanging API
is asked a few times and not by all its KPIs, and what is stored is what the APIs said. Prints how late slots were.
"""

import argparse
import contextlib
import datetime
import http.server
import json
import pathlib
import random
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request

from support import Child, Daemon, answers, expect, free_port, main, wait_for

SOURCES = 50
KPIS = 20
HANGING = 7
EVERY = 120
LATE_MAX = 60
RSS_MAX_KB = 150 * 1024
# A pull that is not answered ends after 60 s: some first ones at once, then one at a time.
HANGING_REQUESTS_MAX = 12


def value_at(source, kpi, minute):
    """A figure that no rounding leaves alone, different for each KPI and minute."""
    return (source * 131 + kpi * 17 + minute) % 1000 + 0.25


class Api(http.server.BaseHTTPRequestHandler):
    """`/sNN/kNN?from=..&to=..`: one row a minute. `/count`: requests of each API so far."""

    protocol_version = "HTTP/1.1"
    counts = [0] * SOURCES
    lock = threading.Lock()

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        if url.path == "/count":
            return self.say(self.counts)
        source, kpi = (int(part[1:]) for part in url.path.strip("/").split("/"))
        with self.lock:
            self.counts[source] += 1
        if source == HANGING:
            threading.Event().wait()
        asked = urllib.parse.parse_qs(url.query)
        first, end = (instant(asked[name][0]) // 60 for name in ("from", "to"))
        rows = [{"at": text(minute * 60), "v": value_at(source, kpi, minute)} for minute in range(first, end)]
        return self.say({"rows": rows})

    def say(self, answer):
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512


def instant(words):
    return int(datetime.datetime.fromisoformat(words.replace("Z", "+00:00")).timestamp())


def text(epoch):
    return datetime.datetime.fromtimestamp(epoch, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def config(port):
    sources = "".join(
        f'  s{source:02}: {{http_json: {{url: "http://127.0.0.1:{port}/s{source:02}/"}}}}\n' for source in range(SOURCES)
    )
    kpis = "".join(
        f"  s{source:02}-k{kpi:02}:\n"
        f"    title: KPI {kpi} of {source}\n"
        "    category: operational\n    better: lower\n    kind: flow\n    grain: 1m\n"
        f"    source: s{source:02}\n"
        f'    query: {{path: k{kpi:02}, params: {{from: "{{from}}", to: "{{to}}"}}, rows: "$.rows[*]", time: $.at, value: $.v}}\n'
        f"    schedule: every {EVERY // 60}m\n    history: 30m\n    expected: 1h after end\n"
        for source in range(SOURCES)
        for kpi in range(KPIS)
    )
    return f"""timezone: UTC
state: sqlite:state.db
control: control.sock
people:
  ada: {{mail: ada@example.test}}
sources:
{sources}
kpis:
{kpis}
rules:
  high: {{script: signal/threshold, on: {{category: operational}}, with: {{above: 5000}}}}
receivers:
  ada: {{maildir: {{path: mails, to: [ada]}}}}
route: {{to: ada, group: {{wait: 0s}}}}
"""


def names(but_hanging):
    return {
        f"s{source:02}-k{kpi:02}"
        for source in range(SOURCES)
        for kpi in range(KPIS)
        if not (but_hanging and source == HANGING)
    }


def rows(state, sql):
    with contextlib.suppress(sqlite3.OperationalError):
        with contextlib.closing(sqlite3.connect(f"file:{state}?mode=ro", uri=True)) as base:
            return base.execute(sql).fetchall()
    return []


def done_with(state, slot):
    """KPIs whose slot was stepped with what it asked for."""
    sql = "SELECT kpi, body ->> '$.last_slot', body ->> '$.open' FROM kpi_clock"
    return {kpi for kpi, last, is_open in rows(state, sql) if last and not is_open and instant(last) >= slot}


def lateness(state, slot, daemon):
    """Seconds after the slot at which each KPI was first seen done with it, to a fifth of a second."""
    wanted, seen = names(but_hanging=True), {}
    while len(seen) < len(wanted) and time.time() < slot + LATE_MAX + 30:
        expect(not daemon.ended(), daemon.ended())
        for kpi in done_with(state, slot) - seen.keys():
            seen[kpi] = max(0.0, time.time() - slot)
        time.sleep(0.2)
    missing = sorted(wanted - seen.keys())
    expect(not missing, f"{len(missing)} KPIs are not done {LATE_MAX + 30} s after their slot, such as {missing[:3]}")
    return sorted(seen.values())


def shown(found):
    at = {share: found[min(len(found) - 1, int(len(found) * share / 100))] for share in (0, 50, 90, 99)}
    return ", ".join(f"p{share} {late:.1f} s" for share, late in at.items()) + f", last {found[-1]:.1f} s"


def peak_kb(daemon):
    status = pathlib.Path(f"/proc/{daemon.process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


def stored_equals_the_api(state, slot, seed):
    """Sums of the ten minutes before the slot, of KPIs chosen by chance."""
    chosen = random.Random(seed).sample(sorted(names(but_hanging=True)), 25)
    first, end = slot // 60 - 10, slot // 60
    for kpi in chosen:
        sql = f"""SELECT count(*), sum(value) FROM observation JOIN series ON series.id = observation.series
                  WHERE kpi = '{kpi}' AND bucket >= {first} AND bucket < {end}"""
        (count, total), = rows(state, sql)
        source, number = (int(part[1:]) for part in kpi.split("-"))
        wanted = sum(value_at(source, number, minute) for minute in range(first, end))
        expect((count, total) == (10, wanted), f"{kpi}: stored {count} values, sum {total}; the API said {wanted}")
    return len(chosen)


def asked(vigie, folder, command, *more):
    line = [vigie, command, "--config", folder / "vigie.yaml", "--format", "json", *more]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120, check=False)
    expect(done.returncode == 0, f"`vigie {command}` ended with {done.returncode}: {done.stderr[-2000:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def query_says_the_same(vigie, folder):
    found = 0
    for row in asked(vigie, folder, "query", "s03-k11"):
        if row["type"] == "observation":
            minute = instant(row["start"]) // 60
            expect(row["value"] == value_at(3, 11, minute), f"`vigie query`: {row}")
            found += 1
    expect(found > 5, f"`vigie query` showed {found} values")


def status_tells(vigie, folder):
    """The hanging source is told with its cause; the others are well."""
    sources = {row["source"]: row for row in asked(vigie, folder, "status") if row["type"] == "source"}
    hanging = sources.pop(f"s{HANGING:02}")
    expect(hanging["state"] in ("paused", "trying", "failing"), f"the hanging source: {hanging}")
    expect(hanging["failures"] > 0 and "did not answer" in hanging["cause"], f"the hanging source: {hanging}")
    expect(hanging["not_sent"] > 0, f"all its pulls were sent: {hanging}")
    wrong = {name: row for name, row in sources.items() if row["state"] != "ok" or row["pulls"] < 2 * KPIS}
    expect(not wrong and len(sources) == SOURCES - 1, f"other sources: {wrong}")


def run():
    parser = argparse.ArgumentParser()
    parser.add_argument("--serve", type=int)
    parser.add_argument("--vigie")
    parser.add_argument("--dir", type=pathlib.Path)
    options = parser.parse_args()
    if options.serve:
        Server(("127.0.0.1", options.serve), Api).serve_forever()
    folder = options.dir.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    port, state = free_port(), folder / "state.db"
    (folder / "vigie.yaml").write_text(config(port))
    with Child([sys.executable, __file__, "--serve", port], folder / "api.log") as api:
        wait_for("the APIs answer", 20, lambda: answers(port), api.ended)
        with Daemon(options.vigie, folder / "vigie.yaml", folder / "vigie.log", cwd=folder) as daemon:
            began = time.time()
            everything = names(but_hanging=True)
            wait_for("the first pulls", 110, lambda: everything <= done_with(state, 0), daemon.ended)
            print(f"fifty: {len(everything)} histories after {time.time() - began:.1f} s")
            # Late enough that nothing is left of the start, and that hung pulls have met their deadline.
            slot = (int(max(time.time() + 5, began + 65)) // EVERY + 1) * EVERY
            time.sleep(slot - time.time())
            found = lateness(state, slot, daemon)
            print(f"fifty: {len(found)} slots, {shown(found)}")
            expect(found[-1] <= LATE_MAX, f"the last slot was stepped {found[-1]:.1f} s late")
            checked = stored_equals_the_api(state, slot, 5)
            query_says_the_same(options.vigie, folder)
            status_tells(options.vigie, folder)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/count", timeout=10) as answer:
                counts = json.load(answer)
            expect(counts[HANGING] <= HANGING_REQUESTS_MAX, f"the hanging API was asked {counts[HANGING]} times")
            peak = peak_kb(daemon)
            expect(peak <= RSS_MAX_KB, f"the daemon took {peak} kB")
            code = daemon.stop(45)
            expect(code == 0, f"the daemon ended with {code} after SIGTERM:\n{daemon.tail()}")
    print(f"fifty: peak {peak / 1024:.0f} MB; the hanging API was asked {counts[HANGING]} times; {checked} sums equal")


if __name__ == "__main__":
    main(run)
