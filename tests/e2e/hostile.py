"""Scripts that mean harm, in the living daemon, beside a healthy rule whose slots must stay punctual.

    hostile.py --vigie BIN --dir DIR [--only CLASS]

Each script of `hostile_scripts.py` is checked by itself. One that `vigie check` refuses is told at its file, line and
column, at once, and `vigie run` refuses it too. All others go live, each as a rule of its own on a KPI of its own: first
one daemon for each class, then all of them in one. The daemon lives on under the same process id and within its memory,
each hostile rule ends as its script must, and the healthy rule has a slot every second. Prints what each class took.
"""

import argparse
import concurrent.futures
import contextlib
import datetime
import json
import pathlib
import re
import sqlite3
import subprocess
import threading
import time
import urllib.request

from hostile_scripts import CLASSES
from support import Daemon, Healthy, expect, free_port, main, measured, report_fault, wait_for

# The cap, of the daemon and of a check.
MIB_MAX = 256
# A check compiles a script and tries it twice.
CHECK_S_MAX = 3.0
# From a slot of the healthy rule until it is stored as stepped; of one that was due while the rules of a class, or all
# of them, were due as well.
LATE_S_MAX = 2.5
# Hostile rules are due this often, and the daemon is watched this long after all of them have ended.
EVERY_S, WATCHED_S = 3, 3.5
# Buckets of a hostile rule's KPI before the start, through the newest 30 of which it is stepped first; of one that reads
# no figures there need not be many.
HISTORY, SHORT_HISTORY = 800, 8
CLASSES_MIN, SCRIPTS_MIN = 12, 8
CONFIGURATION_ERROR, FOUND = 78, 1

# What did not hold: all of it is told at the end.
WRONG = []


class Script:
    """One script and how it must end: `refused`, `failed` or `harmless`."""

    def __init__(self, kind, number, name, ending, text):
        self.kind, self.title, self.text = kind, f"{kind}: {name}", text
        self.rule = f"{kind.replace(' ', '-')}-{number:02}"
        self.ending, _, self.words = ending.partition(": ")
        if "fn " not in text:
            self.text = f"fn evaluate(kpi, p) {{ {text} }}"
        # As `vigie check` had it, and how it ended in the daemon.
        self.seconds, self.mib, self.is_refused, self.live = 0.0, 0.0, False, None


def scripts():
    found = [
        Script(kind, number, name, ending, text)
        for kind, all_of_it in CLASSES.items()
        for number, (name, (ending, text)) in enumerate(all_of_it.items())
    ]
    return found


def prepare(folder, hostile, healthy_port=1, metrics_port=None):
    """A configuration with a KPI and a rule for each script, and the healthy ones."""
    (folder / "rules").mkdir(parents=True)
    for script in hostile:
        (folder / "rules" / f"{script.rule}.rhai").write_text(script.text, newline="")
    now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    first = now - datetime.timedelta(seconds=now.timestamp() % EVERY_S + EVERY_S * HISTORY)
    # Some are still to come while the daemon runs.
    times = [first + datetime.timedelta(seconds=EVERY_S * number) for number in range(HISTORY + 100)]
    rows = "".join(f"{at:%Y-%m-%dT%H:%M:%SZ};{100 + number % 7}.5\n" for number, at in enumerate(times))
    (folder / "figures.csv").write_text("at;total\n" + rows)
    common = {"category": "operational", "expected": "3d after end"}
    kpis = {
        script.rule: {"title": script.rule, "source": "figures", "query": {"time": "at", "value": "total"}, "grain": f"{EVERY_S}s",
                      "schedule": f"every {EVERY_S}s", "history": f"{EVERY_S * (HISTORY if 'kpi.' in script.text else SHORT_HISTORY)}s", **common}
        for script in hostile
    }
    kpis["pulse"] = {"title": "Pulse", "source": "healthy", "grain": "1s", "schedule": "every 1s", "kind": "level", "history": "10s",
                     "query": {"path": "", "rows": "$", "value": "$.value"}, **common}
    rules = {script.rule: {"script": script.rule, "on": [script.rule]} for script in hostile}
    rules["healthy"] = {"script": "signal/threshold", "on": ["pulse"], "with": {"above": 0.5}}
    listen = {"listen": f"127.0.0.1:{metrics_port}"} if metrics_port else {}
    (folder / "vigie.yaml").write_text(json.dumps({
        "timezone": "UTC", "language": "en", "state": "sqlite:state.db", "control": "control.sock", **listen,
        "people": {"ada": {"mail": "ada@example.test"}},
        "sources": {"figures": {"csv": {"path": "figures.csv"}}, "healthy": {"http_json": {"url": f"http://127.0.0.1:{healthy_port}/"}}},
        "kpis": kpis, "rules": rules,
        "receivers": {"ada": {"maildir": {"path": "mails", "to": ["ada"]}}}, "route": {"to": "ada", "group": {"wait": "1s"}},
    }, indent=1))
    return folder / "vigie.yaml"


