"""Faults of the state and of the disk under it, for `state_faults.py`."""

import contextlib
import fcntl
import itertools
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import time

from bench import NOTHING, QUEUED, Shown, ends_well, fault, hooked, mounted, quiet, tampering
from disk_full import fill
from lifecycle import WATCHDOG_S, Manager
from support import Sink, expect, free_port, program, read_lines, wait_for
from support import held as holding

# What root may in spite of modes and owners; without it root is another user to files that are not its own.
AS_OTHER = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search,-fowner"]
REFUSED = "the start is refused with 1, no file is touched"
NOBODY = 65534
PAGE = 4096
# SQLite itself begins its log anew after 4 MiB.
LOG_BYTES_MAX = 16 << 20
# After a failed write: one second, and what strace and a loaded machine take.
END_S_MAX = 3
HOLES = "SELECT max(bucket) - min(bucket) + 1 - count(*) FROM observation"


def sql(path, *statements):
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as base:
        for statement in statements:
            base.execute(statement)


def refused(bench, mend, *wrapped, happens=REFUSED):
    """A start that must be refused, what it says, and the start after mending."""
    said = bench.normalised(bench.refused(*wrapped))
    mend()
    return Shown(happens, said, bench.recovers())


@fault("state file read-only")
def read_only_file(bench):
    bench.has_lived()
    shutil.chown(bench.state, NOBODY)
    bench.state.chmod(0o444)

    def mend():
        shutil.chown(bench.state, 0)
        bench.state.chmod(0o600)

    return refused(bench, mend, *AS_OTHER)


@fault("state file of another owner")
def other_owner(bench):
    bench.has_lived()
    shutil.chown(bench.state, NOBODY)
    return refused(bench, lambda: shutil.chown(bench.state, 0), *AS_OTHER)


@fault("state folder of another owner")
def folder_of_other(bench):
    bench.has_lived()
    # Files stay the service's own: only the folder refuses the files beside the database.
    for name in ["state.db.lock", "state.db.reserve"]:
        (bench.disk / name).unlink()
    shutil.chown(bench.disk, NOBODY)
    bench.disk.chmod(0o755)
    return refused(bench, lambda: shutil.chown(bench.disk, 0), *AS_OTHER)


@fault("state folder not writable, no state yet")
def folder_not_writable(bench):
    shutil.chown(bench.disk, NOBODY)
    bench.disk.chmod(0o755)
    return refused(bench, lambda: shutil.chown(bench.disk, 0), *AS_OTHER)


@fault("state on a read-only file system")
def read_only_mount(bench):
    with mounted(bench.disk, "size=96m"):
        bench.has_lived()
        subprocess.run(["mount", "-o", "remount,ro", bench.disk], check=True)
        return refused(bench, lambda: subprocess.run(["mount", "-o", "remount,rw", bench.disk], check=True))


@fault("schema of a newer Vigie")
def newer_schema(bench):
    bench.has_lived()
    (version,), = bench.rows("PRAGMA user_version")
    sql(bench.state, f"PRAGMA user_version = {version + 1}")
    shown = refused(bench, lambda: sql(bench.state, f"PRAGMA user_version = {version}"))
    return shown


@fault("bit flips in the database")
def bit_flips(bench):
    """At seeded places: the header, heads of pages that hold a tree, and anywhere.

    What is no structure can't be seen, for want of checksums: such a start must work, or be refused; never crash.
    """
    bench.has_lived()
    whole, chance = bench.state.read_bytes(), random.Random(7)
    roots = [root for (root,) in bench.rows("SELECT DISTINCT rootpage FROM sqlite_schema WHERE rootpage > 0 ORDER BY rootpage")]
    places = [0, 5, 100] + [(root - 1) * PAGE for root in chance.sample(roots[1:], 9)]
    said = []
    for place in places:
        bench.state.write_bytes(flipped(whole, place, chance))
        said.append(bench.refused())
        expect("is damaged" in said[-1] and str(bench.state) in said[-1], f"a flip at byte {place}: {said[-1]}")
    for place in [chance.randrange(len(whole)) for _ in range(8)]:
        bench.state.write_bytes(flipped(whole, place, chance))
        with bench.start() as daemon:
            wait_for(f"a flip at byte {place} is refused, or the start works", 20, lambda: daemon.ended() or bench.is_ready())
            code = daemon.stop()
        expect(code == 0 or "is damaged" in daemon.tail(1), f"a flip at byte {place}: it ended with {code}: {daemon.tail()}")
        remove_logs(bench)
    bench.state.write_bytes(whole)
    happens = f"of {len(places)} flips in the structure each is found, {REFUSED}; of 8 elsewhere none leads to a crash"
    # How the structure is found to be wrong is a matter of what stands on the page.
    last = re.sub(r"damaged \(.*\):", "damaged (DETAIL):", said[-1])
    return Shown(happens, bench.normalised(said[0] + last), bench.recovers())


