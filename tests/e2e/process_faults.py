"""Faults of the configuration, the clock and the process itself, for `state_faults.py`."""

import contextlib
import ctypes
import datetime
import json
import os
import pathlib
import re
import signal
import socket
import sqlite3
import time

from bench import NOTHING, Shown, ends_well, fault, hooked, quiet
from delivery_faults import HIGH
from disk_full import page
from lifecycle import WATCHDOG_S, Manager
from season import MovedClock
from support import expect, measured, wait_for

CONFIGURATION_ERROR = 78
YAML_S_MAX, YAML_MIB_MAX = 1, 64
REFUSED = "the start is refused with 78, the file named"
# One catch-up steps no more.
SLOTS_MAX = 5_000
# Pings come each second or two.
STALLED_S_MAX = 5
UTC = datetime.timezone.utc


def with_secret(bench):
    """A receiver whose address is a secret."""
    secret = bench.folder / "address"
    secret.write_text("http://127.0.0.1:9/\n")
    secret.chmod(0o600)
    bench.configure(receivers={"ops": {"webhook": {"url": {"file": "address"}}}})
    return secret


def of_configuration(bench, mend, keep=None):
    said = bench.refused(code=CONFIGURATION_ERROR)
    expect(not bench.state.exists(), "a start that was refused made a state")
    mend()
    return Shown(REFUSED, bench.normalised(said, keep), bench.recovers())


@fault("secret file missing")
def secret_missing(bench):
    secret = with_secret(bench)
    value = secret.read_text()
    secret.unlink()

    def mend():
        secret.write_text(value)
        secret.chmod(0o600)

    return of_configuration(bench, mend)


@fault("secret file readable by all")
def secret_open(bench):
    secret = with_secret(bench)
    secret.chmod(0o644)
    return of_configuration(bench, lambda: secret.chmod(0o600), r"0\d+|600")


def yaml(bench, text):
    """A file that must be refused at a line and column, quickly and with little memory."""
    good = bench.config.read_text()
    bench.config.write_text(text)
    tries = [measured([bench.vigie, "run", "--config", bench.config], 30) for _ in range(3)]
    said, _, _, mib = tries[0]
    took = min(each[2] for each in tries)
    expect(all(each[1] == CONFIGURATION_ERROR for each in tries), f"it ended with {[each[1] for each in tries]}: {said}")
    expect(re.search(r"vigie\.yaml:\d+:\d+", said), f"no line and column: {said}")
    expect(took < YAML_S_MAX and mib < YAML_MIB_MAX, f"it took {took:.1f} s and {mib:.0f} MiB")
    expect(not bench.state.exists(), "a start that was refused made a state")
    bench.config.write_text(good)
    return Shown("the start is refused with 78 at a line and column, within 1 s and 64 MB", bench.normalised(said, r"\d+"), bench.recovers())


@fault("YAML bomb")
def yaml_bomb(bench):
    layers = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    layers += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    return yaml(bench, "timezone: UTC\n" + "\n".join(layers) + "\n")


@fault("YAML cycle")
def yaml_cycle(bench):
    return yaml(bench, "timezone: UTC\npeople: &all\n  ada: *all\n")


@fault("YAML with a key twice")
def yaml_duplicate(bench):
    return yaml(bench, "timezone: UTC\nlanguage: en\ntimezone: Europe/Paris\n")


@fault("YAML indented by tabs")
def yaml_tabs(bench):
    return yaml(bench, "timezone: UTC\npeople:\n\tada: {mail: ada@example.test}\n")


