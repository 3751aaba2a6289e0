"""Each alert about Vigie itself, made to fire in a real Prometheus by a fault of its own, and to end once that is mended.

    own_alerts.py --vigie BIN --dir DIR

Prometheus scrapes several daemons twice a second with contrib/prometheus/vigie.rules.yml, whose durations are shortened
(`short_time.py`) and nothing else. The alerts are read from that file: one for which no fault is known here fails the check.
Before the faults nothing fires, once there is something to watch, and nothing but what a fault is meant to raise ever does.
promtool reads the page of each daemon. Prints how long each alert took to fire and to end.
"""

import argparse
import concurrent.futures
import contextlib
import datetime
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
import urllib.request

from disk_full import DISK_MIB, fill, page
from servers import Prometheus
from short_time import prove, shorten
from support import HERE, Child, Daemon, Sink, answers, expect, figures, free_port, held, main, promtool_reads, wait_for

RULES = HERE.parent.parent / "contrib/prometheus/vigie.rules.yml"
# All is well for so long before the faults; nothing may even be about to fire.
QUIET_S = 3
FIRES_S_MAX = ENDS_S_MAX = 60
ALL_S_MAX = 120

STOPPED_S_MIN = 4
DAY = datetime.timedelta(days=1)
LOW, HIGH, BAD = 1, 200, 13
SCRIPT = f"""// Well on nearly all figures.
fn evaluate(kpi, p) {{
    let limits = [100];
    if kpi.value == {BAD} {{ return above(kpi.value, limits[{BAD}]); }}
    above(kpi.value, limits[0])
}}
"""


# Who watches, and who is watched.


class Watcher(threading.Thread):
    """The alerts of Prometheus as of now, and all that ever fired: (alert, instance)."""

    def __init__(self, prometheus):
        super().__init__(daemon=True)
        self.prometheus, self.over = prometheus, threading.Event()
        self.now, self.fired, self.looks = {}, set(), 0

    def run(self):
        while not self.over.wait(0.1):
            # When it does not answer, whoever waits for an alert says so.
            with contextlib.suppress(OSError):
                alerts = self.get("alerts")["alerts"]
                now = {(each["labels"]["alertname"], each["labels"].get("instance", "")): each["state"] for each in alerts}
                self.fired |= {key for key, state in now.items() if state == "firing"}
                self.now, self.looks = now, self.looks + 1

    def get(self, what):
        with urllib.request.urlopen(f"{self.prometheus.url}/api/v1/{what}", timeout=5) as answer:
            return json.load(answer)["data"]

    def is_firing(self, alert, instance):
        return self.now.get((alert, instance)) == "firing"


class Files(Child):
    """A source that answers with a file."""

    def __init__(self, folder, port=None):
        folder.mkdir(exist_ok=True)
        self.folder, self.port = folder, port or free_port()
        command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "--directory", folder, self.port]
        super().__init__(command, folder.with_suffix(".log"))
        self.name = "the source"
        wait_for("the source answers", 20, lambda: answers(self.port), self.ended)

    def say(self, name, value):
        new = self.folder / f"{name}.new"
        new.write_text(json.dumps({"value": value}))
        new.rename(self.folder / f"{name}.json")


class Zone:
    """One in which the day is over within the hour."""

    def __init__(self):
        now = datetime.datetime.now(datetime.timezone.utc)
        hours = 23 - now.hour if now.hour >= 9 else -1 - now.hour
        # The names have it the other way round.
        self.name = f"Etc/GMT{-hours:+d}" if hours else "Etc/GMT"
        self.there = datetime.timezone(datetime.timedelta(hours=hours))
        self.today = now.astimezone(self.there).date()

    def ends(self, day):
        """The moment at which a day is over, as seconds of Unix."""
        return datetime.datetime.combine(day + DAY, datetime.time(), self.there).timestamp()