def flipped(whole, place, chance):
    damaged = bytearray(whole)
    damaged[place] ^= 1 << chance.randrange(8)
    return damaged


def remove_logs(bench):
    for path in bench.disk.glob("state.db-*"):
        path.unlink()


@fault("database cut off")
def truncated(bench):
    bench.has_lived()
    whole = bench.state.read_bytes()
    said = []
    for length in [50, len(whole) // 2 // PAGE * PAGE, len(whole) - PAGE]:
        bench.state.write_bytes(whole[:length])
        said.append(bench.refused())
        expect("is damaged" in said[-1], f"cut to {length} bytes: {said[-1]}")
    # The header tells how many pages there are.
    bench.state.write_bytes(whole[:-1000])
    said.append(bench.refused())
    expect("the file is cut off" in said[-1], f"cut within its last page: {said[-1]}")
    return Shown(REFUSED, bench.normalised("".join(said)), back(bench, whole))


def back(bench, whole):
    """Puts the copy back; gives the seconds until it worked."""
    bench.state.write_bytes(whole)
    return bench.recovers()


@fault("garbage, or nothing, instead of a database")
def garbage(bench):
    bench.has_lived()
    whole, said = bench.state.read_bytes(), []
    for content in [random.Random(3).randbytes(65_536), b""]:
        bench.state.write_bytes(content)
        said.append(bench.refused())
        expect("is damaged" in said[-1], f"{len(content)} bytes of garbage: {said[-1]}")
    return Shown(REFUSED, bench.normalised("".join(said)), back(bench, whole))


@fault("database of another program")
def foreign(bench):
    sql(bench.state, "CREATE TABLE bookmarks (url TEXT)")
    return refused(bench, bench.state.unlink)


@fault("database gone, its log left behind")
def log_alone(bench):
    with bench.lives() as daemon:
        daemon.kill()
    whole = bench.state.read_bytes()
    bench.state.unlink()
    said = bench.refused()
    # The log alone holds what was committed last: nothing is recreated over it.
    bench.state.write_bytes(whole)
    return Shown(REFUSED, bench.normalised(said), bench.recovers())


def some_slots(bench, daemon, number):
    wait_for("a few slots", 20, lambda: (bench.ask("SELECT count(*) FROM observation") or 0) >= number, daemon.ended)


@fault("stale log beside the database")
def stale_log(bench):
    """Of garbage, of a later state than the copy that was put back, of another database.

    A log is bound to its database by nothing that SQLite checks: its pages are laid over those of the database.
    """
    wal, buckets = bench.disk / "state.db-wal", "SELECT min(bucket), count(*) FROM observation"
    with bench.lives() as daemon:
        some_slots(bench, daemon, 5)
        daemon.kill()
    other = wal.read_bytes()
    for path in bench.disk.iterdir():
        path.unlink()
    with bench.lives() as daemon:
        some_slots(bench, daemon, 8)
        done = subprocess.run([bench.vigie, "--config", bench.config, "backup", bench.folder / "copy.db"], capture_output=True, check=False)
        expect(done.returncode == 0, f"backup: {done.stderr}")
        time.sleep(2)
        daemon.kill()
    later = wal.read_bytes()
    remove_logs(bench)
    copy = (bench.folder / "copy.db").read_bytes()
    bench.state.write_bytes(copy)
    (first, count), = bench.rows(buckets)
    remove_logs(bench)

    wal.write_bytes(later)
    said = bench.refused()
    expect("is damaged" in said, f"the log of a later state: {said}")

    wal.write_bytes(random.Random(5).randbytes(50_000))
    with bench.start() as daemon:
        wait_for("a log that is none is passed over", 20, bench.is_ready, daemon.ended)
        (now, more), = bench.rows(buckets)
        expect(now == first and more >= count, f"beside a log of garbage the state holds {more} buckets, and held {count}")
        ends_well(daemon)

    for path in bench.disk.iterdir():
        path.unlink()
    bench.has_lived()
    whole, (first, _) = bench.state.read_bytes(), bench.rows(buckets)[0]
    remove_logs(bench)
    wal.write_bytes(other)
    with bench.start() as daemon:
        wait_for("the start is refused, or works", 20, lambda: daemon.ended() or bench.is_ready())
        is_refused = bool(daemon.ended())
        now = None if is_refused else bench.rows(buckets)[0][0]
        expect(is_refused and "is another database's" in daemon.tail(), f"the log of another database: {now} and not {first}\n{daemon.tail()}")
        expect(bench.state.read_bytes() == whole and wal.read_bytes() == other, "files were touched")
    remove_logs(bench)
    happens = f"a log of a later state is found by its damage, {REFUSED}; one of garbage is passed over"
    # Which page is found to be wrong first is a matter of chance.
    return Shown(happens, bench.normalised(re.sub(r"damaged \(.*\):", "damaged (DETAIL):", said)), back(bench, whole))


@fault("log left by a kill")
def log_left_by_kill(bench):
    with bench.lives() as daemon:
        some_slots(bench, daemon, 5)
        seen = bench.rows("SELECT bucket, value FROM observation ORDER BY bucket")
        daemon.kill()
    expect((bench.disk / "state.db-wal").stat().st_size > 0, "the kill left no log")
    began, at = time.time(), len(bench.log.read_text())
    with bench.start() as daemon:
        took = bench.works(daemon, began)
        now = dict(bench.rows("SELECT bucket, value FROM observation"))
        lost = [bucket for bucket, value in seen if now.get(bucket) != value]
        expect(not lost, f"these buckets were stored before the kill and are gone: {lost}")
        message = bench.lines("WARN", "ERROR", "is ready", since=at)
        ends_well(daemon)
    return Shown("the next start takes it up, nothing that was stored is lost", bench.normalised(message), took)


@fault("second daemon on the same state")
def second_daemon(bench):
    with bench.lives() as daemon:
        command = ["timeout", "20", bench.vigie, "run", "--config", bench.config]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        expect(done.returncode == 1, f"the second daemon ended with {done.returncode}: {done.stdout}{done.stderr}")
        expect(f"process {daemon.process.pid}" in done.stderr, f"the second daemon does not name the first: {done.stderr}")
        bench.works(daemon, time.time(), 5)
        ends_well(daemon)
    return Shown("the second is refused with 1, the first goes on", bench.normalised(done.stderr), bench.recovers())


def held(bench, how="IMMEDIATE"):
    """Another process with a transaction open on the state."""
    return holding(bench.state, bench.folder / "hold.log", how)


@fault("database locked by another process for 3 s")
def locked_briefly(bench):
    """While it works, and while it starts."""
    with bench.lives() as daemon:
        at = len(bench.log.read_text())
        with held(bench):
            time.sleep(3)
        took = bench.works(daemon, time.time())
        message = bench.log.read_text()[at:]
        ends_well(daemon)
    with held(bench, "EXCLUSIVE"):
        daemon = bench.start()
        time.sleep(3)
        expect(not daemon.ended(), f"the start did not wait for the lock: {daemon.ended()}")
    with daemon:
        took = max(took, bench.works(daemon, time.time()))
        ends_well(daemon)
    return Shown("writes wait for up to 5 s, at work and at a start", bench.normalised(message or NOTHING), took)


def seconds_with_alert(bench):
    """The pulse by the second from a database, so that seconds that passed are there later too; gives how to make it high
    from now on, for so many seconds."""
    values = bench.folder / "values.db"
    now = int(time.time())
    with contextlib.closing(sqlite3.connect(values)) as base, base:
        base.execute("CREATE TABLE second (at INTEGER PRIMARY KEY, value REAL)")
        base.executemany("INSERT INTO second VALUES (?, 1)", [(at,) for at in range(now - 60, now + 900)])
    settings = json.loads(bench.config.read_text())
    settings["sources"] = {"seconds": {"sql": {"url": "sqlite://values.db"}}}
    settings["kpis"]["pulse"].update(source="seconds", query=(
        "SELECT at AS bucket, value FROM second WHERE at >= :from_unix AND at < :to_unix"))
    bench.configure(**settings)

    def high(seconds):
        with contextlib.closing(sqlite3.connect(values)) as base, base:
            now = int(time.time())
            base.execute("UPDATE second SET value = 200 WHERE at BETWEEN ? AND ?", (now, now + seconds))

    return high


LOCKED_S = 30
FREE = "no other process keeps the state locked"


@fault("database locked by another process for 30 s", seconds=150)
def locked_long(bench):
    """As by a shell with a transaction open, or a tool that copies: what is decided meanwhile is told once it has let go."""
    hook = hooked(bench)
    high = seconds_with_alert(bench)
    manager = Manager(bench.folder)
    env = {**os.environ, "NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": str(2 * WATCHDOG_S * 1_000_000)}
    with bench.lives(env=env) as daemon:
        at = len(bench.log.read_text())
        with held(bench, "EXCLUSIVE"):
            began = time.time()
            # Told is what is there once it has caught up.
            high(LOCKED_S + 10)
            wait_for("the service says that it can't write", 20, lambda: bench.page("/readyz")[0] == 503, daemon.ended)
            text = bench.page("/readyz")[1]
            wait_for("the metric moves", 5, lambda: bench.metric("vigie_state_locked") == 1, daemon.ended)
            expect(bench.metric("vigie_state_space_ok") == 1, "the disk is told to be full")
            for words in [["silence", "add", "--kpi", "pulse", "--for", "1h", "--why", "test"], ["pull", "pulse"], ["reload"]]:
                done = subprocess.run([bench.vigie, "--config", bench.config, *words], capture_output=True, text=True, timeout=30, check=False)
                expect(done.returncode == 1 and "another process keeps" in done.stderr, f"{words}: {done.returncode} {done.stdout}{done.stderr}")
            while time.time() < began + LOCKED_S:
                expect(not daemon.ended(), daemon.ended())
                time.sleep(0.2)
            expect(not hook.taken and bench.newest() < began + 2, "something was decided although nothing could be written")
        freed = time.time()
        took = bench.works(daemon, freed)
        wait_for("beginning and end of the alert are told", 60, lambda: len(hook.taken) >= 2 and quiet(bench), daemon.ended)
        told = [alert["state"] for receipt in hook.taken for alert in receipt["event"]["alerts"]]
        expect(told == ["firing", "resolved"], f"told was {told}")
        expect(bench.ask(HOLES) == 0, f"{bench.ask(HOLES)} buckets are missing")
        expect(bench.metric("vigie_state_locked") == 0, "the metric did not move back")
        pings = [at for at, text in manager.all() if "WATCHDOG=1" in text]
        longest = max(late - early for early, late in zip(pings, pings[1:]))
        expect(longest < 2 * WATCHDOG_S, f"{longest:.1f} s without a ping")
        errors = [line for line in bench.log.read_text()[at:].splitlines() if "ERROR" in line and "not reloaded" not in line
                  and "noted in the audit" not in line]
        expect(len(errors) == 1, f"it is not said once: {errors}")
        message = f"/readyz: {text}" + "\n".join([re.sub(r"^\S+Z +", "", errors[0]), bench.lines(FREE, since=at)])
        ends_well(daemon)
    happens = "nothing is decided or sent meanwhile, which is said once; then all of it is made up for, nothing is lost"
    return Shown(happens, bench.normalised(message), took)


@fault("end, kill and start amid a lock of another process", seconds=180)
def ended_amid_lock(bench):
    """A step that waits to be written is decided again by the next start."""
    hook = hooked(bench)
    high = seconds_with_alert(bench)
    locked = lambda: bench.metric("vigie_state_locked") == 1
    for end in [ends_well, lambda daemon: daemon.kill()]:
        with bench.lives() as daemon:
            with held(bench):
                high(20)
                wait_for("the lock is met", 20, locked, daemon.ended)
                time.sleep(2)
                end(daemon)
                said = bench.refused()
        told = len(hook.taken)
        began = time.time()
        with bench.start() as daemon:
            took = bench.works(daemon, began)
            wait_for("beginning and end are told", 60, lambda: len(hook.taken) == told + 2 and quiet(bench), daemon.ended)
            expect(bench.ask(HOLES) == 0, f"{bench.ask(HOLES)} buckets are missing")
            ends_well(daemon)
    expect([alert["state"] for receipt in hook.taken for alert in receipt["event"]["alerts"]] == ["firing", "resolved"] * 2, "told was something else")
    return Shown("SIGTERM ends it with 0; a start is refused with 1 after 5 s, the one after the lock makes up for all", bench.normalised(said), took)


@fault("state held by a process that is ending")
def ending_holder(bench):
    """As the service before it, whose lock is let go of a little late."""
    bench.has_lived()
    with open(bench.disk / "state.db.lock", "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        began = time.time()
        with bench.start() as daemon:
            while time.time() < began + 3:
                expect(not daemon.ended(), f"the start did not wait: {daemon.ended()}")
                expect(not bench.is_ready(), "it is ready although another process holds the state")
                time.sleep(0.1)
            fcntl.flock(lock, fcntl.LOCK_UN)
            took = bench.works(daemon, time.time())
            ends_well(daemon)
        fcntl.flock(lock, fcntl.LOCK_EX)
        began = time.monotonic()
        said = bench.refused()
        waited = time.monotonic() - began
    expect(waited > 4, f"it waited for {waited:.1f} s")
    return Shown("a start waits for up to 5 s, then it is refused with 1", bench.normalised(said), took)


def many_shops(bench, shops):
    """A KPI beside the pulse with so many series, each of which has a new bucket each second."""
    now = int(time.time())
    with contextlib.closing(sqlite3.connect(bench.folder / "values.db")) as base, base:
        base.execute("CREATE TABLE second (at INTEGER PRIMARY KEY)")
        base.execute("CREATE TABLE shop (shop TEXT PRIMARY KEY)")
        base.executemany("INSERT INTO second VALUES (?)", [(at,) for at in range(now - 60, now + 900)])
        base.executemany("INSERT INTO shop VALUES (?)", [(f"shop{number:05}",) for number in range(shops)])
    settings = json.loads(bench.config.read_text())
    settings["sources"]["shops"] = {"sql": {"url": "sqlite://values.db"}}
    settings["kpis"]["visits"] = {
        "title": "Visits", "category": "customer", "kind": "flow", "grain": "1s", "source": "shops", "schedule": "every 1s",
        "history": "3s", "dimensions": ["shop"],
        "query": "SELECT at AS bucket, shop, at % 7 AS value FROM second, shop WHERE at >= :from_unix AND at < :to_unix"}
    bench.configure(**settings)


@fault("reader that does not end")
def long_reader(bench):
    """SQLite can't begin its log anew while somebody reads what was before."""
    many_shops(bench, 3000)
    wal = bench.disk / "state.db-wal"
    size = lambda: wal.stat().st_size
    with bench.lives(seconds=40) as daemon:
        at = len(bench.log.read_text())
        with held(bench, "DEFERRED"):
            until = time.monotonic() + 20
            while time.monotonic() < until and size() < LOG_BYTES_MAX:
                expect(not daemon.ended(), daemon.ended())
                time.sleep(0.2)
            late, grown = time.time() - bench.newest(), size()
            if grown >= LOG_BYTES_MAX:
                wait_for("its growth is said", 15, lambda: "write-ahead log grows" in bench.log.read_text()[at:], daemon.ended)
        expect(late < 4, f"slots were {late:.1f} s late beside the reader")
        took = bench.works(daemon, time.time())
        kept = max(size(), LOG_BYTES_MAX)
        time.sleep(4)
        expect(size() <= kept * 1.3, f"after the reader the log went on from {kept} to {size()} bytes")
        message = bench.lines("WARN", "ERROR", since=at)
        ends_well(daemon)
    return Shown("slots go on, and the growth of the log is told; once it has gone the log is written anew from its start", bench.normalised(message or NOTHING), took)


@fault("reserve spent")
def reserve_spent(bench):
    """A reader keeps the log growing, so that what the reserve gave is needed, and is gone as well."""
    bench.healthy.says["value"] = 200
    sink_port = free_port()
    bench.configure(receivers={"ops": {"webhook": {"url": f"http://127.0.0.1:{sink_port}/"}}})
    with mounted(bench.disk, "size=96m"), bench.lives() as daemon:
        with held(bench, "DEFERRED"):
            fill(bench.disk / "filler")
            wait_for("the reserve is freed", 30, lambda: not (bench.disk / "state.db.reserve").exists(), daemon.ended)
            fillers = itertools.count()

            def stopped():
                # Each try to take the reserve again holds space for a moment, which must not stay free after it.
                if os.statvfs(bench.disk).f_bavail:
                    fill(bench.disk / f"filler{next(fillers)}")
                return "nothing is sent" in bench.page("/readyz")[1]

            wait_for("the service says that it can't send", 60, stopped, daemon.ended)
            status, text = bench.page("/readyz")
            expect(status == 503 and bench.metric("vigie_state_space_ok") == 0, f"/readyz is {status}, the metric did not move")
            for path in bench.disk.glob("filler*"):
                path.unlink()
            mended = time.time()
        with Sink(bench.folder, port=sink_port) as sink:
            took = bench.works(daemon, mended)
            told = lambda: [line for line in read_lines(sink.receipts) if not line["refused"]]
            wait_for("what was queued goes out", 60, lambda: told() and not bench.ask(QUEUED), daemon.ended)
        message = bench.normalised(f"/readyz: {text}" + bench.lines("the reserve was freed", "the reserve is spent"))
        ends_well(daemon)
    return Shown("history pauses, then sending stops, both said on `/readyz`; nothing is lost", message, took)


@fault("reload asked for while the disk is full", seconds=120)
def reload_on_full_disk(bench):
    """By a signal and by the command, with a message that waits for its receiver."""
    bench.healthy.says["value"] = 200
    sink_port = free_port()
    bench.configure(receivers={"ops": {"webhook": {"url": f"http://127.0.0.1:{sink_port}/"}}})
    settings = json.loads(bench.config.read_text())
    settings["kpis"]["second"] = {**settings["kpis"]["pulse"], "title": "Second"}
    settings["rules"]["high"]["on"] = ["pulse", "second"]
    in_force = lambda: [line for line in bench.page("/metrics")[1].splitlines() if line.startswith("vigie_config_info{")]
    ask = lambda: subprocess.run([bench.vigie, "--config", bench.config, "reload"], capture_output=True, text=True, timeout=30, check=False)
    refusals = lambda: bench.log.read_text().count("not reloaded, the configuration before stays in force")
    with mounted(bench.disk, "size=96m"), bench.lives() as daemon:
        wait_for("a message waits for its receiver", 20, lambda: bench.ask(QUEUED), daemon.ended)
        before = in_force()
        fill(bench.disk / "filler")
        wait_for("the service says that its disk is full", 30, lambda: bench.page("/readyz")[0] == 503, daemon.ended)
        bench.configure(**settings)
        daemon.process.send_signal(signal.SIGHUP)
        wait_for("the reload is refused", 20, lambda: refusals() == 1, daemon.ended)
        done = ask()
        expect(done.returncode == 1 and "is full" in done.stderr and "reload again" in done.stderr, f"reload: {done.returncode} {done.stdout}{done.stderr}")
        expect(in_force() == before and bench.metric("vigie_config_last_reload_successful") == 0, "another configuration is in force")
        expect(not daemon.ended(), daemon.ended())
        (bench.disk / "filler").unlink()
        mended = time.time()
        took = bench.works(daemon, mended)
        done = ask()
        expect(done.returncode == 0 and "reloaded: 2 KPIs" in done.stdout, f"reload with space: {done.returncode} {done.stdout}{done.stderr}")
        expect(in_force() != before and bench.metric("vigie_config_last_reload_successful") == 1, "the configuration is not in force")
        wait_for("the new KPI is judged", 20, lambda: bench.ask("SELECT count(*) FROM kpi_clock WHERE kpi = 'second' AND last_slot IS NOT NULL"), daemon.ended)
        with Sink(bench.folder, port=sink_port) as sink:
            told = lambda: {(alert["aspect"], alert["state"]) for line in read_lines(sink.receipts) if not line["refused"]
                            for alert in line["event"]["alerts"]}
            wait_for("what was queued goes out", 60, lambda: ("breach", "firing") in told() and not bench.ask(QUEUED), daemon.ended)
        message = bench.normalised(bench.lines("not reloaded") + "\n" + bench.lines("reloaded: "))
        message = re.sub(r"configuration [0-9a-f]{12}", "configuration CHECKSUM", message)
        ends_well(daemon)
    return Shown("refused with its reason, the one before stays in force; once there is space it is taken up, nothing is lost", message, took)


@fault("inodes full")
def inodes_full(bench):
    def exhaust():
        with contextlib.suppress(OSError):
            for number in range(10_000):
                (bench.disk / f"filler{number}").touch(exist_ok=False)

    def free():
        for path in bench.disk.glob("filler*"):
            path.unlink()

    with mounted(bench.disk, "size=96m,nr_inodes=24"):
        bench.disk.chmod(0o700)
        exhaust()
        # Room for the lock alone.
        (bench.disk / "filler0").unlink()
        said = bench.refused()
        expect(not bench.state.exists(), "a database was left behind")
        free()
        with bench.lives() as daemon:
            exhaust()
            full = time.time()
            wait_for("slots go on", 10, lambda: bench.newest() > full + 2, daemon.ended)
            ends_well(daemon)
        free()
        exhaust()
        with bench.start() as daemon:
            # Its log and its shared memory are two files, and the reserve that is freed makes room for one.
            wait_for("the start is refused", 20, daemon.ended)
            expect("no space left for state database" in daemon.tail(), f"the cause is not named:\n{daemon.tail()}")
        free()
        took = bench.recovers()
    return Shown("a service at work goes on; a start is refused with 1", bench.normalised(said), took)


@fault("disk fails to write (EIO)")
def write_error(bench):
    """strace makes writes of the log fail, of a service at work."""
    program("strace", "strace")
    trace = bench.folder / "strace.log"
    with bench.lives() as daemon:
        with tampering(daemon, bench.disk / "state.db-wal", "inject=pwrite64:error=EIO", trace):
            wait_for("a failed write ends the daemon", 20, daemon.ended)
            ended = time.time()
        code, message = daemon.process.returncode, daemon.tail(1)
    failed = [line for line in trace.read_text().splitlines() if "(INJECTED)" in line]
    expect(len(failed) == 1, f"{len(failed)} writes were tried, where the first that fails must be the last")
    after = ended - float(failed[0].split()[1])
    expect(code == 1 and after < END_S_MAX, f"the daemon ended with {code} after {after:.1f} s: {message}")
    return Shown("it ends with 1 at the first write that fails, the next start goes on", bench.normalised(message), bench.recovers())


@fault("disk refuses to write (ENOSPC) while there is space")
def write_refused(bench):
    """As a quota does: strace makes writes of the log fail for a while, with the reserve freed as well."""
    trace = bench.folder / "strace.log"
    with bench.lives() as daemon:
        with tampering(daemon, bench.disk / "state.db-wal", "inject=pwrite64:error=ENOSPC", trace) as strace:
            full = lambda: bench.page("/readyz")[0] == 503
            wait_for("the service says that its disk is full", 20, full, daemon.ended)
            text = bench.page("/readyz")[1]
            strace.stop()
            mended = time.time()
        took = bench.works(daemon, mended)
        wait_for("the reserve is taken again", 10, lambda: (bench.disk / "state.db.reserve").exists(), daemon.ended)
        holes = bench.ask(HOLES)
        expect(holes == 0, f"{holes} buckets are missing")
        message = bench.normalised(f"/readyz: {text}" + bench.lines("ERROR"))
        ends_well(daemon)
    return Shown("history pauses until it can write again, then catches up", message, took)
