"""The daemon as its service manager, its admin and its metrics see it: start, reload, end.

    lifecycle.py --vigie BIN --dir DIR

A socket of our own takes the place of systemd's. The daemon says READY=1 once, pings the watchdog while it works, tells of
each reload, and STOPPING=1. A KPI has a slot every second: whatever is reloaded, refused or asked a thousand times over,
none of them is missed, and no descriptor is left behind. Prometheus' tool reads its metrics and the shipped alerts. Prints what each part took.
"""

import argparse
import contextlib
import csv
import datetime
import fcntl
import json
import os
import pathlib
import re
import resource
import signal
import socket
import sqlite3
import subprocess
import threading
import time
import urllib.request

from support import HERE, Daemon, Healthy, expect, figures, free_port, main, program, promtool_reads, report_fault, wait_for

WATCHDOG_S = 6
HANGUPS = 1000
SLOW_CLIENTS = 2000
# From a slot until it is judged; its pull is one HTTP request.
LATE_S_MAX = 2.5
CONFIGURATION_ERROR = 78
EXPIRY = "vigie_credential_expiry_timestamp_seconds"


class Manager:
    """What a service manager is sent, one datagram each."""

    def __init__(self, folder):
        self.path = str(folder / "notify.sock")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.came, self.lock = [], threading.Lock()
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            text = self.socket.recv(4096).decode()
            with self.lock:
                self.came.append((time.monotonic(), text))

    def count(self, word):
        with self.lock:
            return sum(word in text.split("\n") for _, text in self.came)

    def all(self):
        with self.lock:
            return list(self.came)


def configuration(healthy, ports, **changes):
    settings = {
        "timezone": "Europe/Paris", "state": "sqlite:state.db", "control": "control.sock", "listen": f"127.0.0.1:{ports[0]}",
        "people": {"ada": {"mail": "ada@example.test"}},
        "sources": {"healthy": {"http_json": {"url": f"http://127.0.0.1:{healthy.port}/"}}},
        "kpis": {
            "pulse": {"title": "Pulse", "category": "operational", "unit": "none", "source": "healthy", "grain": "1s",
                      "schedule": "every 1s", "kind": "level", "history": "10s",
                      "query": {"path": "", "rows": "$", "value": "$.value"}},
            "other": {"title": "Other", "category": "operational", "unit": "none", "source": "healthy", "grain": "1s",
                      "schedule": "every 1s", "kind": "level", "history": "10s",
                      "query": {"path": "", "rows": "$", "value": "$.value"}},
        },
        "rules": {"high": {"script": "signal/threshold", "on": ["pulse", "other"], "with": {"above": 100}}},
        "receivers": {"ops": {"maildir": {"path": "boxes", "to": ["ada"]}}},
        "route": {"to": "ops", "group": {"wait": "0s"}},
    }
    settings.update(changes)
    return settings


class Service:
    def __init__(self, vigie, folder):
        self.vigie, self.folder = vigie, folder
        folder.mkdir(parents=True, exist_ok=True)
        self.config = folder / "vigie.yaml"
        self.healthy, self.port = Healthy(), free_port()
        self.manager = Manager(folder)
        self.settings = configuration(self.healthy, [self.port])
        self.write(self.settings)
        env = {**os.environ, "NOTIFY_SOCKET": self.manager.path, "WATCHDOG_USEC": str(WATCHDOG_S * 1_000_000)}
        env.pop("WATCHDOG_PID", None)
        self.daemon = Daemon(vigie, self.config, folder / "run.log", env=env)

    def write(self, settings):
        # JSON is YAML; a reader never sees half of it.
        new = self.config.with_suffix(".new")
        new.write_text(settings if isinstance(settings, str) else json.dumps(settings, indent=1))
        new.rename(self.config)

    def ask(self, *words):
        command = [self.vigie, "--config", self.config, *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout + done.stderr

    def metric(self, name):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as page:
            return figures(page.read().decode(), name)

    def figure(self, name):
        return self.metric(name)[name]

    def hangup(self):
        os.kill(self.daemon.process.pid, signal.SIGHUP)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.daemon.process.pid}/fd"))

    def log(self):
        return self.daemon.log.read_text(errors="replace")


def is_live(service):
    """Slots are judged as they come."""
    return time.time() - service.figure("vigie_last_evaluation_timestamp_seconds") < LATE_S_MAX


def started(service):
    wait_for("READY=1", 20, lambda: service.manager.count("READY=1") == 1, service.daemon.ended)
    wait_for("slots are judged", 20, lambda: is_live(service), service.daemon.ended)
    wait_for("a status line", 10, lambda: any("STATUS=2 KPIs" in text for _, text in service.manager.all()))
    wait_for("watchdog pings", 2 * WATCHDOG_S, lambda: service.manager.count("WATCHDOG=1") >= 3)