class Service:
    """A daemon with a KPI that has a slot every second."""

    def __init__(self, vigie, folder, source, **changes):
        self.name, self.vigie, self.folder, self.source = folder.name, vigie, folder, source
        (folder / "rules").mkdir(parents=True, exist_ok=True)
        (folder / "rules/fragile.rhai").write_text(SCRIPT)
        self.config, self.listen = folder / "vigie.yaml", free_port()
        self.say(LOW)
        kpi = {"category": "operational", "unit": "none", "source": "files", "grain": "1s", "schedule": "every 1s", "kind": "level",
               "history": "10s", "query": {"path": f"{self.name}.json", "rows": "$", "value": "$.value"}}
        self.settings = {
            "timezone": "UTC", "language": "en", "state": "sqlite:state.db", "control": "control.sock",
            "listen": f"127.0.0.1:{self.listen}",
            "people": {"ada": {"mail": "ada@example.test"}},
            "sources": {"files": {"http_json": {"url": f"http://127.0.0.1:{source.port}/"}}},
            "kpis": {"pulse": {"title": "Pulse", **kpi}},
            "rules": {"fragile": {"script": "fragile", "on": ["pulse"]}},
            "receivers": {"ops": {"maildir": {"path": "boxes", "to": ["ada"]}}},
            "route": {"to": "ops", "group": {"wait": "0s", "interval": "1s"}},
            **changes,
        }
        self.write(self.settings)
        self.start()

    def say(self, value):
        self.source.say(self.name, value)

    def write(self, settings):
        new = self.config.with_suffix(".new")
        new.write_text(json.dumps(settings, indent=1))
        new.rename(self.config)

    def start(self):
        self.daemon = Daemon(self.vigie, self.config, self.folder / "run.log", cwd=self.folder)

    def is_judging(self):
        return page(self.listen, "/readyz")[0] == 200 and "\nvigie_evaluations_total 0\n" not in page(self.listen, "/metrics")[1]

    def ask(self, *words):
        command = [self.vigie, "--config", self.config, *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        expect(done.returncode == 0, f"{self.name}: {words} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def hangup(self):
        os.kill(self.daemon.process.pid, signal.SIGHUP)

    def stop(self):
        code = self.daemon.stop()
        expect(code == 0, f"{self.name}: the daemon ended with {code}:\n{self.daemon.tail()}")


# The faults.


class Faults:
    """Each method provokes one fault, or two that follow from another, and mends it; what it saw goes into the table."""

    def __init__(self, vigie, folder, children, watcher):
        self.began, self.zone = time.monotonic(), Zone()
        self.vigie, self.folder, self.children, self.table, self.watcher = vigie, folder, children, [], watcher
        files = children.enter_context(Files(folder / "files"))
        self.dying = children.enter_context(Files(folder / "dying"))
        self.sinks = {name: free_port() for name in ("refused", "queue")}
        self.refusing = children.enter_context(Sink(folder / "refused-sink", refuse=1.0, port=self.sinks["refused"]))
        self.services = {}
        for name in ("stopped", "reload", "failing", "refused", "queue", "source", "disk", "locked", "restored", "secret"):
            changes = {"state": "sqlite:disk/state.db"} if name == "disk" else {}
            if name in self.sinks:
                changes["receivers"] = {"ops": {"webhook": {"url": f"http://127.0.0.1:{self.sinks[name]}/"}}}
            if name == "secret":
                changes = {"timezone": self.zone.name, "receivers": self.valid_until(self.zone.today + DAY)}
            self.services[name] = Service(vigie, folder / name, self.dying if name == "source" else files, **changes)
            # As it stands at the end: some are started again.
            children.callback(lambda service=self.services[name]: service.daemon.__exit__())
        for service in self.services.values():
            wait_for(f"{service.name} judges", 30, service.is_judging, service.daemon.ended)

    def fires(self, alert, name, fault, since=None):
        began = since or time.monotonic()
        wait_for(f"{alert} fires ({fault})", FIRES_S_MAX, lambda: self.watcher.is_firing(alert, name), self.watcher.prometheus.ended)
        row = {"alert": alert, "instance": name, "fault": fault, "fires": time.monotonic() - began, "ends": None}
        self.table.append(row)
        return row

    def ends(self, row, since=None):
        began = since or time.monotonic()
        still = lambda: (row["alert"], row["instance"]) in self.watcher.now
        wait_for(f"{row['alert']} ends once it is mended ({row['fault']})", ENDS_S_MAX, lambda: not still(), self.watcher.prometheus.ended)
        row["ends"] = time.monotonic() - began

    def stopped(self):
        service = self.services["stopped"]
        service.stop()
        since = time.monotonic()
        down = self.fires("VigieDown", "stopped", "stopped", since)
        # A single slot that is due, and not for long, is in time: several must pass.
        time.sleep(max(0, STOPPED_S_MIN - (time.monotonic() - since)))
        # `increase` needs the series to exist before, within its range: here it was scraped as 0 before the stop, and that is
        # less than the (shortened) hour ago. The counter of the new process may stand at its number when first scraped.
        started = time.monotonic()
        service.start()
        missed = self.fires("VigieSlotsMissed", "stopped", "started again after slots passed", started)
        self.ends(down, started)
        self.ends(missed, started)

    def reload(self):
        service = self.services["reload"]
        broken = json.loads(json.dumps(service.settings))
        broken["kpis"]["pulse"]["sourse"] = broken["kpis"]["pulse"].pop("source")
        service.write(broken)
        service.hangup()
        row = self.fires("VigieReloadFailed", "reload", "broken configuration, SIGHUP")
        service.write(service.settings)
        service.hangup()
        self.ends(row)

    def failing(self):
        service = self.services["failing"]
        service.say(BAD)
        row = self.fires("VigieEvaluationsFailing", "failing", "a figure that the script can't bear")
        service.say(LOW)
        self.ends(row)

    def refused(self):
        self.services["refused"].say(HIGH)
        row = self.fires("VigieDeliveriesFailing", "refused", "the webhook answers 503")
        self.refusing.stop()
        self.children.enter_context(Sink(self.folder / "refused-sink", port=self.sinks["refused"]))
        self.ends(row)

    def queue(self):
        self.services["queue"].say(HIGH)
        row = self.fires("VigieQueueOld", "queue", "nobody listens where the webhook goes")
        self.children.enter_context(Sink(self.folder / "queue-sink", port=self.sinks["queue"]))
        self.ends(row)

    def source(self):
        self.dying.kill()
        row = self.fires("VigieSourceDown", "source", "the source is killed")
        self.children.enter_context(Files(self.dying.folder, self.dying.port))
        self.ends(row)

    def restored(self):
        service, backup = self.services["restored"], self.folder / "backup.db"
        service.ask("backup", backup)
        service.stop()
        service.ask("restore", backup)
        service.start()
        row = self.fires("VigieMessagesWithheld", "restored", "a backup is restored")
        # What the alert says to do.
        waits = service.ask("deliveries", "--state", "queued")
        expect(waits == "no delivery\n", f"the backup had something to send: {waits}")
        service.ask("release")
        self.ends(row)

    def valid_until(self, day):
        """A receiver whose address is a secret with that last day; none: with no such day."""
        secret = self.folder / "secret/hook"
        secret.parent.mkdir(exist_ok=True)
        secret.touch(0o600)
        secret.write_text("http://127.0.0.1:9/")
        return {"ops": {"webhook": {"url": {"file": secret.name} | ({"expires": day.isoformat()} if day else {})}}}

    def becomes_valid_until(self, day):
        service, name = self.services["secret"], "vigie_credential_expiry_timestamp_seconds"
        service.write(service.settings | {"receivers": self.valid_until(day)})
        service.hangup()
        wanted = {name + '{credential="{file: hook}"}': self.zone.ends(day)} if day else {}
        shown = lambda code, text: code == 200 and figures(text, name) == wanted
        wait_for(f"{name} is {wanted}", 20, lambda: shown(*page(service.listen, "/metrics")), service.daemon.ended)

    def secret(self):
        # While all was well it was valid for a day more, which is longer than (the shortened) fourteen days.
        self.becomes_valid_until(self.zone.today)
        row = self.fires("VigieCredentialExpires", "secret", "the last day of a secret has come")
        self.becomes_valid_until(self.zone.today + DAY)
        self.ends(row)
        self.becomes_valid_until(None)

    def disk(self):
        filler = self.folder / "disk/disk/filler"
        fill(filler)
        row = self.fires("VigieStateDiskFull", "disk", "every byte of the state's disk taken")
        filler.unlink()
        self.ends(row)

    def locked(self):
        state = self.folder / "locked/state.db"
        with held(state, self.folder / "hold.log"):
            row = self.fires("VigieStateLocked", "locked", "another process has a transaction open")
        self.ends(row)

    def all(self):
        return [self.stopped, self.reload, self.failing, self.refused, self.queue, self.source, self.disk, self.locked,
                self.restored, self.secret]

    def unknown(self):
        """The other half of VigieDown: Prometheus knows of no Vigie at all."""
        prometheus = self.watcher.prometheus
        row = self.fires("VigieDown", "", "there is no target", self.began)
        prometheus.config.write_text(json.dumps(settings(self.services)))
        os.kill(prometheus.process.pid, signal.SIGHUP)
        self.ends(row)


# What a fault may raise besides its own alert: what waits for an hour was tried in vain before, and slots that passed while
# the disk was full or the state locked are made up for as missed ones, and so are those that pass while a pull is tried
# several times: it takes longer than from slot to slot here. Who restores a backup stops the service for as long.
ALSO = {
    ("VigieDeliveriesFailing", "queue"), ("VigieSlotsMissed", "disk"), ("VigieSlotsMissed", "locked"),
    ("VigieSlotsMissed", "source"), ("VigieDown", "restored"), ("VigieSlotsMissed", "restored"),
}


def settings(services):
    targets = [{"targets": [f"127.0.0.1:{each.listen}"], "labels": {"instance": each.name}} for each in services.values()]
    return {
        "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"},
        "rule_files": ["vigie.rules.yml"],
        "scrape_configs": [{"job_name": "vigie", "static_configs": targets}],
    }


def play(vigie, folder):
    began = time.monotonic()
    prove()
    text, names = shorten(RULES.read_text())
    (folder / "prometheus").mkdir()
    (folder / "prometheus/vigie.rules.yml").write_text(text)
    with contextlib.ExitStack() as children:
        prometheus = children.enter_context(Prometheus(folder / "prometheus", None, settings=settings({})))
        watcher = Watcher(prometheus)
        read = [rule["name"] for group in watcher.get("rules")["groups"] for rule in group["rules"]]
        expect(read == names and names, f"Prometheus reads the alerts {read}, this check {names}")
        watcher.start()
        faults = Faults(vigie, folder, children, watcher)
        faults.unknown()
        up = lambda: sum(each["health"] == "up" for each in watcher.get("targets")["activeTargets"]) == len(faults.services)
        wait_for("all daemons are scraped", 20, up, prometheus.ended)
        wait_for("nothing is said that held before", 10, lambda: not watcher.now, prometheus.ended)
        expect(watcher.fired == {("VigieDown", "")}, f"before there was a target {watcher.fired} fired")
        quiet(watcher)
        # A child ends with the thread that started it, and these threads stay until the pool is left.
        with concurrent.futures.ThreadPoolExecutor(len(faults.all())) as pool:
            works = [pool.submit(fault) for fault in faults.all()]
            failures = [work.exception() for work in concurrent.futures.wait(works).done if work.exception()]
            show(faults.table)
            expect(not failures, "; ".join(map(str, failures)))
            # With what the faults have left on them.
            list(pool.map(lambda service: promtool_reads(page(service.listen, "/metrics")[1]), faults.services.values()))
            watcher.over.set()
            list(pool.map(Service.stop, faults.services.values()))
    unprovoked = [name for name in names if name not in {row["alert"] for row in faults.table}]
    expect(not unprovoked, f"no fault is known here that makes {unprovoked} fire")
    meant = {(row["alert"], row["instance"]) for row in faults.table} | ALSO
    expect(watcher.fired <= meant, f"fired without a fault of its own: {sorted(watcher.fired - meant)}")
    took = time.monotonic() - began
    expect(took < ALL_S_MAX, f"it took {took:.0f} s")
    print(f"own alerts: {len(names)} fired and ended, nothing else did, in {took:.0f} s; looked {watcher.looks} times")


def quiet(watcher):
    """While all is well, no alert is even about to fire."""
    before = watcher.looks
    until = time.monotonic() + QUIET_S
    while time.monotonic() < until:
        expect(not watcher.now, f"while all is well: {watcher.now}")
        time.sleep(0.1)
    expect(watcher.looks > before + QUIET_S, "Prometheus was not asked while all was well")


def show(table):
    for row in table:
        end = f"over {row['ends']:4.1f} s after it was mended" if row["ends"] else "not over"
        print(f"{row['alert']:24} {row['fault']:40} fires after {row['fires']:4.1f} s, {end}")


def run():
    parser = argparse.ArgumentParser()
    parser.add_argument("--vigie", type=pathlib.Path, required=True)
    parser.add_argument("--dir", type=pathlib.Path, required=True)
    options = parser.parse_args()
    folder = options.dir.resolve()
    expect(os.geteuid() == 0, "a disk of its own is mounted, so this check must run as root")
    disk = folder / "disk/disk"
    disk.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "none", disk], check=True)
    try:
        play(options.vigie.resolve(), folder)
    finally:
        subprocess.run(["umount", disk], check=True)


if __name__ == "__main__":
    main(run)
