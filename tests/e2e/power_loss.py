"""The power goes at any moment of a cycle: what the disk then holds is a state that the daemon goes on with.

    power_loss.py --vigie BIN --dir DIR [--images 40] [--seed 1] [--parallel 8]

strace records what a daemon writes to the state's files, with all bytes, and when it syncs: a life that ends by a kill,
and the one after it to SIGTERM. From that images of the disk are built as a loss of power would leave them. What
was synced is there. Of what was written to a file since, chance keeps some writes and drops others, and tears some at 512
or 4096 bytes; of names made, moved or removed since their folder's last sync it keeps the first few, for file systems write
these in their order. SQLite's shared memory (-shm) is no part of an image: it means nothing after a boot.

The database of an image must be whole and hold the history up to some moment between what was synced and what was written, as
two images beside it tell: that of the synced writes alone, and that of all. Whatever a receiver had by then must have
its attempt. The daemon must start on it, judge and send, and end with nothing of it gone.
"""

import argparse
import collections
import concurrent.futures
import contextlib
import os
import pathlib
import random
import re
import shutil
import signal
import sqlite3
import time

from crash import ask, config
from cycle import PHASE_S_MAX, Cycle
from disk_full import page
from support import Daemon, Failed, expect, free_port, limit, main, read_lines, wait_for, whole_calls

SERIES = 12
TRACED = ["openat", "open", "creat", "write", "writev", "pwrite64", "pwritev", "pwritev2", "fsync", "fdatasync",
          "sync_file_range", "syncfs", "ftruncate", "truncate", "fallocate", "unlink", "unlinkat", "rename", "renameat",
          "renameat2", "link", "linkat", "lseek", "copy_file_range", "sendfile", "splice", "mmap", "io_uring_setup"]
# Bytes of one call that strace prints at most: more than SQLite writes at once.
PRINTED_BYTES_MAX = 1 << 20
# Their second file may be one of ours.
COPIES = ("copy_file_range", "sendfile", "splice")
WHAT = ["--seccomp-bpf", "-y", "-xx", "-ttt", "-s", str(PRINTED_BYTES_MAX), "-e", "trace=" + ",".join(TRACED)]
KEPT_TABLES = ["transition", "delivery", "attempt"]
LOG = "state.db-wal"
QUIET = "SELECT count(*) FROM delivery WHERE state = 'queued'"
RECORDED_S_MAX, IMAGE_S_MAX = 6 * PHASE_S_MAX, PHASE_S_MAX
# Shares of the images by the moment: while the database is made, while the log is folded into it, when a commit is
# written and not yet synced; the rest lies anywhere in the log's writing.
SHARES = {"creating": 0.2, "folding": 0.25, "committing": 0.35}
# Of a log that nobody synced.
UNSYNCED_TRIES = 10
UNSYNCED_RECEIPTS = 5


# What was done to the disk.

Event = collections.namedtuple("Event", "at kind name value")
ON_FILE = re.compile(r"\w+\((\d+)<([^>]*)>(\(deleted\))?")


def plain(text):
    """Text of strace's -xx."""
    return os.fsdecode(bytes.fromhex(text.replace("\\x", "")))


def strings(text):
    return re.findall(r'"((?:\\x[0-9a-f]{2})*)"', text)