def check(vigie, folder, script):
    """Whether `vigie check` refuses the script itself: then as it must."""
    config = prepare(folder / script.rule, [script])
    said, code, script.seconds, script.mib = measured([vigie, "check", "--config", config, "--format", "json"], 60)
    records = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    errors = [record for record in records if record.get("severity") == "error"]
    refusals = [error for error in errors if "the rule was tried" not in (error.get("help") or "")]
    script.is_refused = bool(refusals)
    # A rule that always fails is found, and yet no error of the configuration: `vigie run` starts with it.
    wanted = code in (0, FOUND) if not refusals else code == CONFIGURATION_ERROR
    for holds, what in [
        (wanted and len(records) > 0, f"`vigie check` ended with {code}: {said[-500:]}"),
        (script.seconds < CHECK_S_MAX, f"`vigie check` took {script.seconds:.1f} s"),
        (script.mib < MIB_MAX, f"`vigie check` took {script.mib:.0f} MiB"),
        (bool(refusals) == (script.ending == "refused"), f"must end as {script.ending}, and check says: {brief(errors)}"),
    ]:
        if not holds:
            WRONG.append(f"{script.title}: {what}")
    if refusals and script.ending == "refused":
        first = refusals[0]
        placed = first["file"].endswith((f"{script.rule}.rhai", "vigie.yaml")) and first["line"] > 0 and first["column"] > 0
        if not (placed and any(script.words in error["message"] for error in refusals)):
            WRONG.append(f"{script.title}: the refusal must say '{script.words}' at a place, and is {brief(refusals)}")


def brief(errors):
    return [f"{error.get('file')}:{error.get('line')}:{error.get('column')}: {error['message'][:200]}" for error in errors[:3]]


def refused_at_start(vigie, folder, hostile):
    """The daemon doesn't start with them, and takes up nothing."""
    config = prepare(folder, hostile)
    said, code, took, mib = measured([vigie, "run", "--config", config], 30)
    expect(code == CONFIGURATION_ERROR, f"`vigie run` with scripts that are refused ended with {code}: {said[-500:]}")
    expect(mib < MIB_MAX, f"`vigie run` took {mib:.0f} MiB to refuse them")
    missing = [script.title for script in hostile if f"{script.rule}.rhai:" not in said and f"'{script.rule}'" not in said]
    expect(not missing, f"`vigie run` does not say why it refuses {missing}")
    return took


def rows(state, sql):
    with contextlib.suppress(sqlite3.OperationalError):
        with contextlib.closing(sqlite3.connect(f"file:{state}?mode=ro", uri=True)) as base:
            return base.execute(sql).fetchall()
    return []