@contextlib.contextmanager
def at_other_times(bench):
    """A service whose clock can be moved, and how it is moved; an alert fires and is told."""
    hook = hooked(bench)
    # Whatever span is asked for, its newest minute is there.
    with contextlib.closing(sqlite3.connect(bench.folder / "values.db")) as values, values:
        values.execute("CREATE TABLE level (value REAL)")
        values.execute("INSERT INTO level VALUES (200)")
    settings = json.loads(bench.config.read_text())
    settings["sources"] = {"values": {"sql": {"url": "sqlite://values.db"}}}
    settings["kpis"]["pulse"].update(source="values", query=(
        "WITH RECURSIVE second (at) AS (SELECT max(:from_unix, :to_unix - 60) UNION ALL SELECT at + 1 FROM second WHERE at + 1 < :to_unix)"
        " SELECT at AS bucket, value FROM second, level WHERE at >= :from_unix AND at < :to_unix"))
    bench.configure(**settings)
    clock = MovedClock(bench.folder)
    moved = [0.0]

    def move(seconds):
        moved[0] += seconds
        clock.set(datetime.datetime.fromtimestamp(time.time() + moved[0], UTC))

    move(0)
    manager = Manager(bench.folder)
    env = {**os.environ, **clock.env, "NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": str(WATCHDOG_S * 1_000_000)}
    with bench.lives(env=env) as daemon:
        wait_for("the alert is told", 20, lambda: hook.taken and quiet(bench), daemon.ended)
        yield daemon, hook, move, lambda: time.time() + moved[0], manager
        ends_well(daemon)


def jumped(bench, seconds):
    with at_other_times(bench) as (daemon, hook, move, now, manager):
        at = len(bench.log.read_text())
        pulled = 'vigie_pulls_total{outcome="complete",source="values"}'
        pulls, told, judged = bench.metric(pulled), len(hook.taken), bench.metric("vigie_evaluations_total")
        began = time.time()
        move(seconds)
        wait_for("slots are stepped by the new time", 120, lambda: bench.is_ready() and abs(bench.newest() - now()) < 3, daemon.ended)
        took = time.time() - began
        # It goes on, slot by slot.
        slot = bench.newest()
        wait_for("the next slots", 20, lambda: slot + 2 <= bench.newest() <= now() + 1, daemon.ended)
        lasted = time.time() - began
        pulls, told = bench.metric(pulled) - pulls, len(hook.taken) - told
        expect(pulls <= 3 * lasted + 5, f"{pulls} pulls in {lasted:.0f} s after the jump")
        expect(told <= 3, f"{told} messages after the jump: {[receipt['event']['message']['headline'] for receipt in hook.taken]}")
        steps = bench.metric("vigie_evaluations_total") - judged
        pings = [at for at, text in manager.all() if "WATCHDOG=1" in text]
        stalled = max(late - early for early, late in zip(pings, pings[1:]))
        message = bench.lines("WARN", "ERROR", since=at)
    return message, took, steps, stalled


@fault("clock jumps 10 years ahead", seconds=150)
def clock_ahead(bench):
    message, took, steps, stalled = jumped(bench, 10 * 365.25 * 86_400)
    expect(steps <= SLOTS_MAX + took + 10, f"{steps:.0f} slots were judged in {took:.0f} s")
    expect(stalled < STALLED_S_MAX, f"{stalled:.1f} s without a ping")
    return Shown("one catch-up of 5,000 slots, no storm of messages or pulls; it goes on by the new time", bench.normalised(message), took)


@fault("clock jumps 1 year back")
def clock_back(bench):
    message, took, steps, stalled = jumped(bench, -365 * 86_400)
    expect(steps <= took + 10 and stalled < STALLED_S_MAX, f"{steps:.0f} slots were judged, {stalled:.1f} s without a ping")
    return Shown("it goes on from the newest slot by the new time, without a storm or a stall", bench.normalised(message), took)