class Recorder:
    """Turns calls into events on the files of one state; what it could not replay is refused."""

    def __init__(self, folder):
        self.folder, self.events = str(folder), []
        self.positions = {}

    def name_of(self, path):
        """The state's files by name, the folder as '.', others as none."""
        if path == self.folder:
            return "."
        folder, _, name = path.rpartition("/")
        return name if folder == self.folder and name.startswith("state.db") and not name.endswith("-shm") else None

    def take(self, call):
        if call.at is None or re.search(r"\) += (-1 |\?)", call.text) or " = " not in call.text:
            return
        paths = [plain(path) for path in re.findall(r"<((?:\\x[0-9a-f]{2})+)>", call.text)]
        copies = call.name in COPIES and any(map(self.name_of, paths))
        expect(not copies and call.name != "io_uring_setup", f"not replayed: {call.text[:200]}")
        found = ON_FILE.match(call.text)
        if found and not found[3]:
            name = self.name_of(plain(found[2]))
            if name:
                self.on_file(call, found[1], name)
        elif call.name in ("openat", "open", "creat"):
            self.opened(call)
        elif not found:
            self.on_names(call)

    def add(self, call, kind, name, value=None):
        self.events.append(Event(call.at, kind, name, value))

    def opened(self, call):
        name = self.name_of(plain(strings(call.text)[0]))
        descriptor = re.search(r" = (\d+)", call.text)
        if not name or name == ".":
            return
        self.positions[descriptor[1]] = 0
        if "O_CREAT" in call.text:
            self.add(call, "create", name)
        plainly = call.name != "creat" and not re.search("O_TRUNC|O_APPEND", call.text)
        expect(plainly, f"not replayed: {call.text[:200]}")

    def on_names(self, call):
        names = [self.name_of(plain(path)) for path in strings(call.text)]
        if not any(names):
            return
        if call.name in ("unlink", "unlinkat"):
            self.add(call, "unlink", names[0])
        elif call.name in ("rename", "renameat"):
            expect(all(names), f"not replayed: {call.text[:200]}")
            self.add(call, "rename", names[0], names[1])
        else:
            raise Failed(f"not replayed: {call.text[:200]}")

    def on_file(self, call, descriptor, name):
        numbers = call.text.rpartition(") ")[0]
        if call.name == "pwrite64":
            data = bytes.fromhex(strings(call.text)[0].replace("\\x", ""))
            self.wrote(call, name, int(numbers.rsplit(", ", 1)[1]), data)
        elif call.name == "write":
            data = bytes.fromhex(strings(call.text)[0].replace("\\x", ""))
            self.wrote(call, name, self.positions[descriptor], data)
            self.positions[descriptor] += len(data)
        elif call.name in ("fsync", "fdatasync"):
            self.add(call, "sync", name)
        elif call.name == "ftruncate":
            self.add(call, "size", name, int(numbers.rsplit(", ", 1)[1]))
        elif call.name == "fallocate":
            mode, offset, length = numbers.rsplit(", ", 3)[1:]
            expect(mode == "0", f"not replayed: {call.text[:200]}")
            self.add(call, "reach", name, int(offset) + int(length))
        elif call.name == "lseek":
            self.positions[descriptor] = int(call.text.rsplit(" = ", 1)[1])
        else:
            raise Failed(f"not replayed: {call.text[:200]}")

    def wrote(self, call, name, offset, data):
        expect(len(data) == int(call.text.rsplit(" = ", 1)[1]), f"written in part, or printed in part: {call.text[:200]}")
        self.add(call, "write", name, (offset, data))


def mapped(lines, folder):
    """Files of the state that are mapped to be written, beside the shared memory: their changes would go unseen."""
    for call in whole_calls(line for line in lines if " mmap(" in line):
        if "MAP_SHARED" in call.text and "PROT_WRITE" in call.text:
            path = re.search(r"<([^>]*)>", call.text)
            if path and plain(path[1]).startswith(f"{folder}/state.db") and not plain(path[1]).endswith("-shm"):
                yield plain(path[1])


# What a disk holds.


def put(content, change):
    kind, value = change
    if kind == "write":
        offset, data = value
        if len(content) < offset + len(data):
            content.extend(bytes(offset + len(data) - len(content)))
        content[offset:offset + len(data)] = data
    elif kind == "reach" and len(content) < value:
        content.extend(bytes(value - len(content)))
    elif kind == "size":
        del content[value:]
        content.extend(bytes(value - len(content)))