class Punctuality(threading.Thread):
    """How late each slot of the healthy rule was stepped, as seen in the state."""

    def __init__(self, state):
        super().__init__(daemon=True)
        self.state, self.late, self.newest, self.over = state, [], None, threading.Event()

    def run(self):
        while not self.over.wait(0.02):
            found = rows(self.state, "SELECT last_slot FROM kpi_clock WHERE kpi = 'pulse' AND last_slot IS NOT NULL")
            if found and found[0][0] != self.newest:
                (slot,), = found
                # Of slots that were taken together, the first has waited longest.
                first = slot if self.newest is None else self.newest + 1000
                self.newest = slot
                self.late.append(max(0.0, time.time() - first / 1000))

    def end(self):
        """The latenesses, sorted; one that still waits counts as well."""
        self.over.set()
        self.join()
        waits = time.time() - (self.newest or 0) / 1000 - 1
        return sorted([*self.late, max(0.0, waits)])


def peak_mib(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", text).group(1)) / 1024


def asked(vigie, folder, *words):
    line = [vigie, *words, "--config", folder / "vigie.yaml", "--format", "json"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    expect(done.returncode == 0, f"`vigie {' '.join(words)}` ended with {done.returncode}: {done.stderr[-2000:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def evaluations(port):
    """How many slots of a KPI were evaluated within each bound in seconds so far, by the daemon's own histogram."""
    text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10).read().decode()
    found = re.findall(r'vigie_evaluation_duration_seconds_bucket\{le="([^"]+)"\} (\d+)', text)
    return {float(bound.replace("+Inf", "inf")): int(count) for bound, count in found}


def longest(before, after):
    """The bound within which all slots were evaluated that came between."""
    return min(bound for bound, count in after.items() if count - before[bound] == after[float("inf")] - before[float("inf")])


def live(vigie, folder, hostile, healthy, seconds):
    """One daemon with all these scripts. Gives latenesses, peak memory, the longest slot, and when each had had its first."""
    port, state = free_port(), folder / "state.db"
    config = prepare(folder, hostile, healthy.port, port)
    names = {script.rule for script in hostile} | {"pulse"}
    with Daemon(vigie, config, folder / "vigie.log", cwd=folder) as daemon:
        pid, began = daemon.process.pid, time.monotonic()
        punctuality = Punctuality(state)
        punctuality.start()
        sql = "SELECT kpi FROM kpi_clock WHERE last_slot IS NOT NULL AND body ->> '$.open' IS NULL"
        wait_for("every rule has had a slot", seconds, lambda: names <= {kpi for kpi, in rows(state, sql)}, daemon.ended)
        settled, first = time.monotonic() - began, evaluations(port)
        # Slots that all of them share.
        time.sleep(WATCHED_S)
        expect(not daemon.ended(), daemon.ended())
        alerts = {record["rule"]: record for record in asked(vigie, folder, "alerts") if record["type"] == "alert" and record["rule"]}
        status = asked(vigie, folder, "status")
        late = punctuality.end()
        peak, slot = peak_mib(pid), longest(first, evaluations(port))
        service = next(record for record in status if record["type"] == "service")
        expect(service["running"] is True and service["pid"] == pid, f"`vigie status` says {service}, and process {pid} was started")
        told(hostile, alerts, status)
        expect(alerts.get("healthy", {}).get("aspect") == "breach", f"the healthy rule must have fired: {alerts.get('healthy')}")
        code = daemon.stop()
        expect(code == 0, f"the daemon ended with {code} after SIGTERM:\n{daemon.tail()}")
    return {"late": late, "peak": peak, "slot": slot, "settled": settled}


def told(hostile, alerts, status):
    """Each rule has ended as its script must, and people can read so."""
    for script in hostile:
        alert = alerts.get(script.rule)
        has_failed = alert is not None and alert["aspect"] == "failed"
        cause = (alert or {}).get("cause") or ""
        script.live = "failed" if has_failed else "harmless"
        if has_failed != (script.ending == "failed"):
            WRONG.append(f"{script.title}: must end as {script.ending}, and is {alert}")
        elif has_failed and (script.words not in cause or f"{script.rule}.rhai" not in cause):
            WRONG.append(f"{script.title}: the cause must name the script and say '{script.words}', and is: {cause[:300]}")
    failed = sum(script.live == "failed" for script in hostile)
    counted = sum(record["count"] for record in status if record["type"] == "alerts")
    expect(counted >= failed, f"`vigie status` counts {counted} alerts, and {failed} rules failed")


def shown(late):
    return f"half within {late[len(late) // 2] * 1000:.0f} ms, the last {late[-1]:.2f} s"


def table(found, ran):
    print(f"{'class':14} {'scripts':>7} {'refused':>7} {'failed':>6} {'harmless':>8} {'check s':>8} {'MiB':>5} {'slot s <=':>9} {'MiB':>5} {'late s':>7}")
    for kind in dict.fromkeys(script.kind for script in found):
        own = [script for script in found if script.kind == kind]
        ends = [sum((script.live or "refused") == end for script in own) for end in ["refused", "failed", "harmless"]]
        took = ran.get(kind)
        lived = f"{took['slot']:9} {took['peak']:5.0f} {took['late'][-1]:7.2f}" if took else f"{'-':>9} {'-':>5} {'-':>7}"
        print(f"{kind:14} {len(own):7} {ends[0]:7} {ends[1]:6} {ends[2]:8} {max(script.seconds for script in own):8.2f} "
              f"{max(script.mib for script in own):5.0f} {lived}")


def run():
    parser = argparse.ArgumentParser()
    parser.add_argument("--vigie", required=True, type=lambda path: str(pathlib.Path(path).resolve()))
    parser.add_argument("--dir", required=True, type=pathlib.Path)
    parser.add_argument("--only", help="one class")
    options = parser.parse_args()
    folder = options.dir.resolve()
    (folder / "check").mkdir(parents=True)
    found = [script for script in scripts() if options.only in (None, script.kind)]
    if not options.only:
        few = [kind for kind, own in CLASSES.items() if len(own) < SCRIPTS_MIN]
        expect(len(CLASSES) >= CLASSES_MIN and not few, f"too few classes, or scripts of {few}")
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        list(pool.map(lambda script: check(options.vigie, folder / "check", script), found))
    refused, alive = [s for s in found if s.is_refused], [s for s in found if not s.is_refused]
    if refused:
        refused_at_start(options.vigie, folder / "refused", refused)
    healthy, ran = Healthy(), {}
    for kind in CLASSES:
        own = [script for script in alive if script.kind == kind]
        if own:
            ran[kind] = live(options.vigie, folder / kind.replace(" ", "-"), own, healthy, 90)
    table(found, ran)
    expect(not WRONG, "\n".join(WRONG))
    together = live(options.vigie, folder / "together", alive, healthy, 120)
    for name, took in [*ran.items(), ("all of them", together)]:
        expect(took["peak"] < MIB_MAX, f"{name}: the daemon took {took['peak']:.0f} MiB")
        expect(took["late"][-1] < LATE_S_MAX, f"{name}: a slot of the healthy rule was stepped {took['late'][-1]:.2f} s late")
    expect(not WRONG, "\n".join(WRONG))
    late = sorted(each for took in ran.values() for each in took["late"])
    print(f"{len(found)} scripts of {len(CLASSES)} classes; {len(refused)} were refused at a place in the script, {len(alive)} went live")
    print(f"the healthy rule had a slot each second: beside one class of {len(late)} {shown(late)}; "
          f"beside all {len(alive)} of {len(together['late'])} {shown(together['late'])}")
    print(f"memory: beside all {together['peak']:.0f} MiB of {MIB_MAX}; the longest slot of a KPI at most {together['slot']} s; "
          f"all had their first slots after {together['settled']:.1f} s, in the process that was started")
    if not options.only:
        happens = "refused at a place in the script, or ended within its limits and told as a failed rule; the process and the others' slots go on"
        report_fault("script that loops, allocates, nests, sleeps, evaluates, imports or panics", happens, None)


if __name__ == "__main__":
    main(run)