@fault("suspended for 8 hours", seconds=120)
def suspended(bench):
    """Stopped while its clock goes on, as by a suspend: the monotonic clock stands still meanwhile.

    It looks at its clock each 30 s at least, which is what the catch-up may wait for.
    """
    base = bench.folder / "values.db"
    start = int(time.time()) // 60 * 60
    with contextlib.closing(sqlite3.connect(base)) as values, values:
        values.execute("CREATE TABLE minute (at INTEGER PRIMARY KEY, value REAL)")
        values.executemany("INSERT INTO minute VALUES (?, 1)", [(start + 60 * each,) for each in range(-120, 24 * 60)])
    kpi = {"title": "Pulse", "category": "operational", "unit": "none", "source": "minutes", "grain": "1m", "schedule": "every 1m",
           "kind": "level", "history": "1h", "query": "SELECT at AS bucket, value FROM minute WHERE at >= :from_unix AND at < :to_unix"}
    bench.configure(sources={"minutes": {"sql": {"url": "sqlite://values.db"}}}, kpis={"pulse": kpi})
    clock = MovedClock(bench.folder)
    clock.set(datetime.datetime.now(UTC))
    with bench.start(env={**os.environ, **clock.env}) as daemon:
        wait_for("it works", 30, lambda: bench.is_ready() and bench.newest() >= start, daemon.ended)
        wait_for("nothing is under way", 10, lambda: bench.metric("vigie_evaluations_total") >= 1, daemon.ended)
        time.sleep(1)
        before, slot = bench.metric("vigie_evaluations_total"), bench.newest()
        pulls = bench.metric('vigie_pulls_total{outcome="complete",source="minutes"}')
        daemon.process.send_signal(signal.SIGSTOP)
        time.sleep(3)
        clock.set(datetime.datetime.now(UTC) + datetime.timedelta(hours=8))
        daemon.process.send_signal(signal.SIGCONT)
        mended = time.time()
        wait_for("all slots are made up for", 60, lambda: bench.newest() >= mended + 8 * 3600 - 60, daemon.ended)
        took = time.time() - mended
        wait_for("it is ready", 10, bench.is_ready, daemon.ended)
        time.sleep(1)
        slots = (bench.newest() - slot) / 60
        judged = bench.metric("vigie_evaluations_total") - before
        pulls = bench.metric('vigie_pulls_total{outcome="complete",source="minutes"}') - pulls
        expect(judged == slots >= 480, f"{slots:.0f} slots have passed and {judged:.0f} were judged")
        expect(pulls <= 3, f"{pulls:.0f} pulls made up for {slots:.0f} slots")
        holes = bench.ask("SELECT (max(bucket) - min(bucket)) + 1 - count(*) FROM observation")
        expect(holes == 0, f"{holes} buckets are missing")
        message = bench.lines("WARN", "ERROR")
        ends_well(daemon)
    return Shown("one catch-up by one pull, each slot judged once", bench.normalised(message or NOTHING), took)


@fault("out of file descriptors")
def out_of_descriptors(bench):
    with bench.lives("prlimit", "--nofile=40:40") as daemon:
        at = len(bench.log.read_text())
        with contextlib.ExitStack() as clients:
            for _ in range(80):
                clients.enter_context(socket.create_connection(("127.0.0.1", bench.listen), timeout=5))
            wait_for("it says that nobody can be accepted", 20, lambda: "can't be accepted" in bench.log.read_text()[at:], daemon.ended)
            time.sleep(3)
            expect(not daemon.ended(), daemon.ended())
            used = ticks(daemon)
            time.sleep(2)
            used = (ticks(daemon) - used) / 2
            expect(used < 0.5, f"it uses {used:.0%} of a processor while it can't accept")
        took = bench.works(daemon, time.time(), 40)
        message = bench.lines("WARN", "ERROR", since=at)
        ends_well(daemon)
    return Shown("accepting pauses and is tried again, the rest goes on", bench.normalised(message), took)