def reloaded(service):
    """A KPI more, a rule less, a limit that is crossed at once, a secret that ends."""
    before = service.metric("vigie_config_info")
    settings = configuration(service.healthy, [service.port])
    settings["kpis"]["third"] = dict(settings["kpis"]["pulse"], title="Third")
    settings["rules"] = {"low": {"script": "signal/threshold", "on": ["third"], "with": {"below": 5}}}
    token = service.folder / "token"
    token.touch(0o600)
    token.write_text("n0-0ne-asks")
    bearer = {"file": token.name, "expires": "2999-12-31"}
    settings["sources"]["healthy"]["http_json"]["auth"] = {"bearer": bearer}
    expect(service.metric(EXPIRY) == {}, "no secret says that it ends")
    service.write(settings)
    began = time.monotonic()
    code, said = service.ask("reload")
    took = time.monotonic() - began
    expect(code == 0 and "reloaded: 3 KPIs" in said and "1 rules" in said, f"reload: {code} {said}")
    expect(service.metric("vigie_config_info") != before, "the checksum of the configuration did not change")
    # In Paris the year ends an hour earlier.
    ends = datetime.datetime(2999, 12, 31, 23, tzinfo=datetime.timezone.utc).timestamp()
    expect(service.metric(EXPIRY) == {EXPIRY + '{credential="{file: token}"}': ends}, f"secrets that end: {service.metric(EXPIRY)}")
    expect(service.manager.count("RELOADING=1") == 1, "no RELOADING=1")
    wait_for("READY=1 after the reload", 5, lambda: service.manager.count("READY=1") == 2)
    reloading = next(text for _, text in service.manager.all() if "RELOADING=1" in text)
    expect("MONOTONIC_USEC=" in reloading, f"RELOADING without its time: {reloading!r}")
    wait_for("the new rule fires", 10, lambda: service.metric("vigie_alerts").get('vigie_alerts{severity="warning",state="firing"}', 0) >= 1)
    return f"reload: {took * 1000:.0f} ms"


def refused(service):
    """What is wrong is said to whoever asked and to the log; the old configuration stays in force."""
    in_force = service.metric("vigie_config_info")
    good = service.config.read_text()
    bad = json.loads(good)
    bad["kpis"]["third"]["sourse"] = bad["kpis"]["third"].pop("source")
    service.write(bad)
    service.hangup()
    wait_for("the refusal in the log", 10, lambda: "not reloaded, the configuration before stays in force" in service.log())
    expect("did you mean `source`" in service.log(), f"no hint in the log:\n{service.daemon.tail()}")
    expect(service.metric("vigie_config_last_reload_successful") == {"vigie_config_last_reload_successful": 0.0}, "the metric says well")
    expect(service.metric("vigie_config_info") == in_force, "another configuration is in force")
    code, said = service.ask("reload")
    expect(code == CONFIGURATION_ERROR and "did you mean `source`" in said, f"reload of a bad configuration: {code} {said}")
    # The service itself must know, whoever finds the errors first: its log and its metric are what somebody watches.
    expect(service.log().count("not reloaded") == 2, f"the refusal of the command is not in the log:\n{service.daemon.tail()}")
    # A file that is half written.
    empty = {key: value for key, value in json.loads(good).items() if key not in ("kpis", "rules")}
    service.write(empty)
    code, said = service.ask("reload")
    expect(code == 1 and "has no KPI any more" in said, f"reload without KPIs: {code} {said}")
    # What a command sees as well formed the daemon may still refuse.
    moved = json.loads(good)
    moved["listen"] = "127.0.0.1:1"
    service.write(moved)
    code, said = service.ask("reload")
    expect(code == 1 and "`listen` can't change while the service runs" in said, f"reload with another address: {code} {said}")
    expect(is_live(service), "slots are not judged after refusals")
    service.write(good)
    began = time.monotonic()
    code, said = service.ask("reload")
    expect(code == 0, f"the old configuration again: {code} {said}")
    expect(service.metric("vigie_config_last_reload_successful") == {"vigie_config_last_reload_successful": 1.0}, "the metric says ill")
    refusal = next(line for line in service.log().splitlines() if "not reloaded" in line)
    happens = "the one before stays in force; the log, the metric and whoever asked say why, `vigie reload` ends with 78"
    report_fault("bad configuration on reload", happens, time.monotonic() - began, re.sub(r"^\S+Z +", "", refusal))