class File:
    def __init__(self):
        self.synced, self.since = bytearray(), []

    def after(self, changes):
        content = bytearray(self.synced)
        for change in changes:
            put(content, change)
        return content


class Disk:
    """Names and files of one folder: what is durable, and what was done since."""

    def __init__(self):
        self.names, self.durable, self.since = {}, {}, []

    def apply(self, event):
        kind, name = event.kind, event.name
        if kind == "create":
            if name not in self.names:
                self.rename(("set", name, File()))
        elif kind == "unlink":
            self.rename(("drop", name, None))
        elif kind == "rename":
            self.rename(("set", event.value, self.names[name]), ("drop", name, None))
        elif kind == "sync" and name == ".":
            self.durable, self.since = dict(self.names), []
        elif kind == "sync":
            file = self.names[name]
            file.synced, file.since = file.after(file.since), []
        else:
            self.names[name].since.append((kind, event.value))

    def rename(self, *steps):
        """Steps of one change: there together or not at all."""
        self.since.append(steps)
        for what, name, file in steps:
            alter(self.names, what, name, file)

    def unsynced(self):
        return sum(len(file.since) for file in {id(file): file for file in self.names.values()}.values()) + len(self.since)

    def image(self, names_kept, kept):
        """Name to content, with so many of the changes of names and, of each file, the changes that `kept` gives."""
        names = dict(self.durable)
        for steps in self.since[:names_kept]:
            for what, name, file in steps:
                alter(names, what, name, file)
        return {name: file.after(kept(file)) for name, file in names.items()}

    def synced(self):
        return self.image(0, lambda file: [])

    def written(self):
        return self.image(len(self.since), lambda file: file.since)

    def lost(self, chance):
        """As chance has it: some of what was written, all of it, or all but one write."""
        share, left_out = chance.choice([(0.1, 0), (0.5, 0), (0.9, 0), (1, 0), (1, 1), (1, 1)])

        def kept(file):
            changes = list(file.since)
            if changes and left_out:
                del changes[chance.randrange(len(changes))]
            return [part for change in changes for part in (torn(change, share, chance) if share < 1 else [change])]

        return self.image(chance.randint(0, len(self.since)), kept)


def alter(names, what, name, file):
    if what == "set":
        names[name] = file
    else:
        names.pop(name, None)


