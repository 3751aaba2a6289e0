"""The shipped units leave the service what it needs: every system call of a whole run is held against them.

    sandbox.py --vigie BIN --dir DIR

systemd is not the first process on a build machine, so nothing here runs under its filter. Instead strace writes down what
the daemon calls from its start to SIGTERM, as a user without rights: pulls over HTTP and from SQLite, rules, a mail and
a webhook, its pages, what people ask over the control socket, a reload. The same for a backup. What the units let through
is resolved from their lines and `systemd-analyze syscall-filter`, and so are the restrictions that calls can be held
against. Prints how many calls there are and which groups they belong to.
"""

import argparse
import contextlib
import json
import os
import pathlib
import pwd
import re
import shutil
import sqlite3
import subprocess
import time

from disk_full import page, told
from lifecycle import Manager
from support import (HERE, Call, Healthy, MailServer, Sink, Traced, expect, free_port, limit, main, new_mails, program, wait_for,
                     whole_calls)

SHIPPED = HERE.parent.parent / "contrib/systemd"
SECONDS_MAX = 150
# Another user than root: some libraries call more as root (SQLite's fchown), which the filter would rightly refuse.
USER = "nobody"
SLOW_S = 40
# Fewer would mean that strace missed threads.
DISTINCT_MIN = 40
OPENS_TO_WRITE = re.compile(r"\bO_(WRONLY|RDWR|CREAT|TRUNC)\b")
CHANGES_FILES = {"mkdir", "mkdirat", "unlink", "unlinkat", "rename", "renameat", "renameat2", "rmdir", "link", "linkat",
                 "symlink", "symlinkat", "chmod", "fchmodat", "truncate", "mknod", "mknodat"}
SETS_MODE = {"chmod", "fchmod", "fchmodat", "open", "openat", "creat", "mkdir", "mkdirat", "mknod", "mknodat"}
# What PrivateDevices=yes leaves.
DEVICES = re.compile(r"/dev/(null|zero|full|random|urandom|tty)$|/dev/shm/")
# What ProcSubset=pid leaves; and what the C library's allocator looks into before it gives memory back, which it does
# without if it isn't there.
PROCESS_FILES = re.compile(r"/proc/(self|thread-self|\d+)(/|$)|/proc/sys/vm/overcommit_memory$")


# What a unit says.


def settings_of(unit):
    """Key to values of a unit's section [Service], in their order; an empty value takes back those before it."""
    found, section = {}, None
    for line in unit.read_text().replace("\\\n", " ").splitlines():
        line = line.strip()
        if line.startswith("["):
            section = line
        elif section == "[Service]" and line and line[0] not in "#;":
            key, _, value = line.partition("=")
            found.setdefault(key.strip(), []).append(value.strip())
            if not value.strip():
                found[key.strip()] = []
    return found