def hung_up(service):
    """A storm of signals is a few reloads; no slot is missed, nothing is left open."""
    time.sleep(2)
    wait_for("slots are judged", 5, lambda: is_live(service))
    open_before, reloads_before = service.descriptors(), service.manager.count("RELOADING=1")
    judged_before, missed_before = service.figure("vigie_evaluations_total"), service.figure("vigie_slots_missed_total")
    began = time.monotonic()
    for _ in range(HANGUPS):
        service.hangup()
        time.sleep(0.005)
    took = time.monotonic() - began
    time.sleep(2.5)
    reloads = service.manager.count("RELOADING=1") - reloads_before
    expect(1 <= reloads <= took + 3, f"{HANGUPS} signals in {took:.1f} s were {reloads} reloads")
    wait_for("slots are judged", 5, lambda: is_live(service))
    judged = service.figure("vigie_evaluations_total") - judged_before
    missed = service.figure("vigie_slots_missed_total") - missed_before
    # One rule on one KPI with a slot every second.
    whole = int(time.monotonic() - began)
    expect(missed == 0 and abs(judged - whole) <= 2, f"{judged} slots of {whole} were judged amid the reloads, {missed} missed")
    wait_for("no descriptor more than before", 10, lambda: service.descriptors() <= open_before + 2)
    expect(service.manager.count("READY=1") == service.manager.count("RELOADING=1") + 1, "RELOADING=1 and READY=1 don't match")
    report_fault("1,000 SIGHUP", "a few reloads, no slot is missed, no descriptor is left open", None)
    return f"{HANGUPS} SIGHUP in {took:.1f} s: {reloads} reloads, {judged:.0f} slots and none missed, {open_before} descriptors"


def louder(service):
    code, said = service.ask("log-level", "vigie=trace,debug")
    expect(code == 0 and "logging at" in said, f"log-level: {code} {said}")
    wait_for("debug lines", 10, lambda: "DEBUG vigie" in service.log() or "TRACE vigie" in service.log())
    expect("DEBUG hyper" not in service.log(), "libraries tell what may hold secrets")
    for wrong in ("lou[d", "dbug"):
        code, said = service.ask("log-level", wrong)
        expect(code == 1 and "is not understood" in said, f"a level that is none: {code} {said}")
    expect(service.ask("log-level", "info")[0] == 0, "back to info")


def measured(service):
    """Prometheus' own tool reads the page, and every metric that the shipped alerts read stands on it."""
    promtool = program("promtool", "prometheus")
    with urllib.request.urlopen(f"http://127.0.0.1:{service.port}/metrics", timeout=5) as page:
        text = page.read().decode()
    promtool_reads(text)
    shipped = HERE.parent.parent / "contrib/prometheus"
    for words in (["check", "rules", "vigie.rules.yml"], ["test", "rules", "vigie.test.yml"]):
        done = subprocess.run([promtool, *words], cwd=shipped, capture_output=True, text=True, timeout=60, check=False)
        expect(done.returncode == 0, f"promtool {words}: {done.stdout}{done.stderr}")
    names = {line.split("{")[0].split(" ")[0] for line in text.splitlines() if not line.startswith("#")}
    dashboard = shipped.parent / "grafana/vigie.json"
    expressions = [each["expr"] for panel in json.loads(dashboard.read_text())["panels"] for each in panel["targets"]]
    rules = [line for line in (shipped / "vigie.rules.yml").read_text().splitlines() if not line.startswith("#")]
    read = set(re.findall(r"\bvigie_[a-z_]+", "\n".join(rules + expressions)))
    expect(len(read) >= 7 and read <= names, f"alerts or the dashboard read metrics that are not there: {sorted(read - names)}")
    return f"promtool: {len(names)} metrics, {len(read)} of them read by the shipped alerts and the dashboard"


def backed_up(service):
    """A copy made amid the writing is a state that another service goes on with."""
    code, said = service.ask("backup", service.folder / "copy.db")
    expect(code == 0 and "bytes, checked" in said, f"backup: {code} {said}")
    copied = sqlite3.connect(service.folder / "copy.db")
    with contextlib.closing(copied):
        count = copied.execute("SELECT count(*) FROM observation").fetchone()[0]
        expect(count > 0 and copied.execute("PRAGMA integrity_check").fetchone() == ("ok",), f"the copy holds {count} observations")
    return f"backup of the live state: {said.strip().rpartition(': ')[2]}"


