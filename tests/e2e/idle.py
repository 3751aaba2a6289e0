"""What a service of fifty KPIs takes while it has nothing to do, and whether it takes more the longer it works.

    idle.py --vigie BIN --dir DIR [--slots 50]

Half of the KPIs come from SQLite, half from an API; each has an objective, four rules and 400 stored values. First with
daily figures: memory once the histories were pulled, after another start, after a slot of all KPIs, and idle. Then with a
slot every second, which stands for every minute, 1,440 of them for a day: memory, descriptors and the write-ahead log after a
third of the run and at its end. The environment is that of the shipped unit. Prints all figures.
"""

import argparse
import contextlib
import datetime
import http.server
import json
import os
import pathlib
import re
import sqlite3
import statistics
import threading
import time
import urllib.parse

from disk_full import ask, page
from support import HERE, Daemon, expect, free_port, limit, main, wait_for

KPIS, RULES, VALUES, DAY_S = 50, 4, 400, 86_400
# Resident memory while nothing is to be done.
IDLE_MIB_MAX = 30
# After the very first start: what 50 histories took while they were pulled is not all given back to the system.
FIRST_MIB_MAX = 34
# Without work for so long before it counts as idle.
IDLE_S = 8
# The run in which nothing may grow lasts for so many slots of a second, unless told. A start that has missed some comes
# first: it fills the page caches of the state's connections, up to 4 MiB, which would look like a leak.
SLOTS, MISSED_S = 50, 150
# Each point is the median over so many seconds.
POINT_S = 10
# Room for live alerts and for pages that fall into use by chance; what is stored comes on top of it. A short run has some
# 6,000 evaluations from the third to the end: a leak of 90 bytes for each is seen, unless it fits into holes that the start
# left in the heap. A day has 190,000: of 3 bytes.
OWN_KIB_MAX = 512
# What a stored value takes in memory. An array that is full is made twice as long.
VALUE_BYTES = 8
# Connections to the API that are kept for the next request, and files that are open for a moment.
DESCRIPTORS_MAX = 4
# SQLite writes the log back after 1,000 pages, a large commit later than that.
WAL_KIB_MAX = 1024

WRONG = []


def environment():
    """This one, with what contrib/systemd/vigie.service adds to it."""
    unit = (HERE.parent.parent / "contrib/systemd/vigie.service").read_text()
    added = dict(each.split("=", 1) for each in re.findall(r"^Environment=(\S+)$", unit, re.MULTILINE))
    # Of several arenas each comes to hold pages for the work that chance gives it, over hours: that would hide a leak, or
    # look like one.
    expect(added.get("MALLOC_ARENA_MAX") == "1", f"the unit sets {added}")
    return {**os.environ, **added}


def is_sql(number):
    return number % 2 == 0


def value_at(number, at, step):
    """Around 100; of every tenth KPI it goes beyond its limit in ten of forty steps, so that alerts come and end."""
    turn = at // step
    return 100 + (turn * 7 + number) % 5 + (100 if number % 10 == 0 and turn % 40 < 10 else 0)