def groups_of_calls():
    """Systemd's groups of system calls as they are written: name to members, which may be groups themselves."""
    command = [program("systemd-analyze", "systemd"), "--no-pager", "syscall-filter"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    expect(done.returncode == 0, f"systemd-analyze syscall-filter: {done.stderr}")
    groups, name = {}, None
    for line in done.stdout.splitlines():
        if line.startswith("@"):
            name = line.strip()
            groups[name] = []
        elif line.startswith("    ") and line.strip()[0] != "#":
            groups[name].append(line.strip())
    expect({"@default", "@known", "@system-service"} <= groups.keys(), f"systemd-analyze tells of the groups {sorted(groups)}")
    return groups


def calls_in(name, groups):
    """Calls of a group and of the groups in it, or the call of that name."""
    if not name.startswith("@"):
        return {name}
    expect(name in groups, f"the unit names {name}, which systemd does not know")
    return set().union(*(calls_in(member, groups) for member in groups[name]))


def let_through(lines, groups):
    """Calls that SystemCallFilter= lets through: the first line decides whether it lists what is allowed or what isn't."""
    expect(lines, "the unit filters no system calls")
    allows = not lines[0].startswith("~")
    # Systemd adds these to a list of what is allowed before anything else.
    found = calls_in("@default", groups) if allows else calls_in("@known", groups)
    for line in lines:
        named = set().union(*(calls_in(word.split(":")[0], groups) for word in line.removeprefix("~").split()))
        found = found - named if line.startswith("~") else found | named
    return found


# What was called.


def refused(calls, settings, groups, writable):
    """What the unit would refuse of these calls, a line each."""
    allowed = let_through(settings.get("SystemCallFilter", []), groups)
    names = {call.name for call in calls}
    # RestrictNamespaces= can't look into clone3, so it says that there is none, and the C library takes the older call.
    names |= {"clone"} if "clone3" in names else set()
    wrong = [f"SystemCallFilter: {name}" for name in sorted(names - allowed)]
    said = lambda key: settings.get(key, [""])[-1]
    families = {family for line in settings.get("RestrictAddressFamilies", []) for family in line.split()} - {"none"}
    expect("RestrictAddressFamilies" in settings, "the unit does not restrict address families")
    for key, value in [("MemoryDenyWriteExecute", "yes"), ("RestrictNamespaces", "yes"), ("RestrictSUIDSGID", "yes"),
                       ("RestrictRealtime", "yes"), ("LockPersonality", "yes"), ("ProtectSystem", "strict"),
                       ("ProcSubset", "pid"), ("PrivateDevices", "yes")]:
        expect(said(key) == value, f"{key} is {said(key)!r}, and this check knows only {value!r}")

    def tell(key, text):
        wrong.append(f"{key}: {text}")

    for number, (name, text, _) in enumerate(calls):
        succeeded = not re.search(r"\) += -1 ", text)
        # Pairs are left alone by systemd too.
        family = re.match(r"socket\((\w+)", text)
        if family and family[1] not in families and family[1].replace("AF_LOCAL", "AF_UNIX") not in families:
            tell("RestrictAddressFamilies", text)
        if name in ("mmap", "mmap2") and "PROT_WRITE" in text and "PROT_EXEC" in text:
            tell("MemoryDenyWriteExecute", text)
        # The filter refuses it whether or not the memory was written to before.
        if (name in ("mprotect", "pkey_mprotect") and "PROT_EXEC" in text) or (name == "shmat" and "SHM_EXEC" in text):
            tell("MemoryDenyWriteExecute", text)
        if name == "setns" or (name in ("clone", "clone3", "unshare") and "CLONE_NEW" in text):
            tell("RestrictNamespaces", text)
        if name in SETS_MODE and re.search(r"S_IS[UG]ID|\b0[2467]\d{3}\b", text):
            tell("RestrictSUIDSGID", text)
        if name in ("sched_setscheduler", "sched_setattr") and re.search(r"SCHED_(FIFO|RR|DEADLINE)", text):
            tell("RestrictRealtime", text)
        if name == "personality" and "0xffffffff" not in text:
            tell("LockPersonality", text)
        if number == 0 or not succeeded:
            continue
        changes = name in CHANGES_FILES or (name in ("open", "openat", "openat2", "creat") and OPENS_TO_WRITE.search(text))
        changes = changes or (name == "bind" and "AF_UNIX" in text)
        for path in re.findall(r'"([^"]*)"', text):
            # A relative name lies who knows where.
            is_ours = any(path == str(place) or path.startswith(f"{place}/") for place in writable)
            if changes and not is_ours and not DEVICES.match(path):
                tell("ProtectSystem", text)
            if path.startswith("/proc/") and not PROCESS_FILES.match(path):
                tell("ProcSubset", text)
            if path.startswith("/dev/") and not DEVICES.match(path):
                tell("PrivateDevices", text)
    return wrong


def by_group(names, groups):
    """Each call under the smallest group that names it itself."""
    found = {}
    for name in sorted(names):
        homes = [group for group, members in groups.items() if name in members and group not in ("@known", "@obsolete")]
        home = min(homes, key=lambda group: len(calls_in(group, groups)), default="no group")
        found.setdefault(home, []).append(name)
    return found


def can_fail(calls, settings, groups, writable):
    """Each part of the check finds what it is there for, on this very run."""

    def found(what, calls=calls, writable=writable, **changes):
        lines = refused(calls, {**settings, **changes}, groups, writable)
        expect(any(line.startswith(what) for line in lines), f"the check does not find {what} where it must: {lines}")
        return lines

    filters = settings["SystemCallFilter"]
    lines = found("SystemCallFilter", SystemCallFilter=[*filters, "~@network-io"])
    named = {line.split(": ")[1] for line in lines}
    missing = {"socket", "connect", "sendto", "recvfrom", "accept4"} - named
    expect(not missing, f"without @network-io the check names {sorted(named)}, and not {sorted(missing)}")
    beside = named - calls_in("@network-io", groups)
    expect(not beside, f"without @network-io the check also names {sorted(beside)}")
    found("SystemCallFilter: fsync", SystemCallFilter=["@system-service", "~@sync"])
    found("SystemCallFilter: openat", SystemCallFilter=["~@file-system"])
    found("RestrictAddressFamilies: socket(AF_INET,", RestrictAddressFamilies=["AF_UNIX"])
    found("ProtectSystem: ", writable=[])
    for what, text in [
        ("MemoryDenyWriteExecute", "mmap(NULL, 4096, PROT_READ|PROT_WRITE|PROT_EXEC, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f00"),
        ("MemoryDenyWriteExecute", "mprotect(0x7f00, 4096, PROT_READ|PROT_EXEC) = 0"),
        ("RestrictNamespaces", "clone3({flags=CLONE_VM|CLONE_NEWUSER, exit_signal=SIGCHLD}, 88) = 7"),
        ("RestrictSUIDSGID", 'fchmodat(AT_FDCWD, "/x", 04755) = 0'),
        ("RestrictRealtime", "sched_setscheduler(0, SCHED_FIFO, [1]) = 0"),
        ("LockPersonality", "personality(0x0040000) = 0"),
        ("ProcSubset", 'openat(AT_FDCWD, "/proc/meminfo", O_RDONLY|O_CLOEXEC) = 3'),
        ("PrivateDevices", 'openat(AT_FDCWD, "/dev/sda", O_RDONLY|O_CLOEXEC) = 3'),
        ("ProtectSystem", 'rename("/etc/a", "/etc/b") = 0'),
    ]:
        found(what, calls=[*calls, Call(text.split("(")[0], text, None)])


def judged(name, lines, writable, groups):
    """Holds a traced run against a unit; gives its calls and the settings."""
    settings = settings_of(SHIPPED / name)
    calls = whole_calls(lines)
    expect(not any("runs in 32 bit mode" in line for line in lines), "it calls by another architecture than its own")
    wrong = refused(calls, settings, groups, writable)
    expect(not wrong, f"{name} would refuse {len(wrong)} of {len(calls)} calls:\n" + "\n".join(sorted(set(wrong))[:40]))
    names = {call.name for call in calls}
    homes = by_group(names, groups)
    counted = ", ".join(f"{group} {len(homes[group])}" for group in sorted(homes, key=lambda group: -len(homes[group])))
    print(f"{name}: {len(calls)} calls, {len(names)} distinct, all let through: {counted}")
    return calls, settings, names


# The run.


def write_values(path):
    now = int(time.time())
    with contextlib.closing(sqlite3.connect(path)) as base, base:
        base.execute("CREATE TABLE queue (at INTEGER PRIMARY KEY, value INTEGER)")
        base.executemany("INSERT INTO queue VALUES (?, 200)", [(at,) for at in range(now - 60, now + 2 * SECONDS_MAX)])


def configuration(folder, sink, healthy, listen):
    level = {"category": "operational", "kind": "level", "grain": "1s", "schedule": "every 1s", "history": "10s"}
    rows = "SELECT at AS bucket, value FROM queue WHERE at >= :from_unix AND at < :to_unix"
    return {
        "timezone": "UTC", "language": "en", "state": f"sqlite:{folder}/state/vigie.db",
        "control": str(folder / "run/control.sock"), "listen": f"127.0.0.1:{listen}",
        "people": {"claire": {"mail": "claire@example.test"}},
        "sources": {"api": {"http_json": {"url": f"http://127.0.0.1:{healthy.port}/"}},
                    "shops": {"sql": {"url": "sqlite://values.db"}}},
        "kpis": {
            "queue": {"title": "Queue", "source": "shops", "query": rows, **level},
            "pulse": {"title": "Pulse", "source": "api", "query": {"path": "", "rows": "$", "value": "$.value"}, **level},
        },
        "rules": {
            "too-long": {"script": "signal/threshold", "on": ["queue"], "with": {"above": 100}},
            "low": {"script": "signal/threshold", "on": ["pulse"], "with": {"below": 0}},
        },
        "receivers": {"all": [{"email": {"to": ["claire"]}}, {"webhook": {"url": f"http://127.0.0.1:{sink.port}/"}}]},
        "route": {"to": "all", "group": {"by": ["alert"], "wait": "0s", "interval": "1s"}},
    }


def ask(vigie, config, *words):
    command = [vigie, "--config", config, *words]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=SLOW_S, check=False)
    expect(done.returncode == 0, f"vigie {' '.join(map(str, words))}: {done.returncode} {done.stdout}{done.stderr}")
    return done.stdout


