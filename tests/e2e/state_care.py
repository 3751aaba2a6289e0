"""The state over renames and restoring, what is looked at in it, what it shows, and signs of life.

    state_care.py --vigie BIN --dir DIR

A KPI with a slot every second crosses its limit and comes back as the script says. What is told of it lies in a maildir.
"""

import argparse
import copy
import http.server
import json
import pathlib
import socket
import sqlite3
import threading
import time

from lifecycle import Service, configuration, is_live
from support import Child, Daemon, expect, free_port, main, new_mails, wait_for


class Monitor:
    """Takes signs of life, or refuses them."""

    def __init__(self):
        monitor, self.came, self.refuses = self, [], False

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                monitor.came.append(self.path)
                self.send_response(503 if monitor.refuses else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def settings_of(service, monitor, above=100):
    settings = configuration(service.healthy, [service.port])
    settings["kpis"] = {"pulse": settings["kpis"]["pulse"]}
    settings["rules"] = {"high": {"script": "signal/threshold", "on": ["pulse"], "with": {"above": above}}}
    settings["route"]["group"]["interval"] = "1s"
    settings["metrics"] = {"kpis": True, "series": 5}
    settings["heartbeat"] = {"url": f"http://127.0.0.1:{monitor.port}/beat/s3cr3t", "every": "10s"}
    return settings


def mails(service):
    return len(new_mails(service.folder / "boxes"))


def reload(service, settings):
    service.write(settings)
    code, said = service.ask("reload")
    expect(code == 0, f"reload: {code} {said}")


def alerts(service):
    code, said = service.ask("alerts", "--format", "json")
    expect(code == 0, f"alerts: {code} {said}")
    rows = [json.loads(line) for line in said.splitlines()]
    return [row for row in rows if row.get("type") == "alert"]


def shown(service, monitor):
    """KPIs as metrics, because it was asked for; a sign of life whose address stays secret."""
    wait_for("a KPI among the metrics", 10, lambda: service.metric("vigie_kpi_value").get('vigie_kpi_value{kpi="pulse",series=""}') == 1)
    wait_for("a sign of life", 10, lambda: monitor.came == ["/beat/s3cr3t"])
    wait_for("its metric", 15, lambda: service.metric("vigie_heartbeats_total")['vigie_heartbeats_total{outcome="taken"}'] >= 1)
    monitor.refuses = True
    failed = lambda: service.metric("vigie_heartbeats_total")['vigie_heartbeats_total{outcome="failed"}']
    wait_for("a sign of life that is refused", 30, lambda: failed() >= 2)
    expect(service.log().count("the heartbeat is not taken") == 1, "a repeated failure is said more than once")
    monitor.refuses = False
    wait_for("it is taken again", 30, lambda: "the heartbeat is taken again" in service.log())
    expect("s3cr3t" not in service.log(), "the address of the monitor stands in the log")
    return f"{len(monitor.came)} signs of life"


def examined(service):
    code, said = service.ask("doctor", "--format", "json")
    rows = [json.loads(line) for line in said.splitlines()]
    expect(code == 0 and rows[-1] == {"type": "summary", "wrong": 0, "warnings": rows[-1]["warnings"]}, f"doctor: {code} {said}")
    looked_at = {row["what"] for row in rows[:-1] if row["grade"] == "ok"}
    wanted = {"configuration", "service", "state", "invariants", "audit", "clock", "deliveries", "disk"}
    expect(wanted <= looked_at, f"doctor looked at {looked_at}")
    return f"doctor: {len(rows) - 1} findings"


def renamed(service, settings):
    """The alert that fires goes on under other names: nobody is told that it ended, or that another began."""
    crossing = copy.deepcopy(settings)
    crossing["rules"]["high"]["with"] = {"above": 0.5}
    reload(service, crossing)
    wait_for("the alert is told", 15, lambda: mails(service) == 1)
    before = alerts(service)
    expect(len(before) == 1 and before[0]["state"] == "firing", f"alerts: {before}")
    named = copy.deepcopy(crossing)
    named["kpis"]["heartbeats"] = {**named["kpis"].pop("pulse"), "was": "pulse"}
    named["rules"] = {"too-high": {**crossing["rules"]["high"], "on": ["heartbeats"], "was": "high"}}
    reload(service, named)
    after = alerts(service)
    expect(len(after) == 1 and after[0]["rule"] == "too-high" and after[0]["kpi"] == "heartbeats", f"alerts: {after}")
    expect(after[0]["fired_at"] == before[0]["fired_at"], f"it fired anew: {before} {after}")
    calm = copy.deepcopy(named)
    calm["rules"]["too-high"]["with"] = {"above": 100}
    reload(service, calm)
    wait_for("its end is told", 15, lambda: mails(service) == 2)
    time.sleep(2)
    expect(mails(service) == 2, f"{mails(service)} mails")
    code, said = service.ask("audit", "--format", "csv")
    expect(code == 0 and said.count(",rename,") == 2, f"audit: {said}")
    return calm


def restored(service, calm):
    """What was told since the backup is not told again before a person says so."""
    backup = service.folder / "backup.db"
    code, said = service.ask("backup", backup)
    expect(code == 0, f"backup: {code} {said}")
    code, said = service.ask("restore", backup)
    expect(code == 1 and "is in use by process" in said, f"restore beside the service: {code} {said}")
    crossing = copy.deepcopy(calm)
    crossing["rules"]["too-high"]["with"] = {"above": 0.5}
    reload(service, crossing)
    wait_for("the alert is told", 15, lambda: mails(service) == 3)
    expect(service.daemon.stop() == 0, "it does not end")
    code, said = service.ask("restore", backup)
    expect(code == 0 and "restored from" in said and "`vigie release`" in said, f"restore: {code} {said}")
    kept = list(service.folder.glob("state.db.before-restore-*"))
    expect(len(kept) == 1, f"the state before is kept in {kept}")
    with Daemon(service.vigie, service.config, service.folder / "again.log") as daemon:
        service.daemon = daemon
        wait_for("it is ready", 20, lambda: "vigie is ready" in daemon.log.read_text(), daemon.ended)
        wait_for("slots are judged", 20, lambda: is_live(service), daemon.ended)
        wait_for("the alert fires", 20, lambda: [each["state"] for each in alerts(service)] == ["firing"])
        time.sleep(2)
        expect(mails(service) == 3 and service.figure("vigie_messages_withheld") == 1, f"{mails(service)} mails while withheld")
        code, said = service.ask("status")
        expect(code == 0 and "nothing is told before `vigie release`" in said, f"status: {said}")
        code, said = service.ask("release")
        expect(code == 0 and "messages go out again" in said, f"release: {code} {said}")
        wait_for("one message says how it stands", 15, lambda: mails(service) == 4)
        time.sleep(2)
        expect(mails(service) == 4 and service.figure("vigie_messages_withheld") == 0, f"{mails(service)} mails")
        code, said = service.ask("doctor")
        expect(code == 0, f"doctor: {code} {said}")
        expect(daemon.stop() == 0, "it does not end")
    return f"restored; doctor says {said.splitlines()[-1]}"


def damaged(service):
    """Doctor names what is wrong, and says so by its exit code."""
    state = service.folder / "state.db"
    with sqlite3.connect(state) as base:
        base.execute("UPDATE delivery SET state = 'dead', note = NULL WHERE id = (SELECT min(id) FROM delivery)")
        base.execute("UPDATE audit SET by = 'nobody' WHERE number = 2")
    base.close()
    code, said = service.ask("doctor")
    expect(code == 1 and "that is dead or cancelled says why" in said and "entry 2 does not follow" in said, f"doctor: {code} {said}")
    code, said = service.ask("audit", "--format", "csv")
    expect(code == 1, f"audit of a changed record: {code}")
    with open(state, "r+b") as file:
        file.seek(state.stat().st_size // 2)
        file.write(b"\x55" * 4096)
    code, said = service.ask("doctor")
    expect(code == 1 and "damaged" in said and "vigie restore" in said, f"doctor: {code} {said}")


def fields_of(entry):
    """An entry as the journal is sent it: `NAME=value`, or the name alone, the value's length in eight bytes, and the value."""
    fields = {}
    while entry:
        name, _, entry = entry.partition(b"\n")
        if b"=" in name:
            name, value = name.split(b"=", 1)
        else:
            length = int.from_bytes(entry[:8], "little")
            value, entry = entry[8 : 8 + length], entry[9 + length :]
        fields[name.decode()] = value.decode()
    return fields


def journalled(service, folder):
    """Each field of a line in the log stands in the journal by its name. A socket of our own takes the journal's place."""
    folder.mkdir()
    journal, entries = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM), []
    journal.bind(str(folder / "journal.sock"))

    def listen():
        while True:
            entries.append(fields_of(journal.recv(65_536)))

    threading.Thread(target=listen, daemon=True).start()
    settings = copy.deepcopy(configuration(service.healthy, [free_port()]))
    settings["log"] = {"format": "journald"}
    settings["rules"]["high"]["with"] = {"above": 0.5}
    (folder / "vigie.yaml").write_text(json.dumps(settings))
    place = "mount -t tmpfs none /run && mkdir -p /run/systemd/journal && touch /run/systemd/journal/socket && "
    place += 'mount --bind "$0" /run/systemd/journal/socket && exec "$@"'
    command = ["unshare", "--mount", "sh", "-c", place, folder / "journal.sock", service.vigie, "run", "--config", folder / "vigie.yaml"]
    with Child(command, folder / "run.log") as daemon:
        sent = lambda: [each for each in entries if each.get("VIGIE_DELIVERY")]
        wait_for("a delivery in the journal", 20, sent, daemon.ended)
        expect(daemon.stop() == 0, f"it does not end:\n{daemon.tail()}")
    entry = sent()[0]
    expect(entry["VIGIE_RECEIVER"] == "ops" and entry["PRIORITY"] and entry["TARGET"].startswith("vigie::"), f"an entry is {entry}")
    ready = [each for each in entries if each.get("VIGIE_KPIS") == "2"]
    expect(len(ready) == 1, f"{len(ready)} entries say that it is ready: {entries[:5]}")
    return f"journal: {len(entries)} entries"


def run():
    parser = argparse.ArgumentParser()
    parser.add_argument("--vigie", type=pathlib.Path, required=True)
    parser.add_argument("--dir", type=pathlib.Path, required=True)
    args = parser.parse_args()
    service, monitor = Service(args.vigie, args.dir.resolve()), Monitor()
    with service.daemon as first:
        settings = settings_of(service, monitor)
        wait_for("READY=1", 20, lambda: service.manager.count("READY=1") == 1, first.ended)
        wait_for("slots are judged", 20, lambda: is_live(service), first.ended)
        reload(service, settings)
        print(shown(service, monitor))
        print(examined(service))
        print(restored(service, renamed(service, settings)))
    damaged(service)
    print(journalled(service, args.dir.resolve() / "journal"))


if __name__ == "__main__":
    main(run)