def audited(service):
    """Starts, reloads with what they changed and refusals stand in a record that shows whether it was changed."""
    code, said = service.ask("silence", "add", "--kpi", "pulse", "--for", "1h", "--why", "=audit")
    expect(code == 0, f"silence: {code} {said}")
    code, said = service.ask("audit", "--format", "json")
    rows = [json.loads(line) for line in said.splitlines()]
    expect(code == 0 and rows[-1]["broken_at"] is None, f"audit: {code} {said[-400:]}")
    whats = [row["what"] for row in rows[:-1]]
    expect(whats[0] == "start" and whats[-1] == "silence" and whats.count("reload") > 5, f"audit: {whats}")
    first = next(row for row in rows if row.get("what") == "reload")
    changes = {"kpis": {"added": ["third"]}, "rules": {"added": ["low"], "removed": ["high"]}}
    expect(first["by"] and first["detail"]["changes"] == changes, f"the first reload: {first}")
    refusals = [row for row in rows[:-1] if "refused" in row["detail"]]
    expect(len(refusals) >= 3, f"refused reloads: {refusals}")
    code, said = service.ask("audit", "--format", "csv")
    table = list(csv.DictReader(said.splitlines()))
    expect(code == 0 and len(table) == len(rows) - 1 and table[-1]["what"] == "silence", f"audit as a table: {said[-400:]}")
    return f"audit: {len(table)} entries"