def torn(change, share, chance):
    """The change, nothing, or some of the sectors that it touches."""
    kind, value = change
    if kind != "write" or chance.random() < 0.6:
        return [change] if chance.random() < share else []
    offset, data = value
    sector, parts, at = chance.choice([512, 4096]), [], offset
    while at < offset + len(data):
        end = min((at // sector + 1) * sector, offset + len(data))
        if chance.random() < share:
            parts.append(("write", (at, data[at - offset:end - offset])))
        at = end
    return parts


def lay_out(image, folder):
    folder.mkdir(parents=True)
    for name, content in image.items():
        with open(folder / name, "wb") as file:
            # The reserve is 32 MiB of nothing.
            file.truncate(len(content))
            if content.count(0) < len(content):
                file.write(content)
    return folder


# What a state says.


def rows_of(folder):
    """Each table's rows, as SQLite recovers them; nothing where there is no database. Works on a copy."""
    copy = folder.with_name(folder.name + ".read")
    if not (folder / "state.db").exists():
        return None
    copy.mkdir()
    for name in ("state.db", LOG):
        if (folder / name).exists():
            shutil.copy(folder / name, copy / name)
    try:
        with contextlib.closing(sqlite3.connect(copy / "state.db")) as base:
            verdict = [row[0] for row in base.execute("PRAGMA integrity_check")]
            expect(verdict == ["ok"], f"the database of {folder} is damaged: {verdict[:5]}")
            tables = [row[0] for row in base.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
            return {table: sorted(base.execute(f'SELECT * FROM "{table}"'), key=repr) for table in tables}
    except sqlite3.DatabaseError as error:
        raise Failed(f"the database of {folder} can't be read: {error}") from None
    finally:
        shutil.rmtree(copy)


class Image:
    """One moment of loss, and the three disks that belong to it."""

    def __init__(self, folder, disk, events, last, chance):
        self.event, self.folder = events[last], folder
        # Nothing changed on the disk before that, so the power may as well have gone as late.
        self.before = events[last + 1].at if last + 1 < len(events) else float("inf")
        self.unsynced = disk.unsynced()
        self.found = lay_out(disk.lost(chance), folder / "lost")
        self.synced = lay_out(disk.synced(), folder / "synced")
        self.written = lay_out(disk.written(), folder / "written")

    def __str__(self):
        return f"after {self.event.kind} of {self.event.name} at {self.event.at:.6f} ({self.folder})"


def wrong_with(found, synced, written, received):
    """What is not as it must be of a state's rows; `received`: keys of deliveries that came, in their order."""
    wrong = []
    if found is None:
        if synced is not None:
            wrong.append("gone: a database that was synced is not there")
        found = {table: [] for table in KEPT_TABLES}
    elif found not in (synced, written):
        wrong.append("mixed: the rows are neither those of the synced writes nor those of all")
    rows = lambda tables, table: {row[0] for row in (tables or {}).get(table, [])}
    for table in KEPT_TABLES:
        lost = rows(synced, table) - rows(found, table)
        if lost:
            wrong.append(f"lost: {table} {sorted(lost)[:5]} was synced")
        more = rows(found, table) - rows(written, table)
        if more:
            wrong.append(f"invented: {table} {sorted(more)[:5]} was never written")
    deliveries = {row[0]: row[1] for row in found["delivery"]}
    attempts = collections.Counter(deliveries[row[1]] for row in found["attempt"])
    for key, times in collections.Counter(received).items():
        if attempts[key] < times:
            wrong.append(f"no attempt: {key} came {times} times, with {attempts[key]} attempts on record")
    return wrong


def came_before(receipt, at):
    """The sink writes whole milliseconds, rounded down: within the last one it is not known."""
    return (receipt["at"] + 1) / 1000 <= at


def examine(vigie, image, cycle, receipts):
    """Reads an image and starts the daemon on it; gives how many receipts it had to know of, and what was left of it."""
    received = [line["key"] for line in receipts if came_before(line, image.before)]
    found, synced, written = (rows_of(place) for place in (image.found, image.synced, image.written))
    wrong = wrong_with(found, synced, written, received)
    expect(not wrong, f"{image}: {wrong}")
    goes_on(vigie, image, cycle)
    after = rows_of(image.found)
    for table in KEPT_TABLES:
        lost = {row[0] for row in (found or {}).get(table, [])} - {row[0] for row in after[table]}
        expect(not lost, f"{image}: the next start lost {table} {sorted(lost)[:5]}")
    came_to = "no difference" if synced == written else "as synced" if found == synced else "as written"
    return len(received), came_to


def goes_on(vigie, image, cycle):
    folder, listen = image.found, free_port()
    shutil.copy(cycle.folder / "values.db", folder / "values.db")
    (folder / "vigie.yaml").write_text(config(folder, cycle.mail, cycle.sink) + f"listen: 127.0.0.1:{listen}\n")
    state, began = folder / "state.db", int(time.time() * 1000)
    with Daemon(vigie, folder / "vigie.yaml", folder / "vigie.log", cwd=folder) as daemon:
        ready = lambda: page(listen, "/readyz")[0] == 200
        judged = lambda: (ask(state, "SELECT max(last_slot) FROM kpi_clock") or 0) > began
        quiet = lambda: ask(state, QUIET) == 0
        for what, is_so in [("the daemon is ready", ready), ("it judges", judged), ("it sends what waits", quiet)]:
            wait_for(f"{image}: {what}", PHASE_S_MAX, is_so, daemon.ended)
        code = daemon.stop()
        expect(code == 0, f"{image}: the daemon ended with {code}:\n{daemon.tail()}")


# The recording.


def hold(daemon):
    """Stops all its threads, so that none is inside a call when it is killed."""
    os.kill(daemon.process.pid, signal.SIGSTOP)
    tasks = pathlib.Path(f"/proc/{daemon.process.pid}/task")
    still = lambda: all(stat.read_text().rpartition(")")[2].split()[0] in "tT" for stat in tasks.glob("*/stat"))
    wait_for("all threads stand still", PHASE_S_MAX, still, daemon.ended)


def record(cycle):
    """A life until the firing is told and the log was folded into the database, one to the end; events of each."""
    with cycle.traced(WHAT, "calls1") as first:
        wait_for("both receivers are told of the firing", PHASE_S_MAX, lambda: cycle.told("firing"), first.ended)
        made = cycle.state.stat().st_mtime_ns
        folded = lambda: cycle.state.stat().st_mtime_ns != made
        wait_for("the log is folded into the database", PHASE_S_MAX, folded, first.ended)
        time.sleep(2)
        hold(first)
        first.kill()
    disk, events = Disk(), events_of(first, cycle)
    replay(disk, events, cycle)
    with cycle.traced(WHAT, "calls2") as second:
        cycle.calm_down()
        wait_for("both receivers are told of the end", PHASE_S_MAX, lambda: cycle.told("resolved"), second.ended)
        wait_for("all outcomes are recorded", PHASE_S_MAX, cycle.quiet, second.ended)
        code = second.stop()
        expect(code == 0, f"the daemon ended with {code}:\n{second.tail()}")
    more = events_of(second, cycle)
    replay(disk, more, cycle)
    return events + more


def events_of(daemon, cycle):
    lines, recorder = daemon.lines(), Recorder(cycle.folder)
    seen = sorted(set(mapped(lines, cycle.folder)))
    expect(not seen, f"changes of {seen} can't be seen: they are mapped")
    for call in whole_calls(lines):
        recorder.take(call)
    return recorder.events


def replay(disk, events, cycle):
    """The recording is whole: replayed, it makes the files that are there."""
    for event in events:
        disk.apply(event)
    made = disk.written()
    there = {path.name: path.read_bytes() for path in cycle.folder.glob("state.db*") if not path.name.endswith("-shm")}
    expect(made.keys() == there.keys(), f"replayed are {sorted(made)}, there are {sorted(there)}")
    differ = [name for name in made if made[name] != there[name]]
    expect(not differ, f"replayed, {differ} have other bytes than they have")


def moments(events, images, chance):
    """Numbers of the events after which the power goes."""
    kinds = collections.defaultdict(list)
    disk = Disk()
    for number, (event, following) in enumerate(zip(events, [*events[1:], None])):
        disk.apply(event)
        if not disk.unsynced():
            continue
        if event.name.startswith("state.db.creating"):
            kinds["creating"].append(number)
        elif event.name == "state.db":
            kinds["folding"].append(number)
        elif event.name == LOG and following and following.kind == "sync":
            kinds["committing"].append(number)
        else:
            kinds["logging"].append(number)
    wanted = {kind: round(images * share) for kind, share in SHARES.items()}
    wanted["logging"] = images - sum(wanted.values())
    chosen = []
    for kind, number in wanted.items():
        expect(len(kinds[kind]) >= number, f"only {len(kinds[kind])} moments of {kind}, {number} are wanted")
        chosen += chance.sample(kinds[kind], number)
    counts = ", ".join(f"{wanted[kind]} of {len(kinds[kind])} {kind}" for kind in wanted)
    print(f"recorded: {len(events)} changes and syncs; moments: {counts}")
    return sorted(chosen)


def can_fail(images, events, receipts, chance):
    """The check finds what it is there for, on these very images, and a daemon that would not sync its log."""
    early, late = (rows_of(image.written) for image in (next(each for each in images if rows_of(each.synced)), images[-1]))

    def found(what, *rows):
        wrong = wrong_with(*rows)
        expect(any(line.startswith(what) for line in wrong), f"the check does not find {what!r} where it must: {wrong}")

    keys = [line["key"] for line in receipts]
    found("gone", None, late, late, [])
    found("lost", early, late, late, [])
    found("mixed", {**late, "alert": early["alert"], "kpi_clock": early["kpi_clock"]}, late, late, [])
    found("invented", late, early, early, [])
    found("no attempt", late, late, late, [*keys, *keys])
    found("no attempt", early, early, early, keys)
    broken = images[-1].folder / "broken"
    shutil.copytree(images[-1].synced, broken)
    with open(broken / "state.db", "r+b") as base:
        base.seek(3 * 4096)
        base.write(bytes(4096))
    (broken / LOG).unlink(missing_ok=True)
    try:
        rows_of(broken)
    except Failed:
        pass
    else:
        raise Failed("a page of zeros is not found")
    # When a message had come, the last one first: right after the log was folded there is little in it to lose.
    for back, receipt in enumerate(reversed(receipts[-UNSYNCED_RECEIPTS:])):
        last = max(number for number, event in enumerate(events) if event.at < receipt["at"] / 1000)
        disk, careless = Disk(), Disk()
        for event in events[:last + 1]:
            disk.apply(event)
            if (event.kind, event.name) != ("sync", LOG):
                careless.apply(event)
        place = images[-1].folder / f"careless{back}"
        synced = rows_of(lay_out(disk.synced(), place / "synced"))
        written = rows_of(lay_out(disk.written(), place / "written"))
        received = [line["key"] for line in receipts if came_before(line, events[last].at)]
        for number in range(UNSYNCED_TRIES):
            wrong = wrong_with(rows_of(lay_out(careless.lost(chance), place / f"lost{number}")), synced, written, received)
            if any(line.startswith(("lost", "no attempt")) for line in wrong):
                return
    raise Failed("a daemon that does not sync its log is not found")


def run():
    parser = argparse.ArgumentParser()
    parser.add_argument("--vigie", required=True)
    parser.add_argument("--dir", required=True)
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--parallel", type=int, default=8)
    options = parser.parse_args()
    folder, chance = pathlib.Path(options.dir).resolve(), random.Random(options.seed)
    limit(RECORDED_S_MAX + IMAGE_S_MAX * options.images // options.parallel)
    with contextlib.ExitStack() as servers:
        cycle = Cycle(options.vigie, folder / "recorded", servers, SERIES)
        events = record(cycle)
        # What comes later comes from daemons on images.
        receipts = read_lines(cycle.sink.receipts)
        disk, images, at = Disk(), [], set(moments(events, options.images, chance))
        for number, event in enumerate(events):
            disk.apply(event)
            if number in at:
                images.append(Image(folder / f"image{len(images):03}", disk, events, number, chance))
        can_fail(images, events, receipts, chance)
        with concurrent.futures.ThreadPoolExecutor(options.parallel) as pool:
            rounds = [pool.submit(examine, options.vigie, image, cycle, receipts) for image in images]
            try:
                known = [each.result() for each in rounds]
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
    unsynced = sum(image.unsynced for image in images)
    came_to = collections.Counter(each for _, each in known)
    counts = [count for count, _ in known]
    print(f"{len(images)} images with {unsynced} changes not synced: all whole, a start goes on from each")
    print(f"a commit was at stake in {came_to['as synced'] + came_to['as written']}: gone in {came_to['as synced']}, "
          f"there in {came_to['as written']}; {sum(count > 0 for count in counts)} images after receipts "
          f"({sum(counts)} in all), each with its attempt")


if __name__ == "__main__":
    main(run)