def people_act(vigie, config):
    """What people ask of a running service."""
    alerts = [json.loads(line) for line in ask(vigie, config, "--format", "json", "alerts").splitlines()]
    alert = next(each["id"] for each in alerts if each["type"] == "alert")
    for words in [
        ["status"], ["ack", alert, "--note", "looked at"], ["snooze", alert, "--for", "1h"], ["feedback", alert, "useful"],
        ["silence", "add", "--kpi", "pulse", "--for", "1h", "--why", "works"], ["silence", "list"],
        ["event", "add", "--from", "2026-01-01", "Strike"], ["pull", "pulse"], ["deliveries"], ["log-level", "debug"],
        ["log-level", "info"], ["send", "all"],
    ]:
        ask(vigie, config, *words)


def live(vigie, folder, identity):
    """One life of the service under strace; gives what strace wrote."""
    config, healthy, listen = folder / "etc", Healthy(), free_port()
    manager = Manager(folder / "run")
    os.chmod(manager.path, 0o666)
    with MailServer(folder / "smtp") as mail, Sink(folder) as sink:
        (config / "mail.yaml").write_text(mail.yaml())
        # JSON is YAML.
        (config / "vigie.yaml").write_text(json.dumps(configuration(folder, sink, healthy, listen)))
        env = {**os.environ, "NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "4000000"}
        env.pop("WATCHDOG_PID", None)
        command = [vigie, "run", "--config", config]
        daemon = Traced(command, folder / "vigie.log", folder / "traces/run", ["-s", "0"], env=env, cwd="/", **identity)
        with daemon:
            wait_for("READY=1", SLOW_S, lambda: manager.count("READY=1") == 1, daemon.ended)
            wait_for("the webhook is told", SLOW_S, lambda: ("breach", "firing") in told(sink.receipts), daemon.ended)
            wait_for("the mail arrives", SLOW_S, lambda: new_mails(mail.mails), daemon.ended)
            expect(page(listen, "/readyz")[0] == 200 and "vigie_" in page(listen, "/metrics")[1], "its pages don't answer")
            people_act(vigie, config)
            wait_for("the drill arrives", SLOW_S, lambda: len(new_mails(mail.mails)) >= 2, daemon.ended)
            # The unit's own command, which the service manager runs in the same sandbox, as the same user.
            program_of, *words = settings_of(SHIPPED / "vigie.service")["ExecReload"][-1].split()
            expect(program_of == "/usr/bin/vigie" and words.count("/etc/vigie") == 1, f"the unit reloads by {program_of} {words}")
            command = [vigie, *(config if word == "/etc/vigie" else word for word in words)]
            reloading = Traced(command, folder / "reload.log", folder / "traces/reload", ["-s", "0"], cwd="/", **identity)
            with reloading:
                wait_for("the reload", SLOW_S, lambda: reloading.process.poll() is not None)
            expect(reloading.process.returncode == 0, f"the reload ended with {reloading.process.returncode}:\n{reloading.tail()}")
            expect(manager.count("READY=1") == 2, f"it ended before the service was ready again: {manager.all()}")
            wait_for("a ping of the watchdog", SLOW_S, lambda: manager.count("WATCHDOG=1") >= 2, daemon.ended)
            asked = len(healthy.asked)
            wait_for("pulls go on", SLOW_S, lambda: len(healthy.asked) > asked + 1, daemon.ended)
            copy = [vigie, "backup", "--config", config, "--keep", "1", folder / "state/backups"]
            for number in (1, 2):
                saving = Traced(copy, folder / "backup.log", folder / f"traces/backup{number}", ["-s", "0"], cwd="/", **identity)
                with saving:
                    wait_for("the backup", SLOW_S, lambda: saving.process.poll() is not None)
                expect(saving.process.returncode == 0, f"the backup ended with {saving.process.returncode}:\n{saving.tail()}")
            code = daemon.stop(SLOW_S)
            expect(code == 0, f"the daemon ended with {code}:\n{daemon.tail()}")
    return daemon.lines(), reloading.lines(), saving.lines()


def run():
    parser = argparse.ArgumentParser()
    parser.add_argument("--vigie", required=True)
    parser.add_argument("--dir", required=True)
    options = parser.parse_args()
    folder = pathlib.Path(options.dir).resolve()
    expect(os.geteuid() == 0, f"the service is run as {USER}, so this check must begin as root")
    limit(SECONDS_MAX)
    user = pwd.getpwnam(USER)
    # As systemd makes them: the configuration is read, two folders belong to the service.
    for name in ("etc", "state", "state/backups", "run", "traces", "bin"):
        (folder / name).mkdir(parents=True)
        if name not in ("etc", "bin"):
            os.chown(folder / name, user.pw_uid, user.pw_gid)
    # The build's folder may be closed to that user.
    vigie = pathlib.Path(shutil.copy(options.vigie, folder / "bin/vigie"))
    vigie.chmod(0o755)
    write_values(folder / "etc/values.db")
    run_lines, reload_lines, backup_lines = live(vigie, folder, {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []})
    groups = groups_of_calls()
    calls, settings, names = judged("vigie.service", run_lines, [folder / "state", folder / "run"], groups)
    expect(len(names) >= DISTINCT_MIN, f"only {len(names)} distinct calls were seen: {sorted(names)}")
    judged("vigie.service", reload_lines, [folder / "state", folder / "run"], groups)
    judged("vigie-backup.service", backup_lines, [folder / "state"], groups)
    can_fail(calls, settings, groups, [folder / "state", folder / "run"])
    print("self-check: each restriction names what it would refuse")


if __name__ == "__main__":
    main(run)