def besieged(service):
    """Clients that never say what they want keep nobody from the metrics, and no slot waits for them."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (SLOW_CLIENTS + 200, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    open_before, missed_before = service.descriptors(), service.figure("vigie_slots_missed_total")
    with contextlib.ExitStack() as clients:
        for _ in range(SLOW_CLIENTS):
            client = clients.enter_context(socket.create_connection(("127.0.0.1", service.port), timeout=5))
            with contextlib.suppress(OSError):
                client.send(b"GET /metrics HTTP/1.1\r\nHost: ")
        began = time.monotonic()
        missed = service.figure("vigie_slots_missed_total") - missed_before
        took = time.monotonic() - began
        expect(took < 1, f"the metrics took {took:.1f} s beside {SLOW_CLIENTS} slow clients")
        expect(missed == 0 and is_live(service), f"{missed} slots were missed beside slow clients")
        expect(service.descriptors() < open_before + 300, f"{service.descriptors()} descriptors are open")
    gone = time.monotonic()
    wait_for("slow clients are gone", 20, lambda: service.descriptors() <= open_before + 5)
    happens = "the oldest are cut off, the metrics answer within a second, no slot is missed"
    report_fault("2,000 slow clients", happens, time.monotonic() - gone)
    return f"beside {SLOW_CLIENTS} slow clients the metrics took {took * 1000:.0f} ms"


def pings_as_it_works(service):
    """At least twice in each limit of the watchdog, all the time."""
    times = [at for at, text in service.manager.all() if "WATCHDOG=1" in text]
    longest = max(late - early for early, late in zip(times, times[1:]))
    expect(longest < WATCHDOG_S / 2, f"{longest:.1f} s without a ping; the limit is {WATCHDOG_S} s")
    return f"{len(times)} pings, at most {longest:.1f} s apart"


def ended(service):
    began = time.monotonic()
    code = service.daemon.stop()
    expect(code == 0, f"the daemon ended with {code}:\n{service.daemon.tail()}")
    expect(service.manager.count("STOPPING=1") == 1, "no STOPPING=1")
    return f"SIGTERM to the end: {(time.monotonic() - began) * 1000:.0f} ms"


def not_started(vigie, folder):
    """With errors in its configuration it ends with 78 and never says that it is ready."""
    folder.mkdir()
    (folder / "vigie.yaml").write_text("timezon: Europe/Paris\n")
    manager = Manager(folder)
    env = {**os.environ, "NOTIFY_SOCKET": manager.path}
    with Daemon(vigie, folder / "vigie.yaml", folder / "run.log", env=env) as daemon:
        code = wait_for("the end", 20, lambda: daemon.process.poll())
    expect(code == CONFIGURATION_ERROR, f"a configuration with errors: {code}")
    expect("did you mean `timezone`" in daemon.log.read_text(), f"no hint:\n{daemon.tail()}")
    expect(manager.count("READY=1") == 0, "READY=1 in spite of errors")


def watches(process, number):
    """Whether it has a handler of its own for that signal."""
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"^SigCgt:\s*(\w+)", status, re.MULTILINE)[1], 16) >> (number - 1) & 1


def hung_up_at_start(vigie, folder):
    """A reload that is asked for while the service still starts follows its start; none ends it."""
    folder.mkdir()
    with open(folder / "state.db.lock", "wb") as lock:
        # Held as by the service before it: the start waits, with its configuration read already.
        fcntl.flock(lock, fcntl.LOCK_EX)
        began = time.monotonic()
        service = Service(vigie, folder)
        with service.daemon:
            wait_for("SIGHUP is watched", 10, lambda: watches(service.daemon.process, signal.SIGHUP), service.daemon.ended)
            watched = time.monotonic() - began
            time.sleep(1)
            settings = configuration(service.healthy, [service.port])
            settings["kpis"]["third"] = dict(settings["kpis"]["pulse"], title="Third")
            service.write(settings)
            for _ in range(3):
                service.hangup()
                time.sleep(0.3)
            expect(not service.daemon.ended(), service.daemon.ended())
            expect(not service.manager.all(), f"it told its manager {service.manager.all()} amid its start")
            fcntl.flock(lock, fcntl.LOCK_UN)
            wait_for("its start, then the reload", 30, lambda: service.manager.count("READY=1") == 2, service.daemon.ended)
            words = [text.split("\n")[0] for _, text in service.manager.all() if text.startswith(("READY", "RELOADING"))]
            expect(words == ["READY=1", "RELOADING=1", "READY=1"], f"it told its manager {words}")
            expect("vigie is ready kpis=2" in service.log() and "reloaded: 3 KPIs" in service.log(), f"its log:\n{service.daemon.tail()}")
            expect(service.daemon.stop() == 0, f"it did not end well:\n{service.daemon.tail()}")
    # Before the program can watch anything a signal does what the process was born with: ignored, as `nohup` has it.
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        for delay_ms in (0, 1, 2, 4, 8, 16):
            with Daemon(vigie, service.config, folder / f"{delay_ms}.log") as daemon:
                time.sleep(delay_ms / 1000)
                daemon.process.send_signal(signal.SIGHUP)
                wait_for("it is ready in spite of SIGHUP", 20, lambda: "vigie is ready" in daemon.log.read_text(), daemon.ended)
                expect(daemon.stop() == 0, f"it did not end well:\n{daemon.tail()}")
    finally:
        signal.signal(signal.SIGHUP, before)
    report_fault("SIGHUP amid a start", "the start goes on, the reload follows it", None)
    return f"SIGHUP amid a start: taken up after it; watched {watched * 1000:.0f} ms after the process was asked for"


def locked_down(vigie, folder):
    """The units hold for systemd's own tool, and leave little open."""
    analyze, shipped = program("systemd-analyze", "systemd"), HERE.parent.parent / "contrib/systemd"
    folder.mkdir()
    units = []
    for unit in sorted(shipped.glob("vigie*.*")):
        text = unit.read_text()
        units.append(folder / unit.name)
        units[-1].write_text(text.replace("/usr/bin/vigie ", f"{vigie} "))
    expect(len(units) == 3, f"units are {units}")
    told = []
    for drop_in in [None, *sorted((shipped / "drop-ins").glob("*.conf"))]:
        places = folder / "vigie.service.d"
        places.mkdir(exist_ok=True)
        if drop_in:
            # Keys of a newer systemd are unknown to an older one.
            if drop_in.name == "systemd-254.conf":
                continue
            (places / drop_in.name).write_text(drop_in.read_text())
        done = subprocess.run([analyze, "verify", "--man=no", *units], capture_output=True, text=True, timeout=60, check=False)
        ours = [line for line in (done.stdout + done.stderr).splitlines() if "vigie" in line]
        expect(done.returncode == 0 and not ours, f"systemd-analyze verify with {drop_in}: {done.stdout}{done.stderr}")
    for unit in (unit for unit in units if unit.suffix == ".service"):
        command = [analyze, "security", "--offline=true", "--threshold=12", "--no-pager", unit]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        expect(done.returncode == 0, f"{unit.name} leaves more open than 1.2: {done.stdout}{done.stderr}")
        told.append(f"{unit.name} {re.search(r'exposure level for .*: ([0-9.]+)', done.stdout)[1]}")
    return "exposure: " + ", ".join(told)


def run():
    parser = argparse.ArgumentParser()
    parser.add_argument("--vigie", type=pathlib.Path, required=True)
    parser.add_argument("--dir", type=pathlib.Path, required=True)
    args = parser.parse_args()
    folder = args.dir.resolve()
    service = Service(args.vigie, folder)
    with service.daemon:
        for part in (started, reloaded, refused, hung_up, louder, measured, backed_up, audited, besieged, pings_as_it_works, ended):
            told = part(service)
            if told:
                print(told)
    not_started(args.vigie, folder / "wrong")
    print(hung_up_at_start(args.vigie, folder / "hung-up"))
    print(locked_down(args.vigie, folder / "units"))


if __name__ == "__main__":
    main(run)