class Api(http.server.BaseHTTPRequestHandler):
    """`/STEP/kNN?from=UNIX&to=UNIX`: a row for each step."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        step, name = url.path.strip("/").split("/")
        step, asked = int(step), dict(urllib.parse.parse_qsl(url.query))
        first = -(-int(asked["from"]) // step) * step
        rows = [{"at": at, "v": value_at(int(name[1:]), at, step)} for at in range(first, int(asked["to"]), step)]
        body = json.dumps({"rows": rows}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def serve():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def write_figures(path, step, ahead):
    """`ahead` steps of the future stand there too: a pull asks for what has ended only."""
    now = int(time.time()) // step * step
    times = range(now - (VALUES + MISSED_S + 10) * step, now + ahead * step, step)
    rows = [(f"k{number:02}", at, value_at(number, at, step)) for number in range(KPIS) if is_sql(number) for at in times]
    with contextlib.closing(sqlite3.connect(path)) as base, base:
        base.execute("CREATE TABLE figure (kpi TEXT, at INTEGER, value REAL, PRIMARY KEY (kpi, at)) WITHOUT ROWID")
        base.executemany("INSERT INTO figure VALUES (?, ?, ?)", rows)


def write_config(folder, api, listen, step, schedule):
    def kpi(number):
        name = f"k{number:02}"
        sql = f"SELECT at AS bucket, value FROM figure WHERE kpi = '{name}' AND at >= :from_unix AND at < :to_unix"
        params = {"from": "{from_unix}", "to": "{to_unix}"}
        return {
            "title": f"Figure {number}", "category": "operational", "better": "lower", "kind": {"level": {"over_time": "mean"}},
            "grain": "day" if step == DAY_S else "1s", "schedule": schedule,
            "history": f"{VALUES}d" if step == DAY_S else f"{VALUES + MISSED_S}s",
            "source": "shop" if is_sql(number) else "api",
            "query": sql if is_sql(number) else {"path": name, "params": params, "rows": "$.rows[*]", "time": "$.at", "value": "$.v"},
        }

    yesterday = datetime.datetime.now(datetime.timezone.utc).date() - datetime.timedelta(days=1)
    period = "month" if step == DAY_S else {"from": str(yesterday), "to": str(yesterday + datetime.timedelta(days=30))}
    config = {
        "timezone": "UTC", "language": "en", "state": "sqlite:state.db", "control": "control.sock", "listen": f"127.0.0.1:{listen}",
        "people": {"ada": {"mail": "ada@example.test"}},
        "sources": {"shop": {"sql": {"url": "sqlite://figures.db"}}, "api": {"http_json": {"url": f"http://127.0.0.1:{api}/{step}/"}}},
        "kpis": {f"k{number:02}": kpi(number) for number in range(KPIS)},
        "objectives": {
            f"o{number:02}": {"kpi": f"k{number:02}", "statement": f"Keep figure {number} low", "at_most": 250, "measure": "mean",
                              "period": period, "trajectory": "linear"}
            for number in range(KPIS)
        },
        "rules": {
            "high": {"script": "signal/threshold", "on": "all", "with": {"above": 150}},
            "rising": {"script": "signal/change", "on": "all", "with": {"rise": 5, "buckets": 7}},
            "off": {"script": "objective/off_trajectory", "on": "all"},
            "stale": {"script": "data/stale", "on": "all"},
        },
        "receivers": {"ops": {"maildir": {"path": "boxes", "to": ["ada"]}}},
        "route": {"to": "ops", "group": {"wait": "0s", "interval": "1s"}},
    }
    (folder / "vigie.yaml").write_text(json.dumps(config, indent=1))
    return folder / "vigie.yaml"


class Process:
    """What the system, and the daemon itself, say of it."""

    def __init__(self, daemon, folder, listen):
        self.pid, self.folder, self.listen = daemon.process.pid, folder, listen

    def status(self, *names):
        text = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return [int(re.search(rf"^{name}:\s+(\d+)", text, re.MULTILINE)[1]) for name in names]

    def memory(self):
        rss, own, file, most, threads = self.status("VmRSS", "RssAnon", "RssFile", "VmHWM", "Threads")
        mib = [f"{kib / 1024:.1f}" for kib in (rss, own, file, most)]
        return f"{mib[0]} MiB, {mib[1]} of its own and {mib[2]} of the files it maps; most {mib[3]}; {threads} threads"

    def look(self, when, most=IDLE_MIB_MAX):
        """Prints its memory, and notes when it is too much."""
        print(f"idle: {when}: {self.memory()}")
        if self.status("VmRSS")[0] > most * 1024:
            WRONG.append(f"{when}: {self.memory()}; {most} MiB may be resident")

    def sample(self):
        """Own memory and log in KiB, open descriptors, evaluations so far. The metrics are asked for as Prometheus would."""
        wal = (self.folder / "state.db-wal").stat().st_size // 1024
        found = re.search(r"^vigie_evaluations_total (\d+)$", page(self.listen, "/metrics")[1], re.MULTILINE)
        expect(found, "the metrics don't tell how many evaluations there were")
        return self.status("RssAnon")[0], wal, len(os.listdir(f"/proc/{self.pid}/fd")), int(found[1])


def stepped(state, since):
    """Whether all KPIs have stepped a slot since then, and no pull failed."""
    return ask(state, f"SELECT count(*) FROM kpi_clock WHERE last_slot >= {int(since) * 1000} AND last_error IS NULL") == KPIS


def daily(at):
    """Once a day at that second."""
    return time.strftime("%S %M %H * * *", time.gmtime(at))


def stop(daemon):
    code = daemon.stop(45)
    expect(code == 0, f"the daemon ended with {code} after SIGTERM:\n{daemon.tail()}")


def first_start(vigie, folder, api, step, at, ahead):
    """Prepares a service whose KPIs have had one slot at that second; gives its configuration and the address of its metrics."""
    folder.mkdir(parents=True)
    write_figures(folder / "figures.db", step, ahead)
    listen, state = free_port(), folder / "state.db"
    config = write_config(folder, api, listen, step, daily(at))
    with Daemon(vigie, config, folder / "first.log", cwd=folder, env=environment()) as daemon:
        wait_for("all histories are pulled and judged", 90, lambda: stepped(state, 0), daemon.ended)
        if step == DAY_S:
            time.sleep(IDLE_S)
            Process(daemon, folder, listen).look(f"first start, {VALUES} values of each KPI were pulled", FIRST_MIB_MAX)
        stop(daemon)
    stored = ask(state, "SELECT min(n) FROM (SELECT count(*) AS n FROM observation GROUP BY series)")
    # Some seconds pass between the start and the slot.
    expect(stored >= VALUES - 5, f"a series holds {stored} values, not {VALUES}")
    return listen, state


def idles(vigie, folder, api):
    listen, state = first_start(vigie, folder, api, DAY_S, time.time() - 60, 2)
    slot = int(time.time()) + 12
    config = write_config(folder, api, listen, DAY_S, daily(slot))
    with Daemon(vigie, config, folder / "run.log", cwd=folder, env=environment()) as daemon:
        process = Process(daemon, folder, listen)
        wait_for("the service is ready", 20, lambda: page(listen, "/readyz")[0] == 200, daemon.ended)
        before = process.sample()[-1]
        process.look("after the start")
        wait_for("the slot is judged", 60, lambda: stepped(state, slot), daemon.ended)
        judged = process.sample()[-1] - before
        expect(judged >= KPIS * RULES, f"{judged} evaluations, not {KPIS * RULES}")
        process.look("after a slot of all KPIs")
        time.sleep(IDLE_S)
        process.look(f"after {IDLE_S} s without work")
        stop(daemon)


def works(vigie, folder, api, slots):
    listen, state = first_start(vigie, folder, api, 1, time.time() - MISSED_S, slots + 600)
    config = write_config(folder, api, listen, 1, "every 1s")
    with Daemon(vigie, config, folder / "run.log", cwd=folder, env=environment()) as daemon:
        process = Process(daemon, folder, listen)
        wait_for("all KPIs have their slot every second", 120, lambda: stepped(state, time.time() - 3), daemon.ended)
        began, found = time.monotonic(), []
        while (at := time.monotonic() - began) < slots:
            found.append((at, *process.sample()))
            expect(not daemon.ended(), daemon.ended())
            time.sleep(0.5)
        expect(stepped(state, time.time() - 10), "the KPIs don't have their slot every second")
        print(f"works: at the end: {process.memory()}")
        stop(daemon)
    if slots > SLOTS:
        for tenth in range(10):
            own, wal, descriptors, judged = point(found, max(slots * tenth / 10, POINT_S / 2))
            print(f"works: {judged:.0f} evaluations: own memory {own:.0f} KiB, log {wal:.0f} KiB, {descriptors:.0f} descriptors")
    third, end = (point(found, at) for at in (slots / 3, slots - POINT_S / 2))
    judged, all_judged = end[-1] - third[-1], found[-1][-1] - found[0][-1]
    print(f"works: {slots} slots, {all_judged} evaluations: {third[-1]:.0f} by a third of the run, {judged:.0f} more by its end")
    # Slots that came too late are made up for.
    expect(all_judged >= (slots - 10) * KPIS * RULES, f"{slots} slots are {slots * KPIS * RULES} evaluations")
    stored = (end[-1] - third[-1]) / RULES * VALUE_BYTES * 2 / 1024
    room = [OWN_KIB_MAX + stored, WAL_KIB_MAX, DESCRIPTORS_MAX]
    for name, early, late, most in zip(["own memory, KiB", "write-ahead log, KiB", "descriptors"], third, end, room):
        print(f"works: {name}: {early:.0f} after a third, {late:.0f} at the end; {most:.0f} more are allowed")
        if late - early > most:
            WRONG.append(f"{name}: from {early:.0f} to {late:.0f}, {most:.0f} more are allowed")


def point(found, at):
    """Medians around a second of the run."""
    near = [row[1:] for row in found if abs(row[0] - at) <= POINT_S / 2]
    expect(len(near) >= 3, f"only {len(near)} samples around second {at:.0f}")
    return [statistics.median(column) for column in zip(*near)]


def run():
    parser = argparse.ArgumentParser()
    parser.add_argument("--vigie", type=pathlib.Path, required=True)
    parser.add_argument("--dir", type=pathlib.Path, required=True)
    parser.add_argument("--slots", type=int, default=SLOTS)
    options = parser.parse_args()
    limit(300 + options.slots)
    folder, vigie, api = options.dir.resolve(), options.vigie.resolve(), serve()
    idles(vigie, folder / "idle", api)
    works(vigie, folder / "works", api, options.slots)
    expect(not WRONG, "; ".join(WRONG))


if __name__ == "__main__":
    main(run)