def ticks(daemon):
    """Seconds of processor time so far."""
    fields = pathlib.Path(f"/proc/{daemon.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@fault("SIGTERM in the middle of a send")
def sigterm(bench):
    hook = hooked(bench)

    def slowly(receipt):
        time.sleep(4)
        return 200, {}, ""

    hook.judge = slowly
    with bench.lives() as daemon:
        bench.healthy.says["value"] = HIGH
        wait_for("a send is under way", 20, lambda: hook.tried, daemon.ended)
        began = time.time()
        ends_well(daemon, 45)
        took = time.time() - began
        expect(2 < took < 20, f"it ended after {took:.1f} s")
        message = bench.lines("told to end", "sent", "has ended", "given up")
    expect(bench.rows("SELECT state FROM delivery") == [("sent",)], "the send is not recorded")
    back = bench.recovers()
    expect(len(hook.tried) == 1, f"{len(hook.tried)} copies came")
    return Shown("the send ends and is recorded, then it ends with 0; no copy follows", bench.normalised(message), back)


@fault("SIGTERM while a receiver never answers")
def sigterm_hang(bench):
    hook = hooked(bench)
    hook.judge = lambda receipt: None
    with bench.lives() as daemon:
        bench.healthy.says["value"] = HIGH
        wait_for("a send is under way", 20, lambda: hook.tried, daemon.ended)
        began = time.time()
        ends_well(daemon, 45)
        took = time.time() - began
        expect(took < 45, f"it ended after {took:.1f} s")
        message = bench.lines("told to end", "not sent", "has ended", "given up")
    hook.judge = lambda receipt: (200, {}, "")
    began = time.time()
    with bench.start() as daemon:
        bench.works(daemon, began)
        wait_for("it is sent by the next start", 30, lambda: hook.taken and quiet(bench), daemon.ended)
        back = time.time() - began
        expect(len({receipt["key"] for receipt in hook.tried}) == 1, "the copy has another key")
        ends_well(daemon)
    return Shown("it ends with 0 within 45 s; the next start sends it again under the same key", bench.normalised(message, r"45"), back)


PTRACE_SEIZE, PTRACE_INTERRUPT, WALL = 0x4206, 0x4207, 0x40000000


def hold_still(daemon, names):
    """Stops single threads of it, as a lock that is never let go would; gives their ids."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    held = []
    for task in pathlib.Path(f"/proc/{daemon.process.pid}/task").iterdir():
        name = (task / "comm").read_text().strip()
        if any(name.startswith(each) for each in names):
            thread = int(task.name)
            for request in (PTRACE_SEIZE, PTRACE_INTERRUPT):
                expect(libc.ptrace(request, thread, None, None) == 0, f"{name} can't be stopped: errno {ctypes.get_errno()}")
            os.waitpid(thread, WALL)
            held.append(thread)
    expect(held, f"no thread is called like one of {names}")
    return held


def stuck(bench, names, look):
    """Plays the service manager: who does not ping within the watchdog's time is ended and started anew."""
    manager = Manager(bench.folder)
    env = {**os.environ, "NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": str(WATCHDOG_S * 1_000_000)}
    daemon = bench.lives(env=env)
    pings = lambda: [at for at, text in manager.all() if "WATCHDOG=1" in text]
    wait_for("pings come", 2 * WATCHDOG_S, lambda: len(pings()) >= 2, daemon.ended)
    held = hold_still(daemon, names)
    try:
        time.sleep(0.5)
        before, stopped = len(pings()), time.monotonic()
        message = look()
        time.sleep(max(0, stopped + WATCHDOG_S - time.monotonic()))
        expect(len(pings()) <= before, f"{len(pings()) - before} pings came although it is stuck")
    finally:
        os.kill(daemon.process.pid, signal.SIGABRT)
        # The process ends once each of its threads that was held has been waited for, the main one last.
        for thread in sorted(held, key=lambda thread: thread == daemon.process.pid):
            with contextlib.suppress(ChildProcessError):
                status = 0x7F
                while os.WIFSTOPPED(status):
                    _, status = os.waitpid(thread, WALL)
        daemon.process.wait(10)
    return message, bench.recovers()


@fault("engine's thread deadlocked")
def stuck_engine(bench):
    def look():
        status, text = page(bench.listen, "/healthz", 15)
        expect(status == 503, f"/healthz is {status}: {text}")
        return f"/healthz: {text}"

    message, back = stuck(bench, ["engine"], look)
    return Shown("no ping more: the watchdog has it restarted", message, back)


@fault("executor deadlocked")
def stuck_executor(bench):
    def look():
        status, text = page(bench.listen, "/healthz", WATCHDOG_S)
        expect(status == 0, f"/healthz is {status}: {text}")
        return "/healthz: (no answer)\n"

    message, back = stuck(bench, [bench.vigie.name[:15], "tokio-rt"], look)
    return Shown("no ping more: the watchdog has it restarted", message, back)
