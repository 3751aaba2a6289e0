"""The Debian package on a machine of its own: installed, used and purged.

    package.py --deb FILE --dir DIR [--cache DIR]

The machine is a folder with a minimal system (debootstrap, from the mirror that this machine's apt has), kept as an archive
in the cache folder. First as in a container: no service manager runs, and a purge leaves the folder as it was. Then systemd
is its first process, in namespaces of its own: an older package (this one with another version, program, unit and example)
is installed, which doesn't start the service; it runs as the unit has it once it was enabled, is upgraded to the package and
goes on with what it had, and goes with its state in a purge. lintian and the man pages' own tools read the package.
"""

import argparse
import contextlib
import csv
import datetime
import gzip
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import time

from support import Child, Failed, expect, main, new_mails, program, read_mail, text_part, wait_for

# The package depends on certificates; man-db reads its pages, systemd runs its units.
INCLUDED = ["ca-certificates", "man-db", "systemd"]
UNITS = ["vigie-backup.service", "vigie-backup.timer", "vigie.service"]
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# What lintian may say, and why that stays.
ACCEPTED = {
    "initial-upload-closes-no-bugs": "the package isn't uploaded to Debian",
    "embedded-library": "the program contains what its crates contain, so that it is what was tried",
}
# Written by tools of the system on any installation.
OF_THE_SYSTEM = ("run/systemd/", "var/cache/man/", "var/lib/dpkg/", "var/log/")


def say(command, seconds, **options):
    """Output of a command that must succeed."""
    command = [str(part) for part in command]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=seconds, check=False, **options)
    expect(done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def mirror():
    """Codename of this machine's system, and where its apt has that from."""
    release = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', pathlib.Path("/etc/os-release").read_text(), re.MULTILINE))
    codename = release["VERSION_CODENAME"]
    form = "$(CODENAME) $(COMPONENT) $(LABEL) $(REPO_URI)"
    for line in say(["apt-get", "indextargets", "--format", form, "Created-By: Packages"], 60).splitlines():
        words = line.split()
        if words[:2] == [codename, "main"] and words[2].lower() == release["ID"]:
            return codename, words[3]
    raise Failed(f"apt has no source of {codename} main; run: apt-get update")


def machine(folder, cache):
    """A new minimal system in a folder."""
    codename, uri = mirror()
    arch = say(["dpkg", "--print-architecture"], 20).strip()
    archive = cache / f"{'-'.join(['debootstrap', codename, arch, *INCLUDED])}.tar.gz"
    if not archive.exists():
        first = folder / "first"
        command = [program("debootstrap", "debootstrap"), "--variant=minbase", f"--include={','.join(INCLUDED)}"]
        say([*command, codename, first, uri], 1200)
        cache.mkdir(parents=True, exist_ok=True)
        # Packages that were installed and their lists are of no use any more.
        excluded = ["--exclude=./var/cache/apt/archives/*.deb", "--exclude=./var/lib/apt/lists/*"]
        new = archive.with_suffix(".new")
        say(["tar", "--create", "--file", new, "--use-compress-program", "gzip -1", "--numeric-owner", *excluded, "-C", first, "."], 300)
        new.rename(archive)
        shutil.rmtree(first)
    root = folder / "root"
    root.mkdir()
    say(["tar", "--extract", "--file", archive, "--numeric-owner", "-C", root], 300)
    # Nothing of the machine around is to be seen, its name servers least of all.
    (root / "etc/resolv.conf").write_text("")
    return root


def listing(root):
    """Every path, with what tells that a file is another one."""
    found = {}
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            path = pathlib.Path(folder, name)
            info = path.lstat()
            is_file = path.is_file() and not path.is_symlink()
            found[str(path.relative_to(root))] = (info.st_mode, info.st_uid, *((info.st_size, info.st_mtime_ns) if is_file else ()))
    return found


def left(root, before):
    """What a purge left or took along, but for what the system writes on its own."""
    after = listing(root)
    differ = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    # A folder keeps no trace of what was in it.
    return sorted(path for path in differ if not f"{path}/".startswith(OF_THE_SYSTEM))


def named(root):
    """Every path that has the package's name in it, but for pages that the system keeps as they were shown."""
    return sorted(path for path in listing(root) if "vigie" in path and not path.startswith(OF_THE_SYSTEM))


def configuration(root):
    """A figure above its limit, told in a maildir beside the state; all of it is at the package's own places."""
    today = datetime.datetime.now(datetime.timezone.utc).date()
    with open(root / "etc/vigie/visits.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["day", "visits"])
        rows.writerows((today - datetime.timedelta(days=ago), 200) for ago in range(9, 0, -1))
    settings = {
        "timezone": "UTC",
        "language": "en",
        "people": {"ada": {"mail": "ada@example.test"}},
        "sources": {"site": {"csv": {"path": "visits.csv"}}},
        "kpis": {
            "visits": {"title": "Visits", "category": "customer", "unit": "none", "kind": "level", "source": "site",
                       "query": {"time": "day", "value": "visits"}, "history": "9d"},
        },
        "rules": {"many": {"script": "signal/threshold", "on": ["visits"], "with": {"above": 100}}},
        "receivers": {"ops": {"maildir": {"path": "/var/lib/vigie/boxes", "to": ["ada"]}}},
        "route": {"to": "ops", "group": {"wait": "0s", "interval": "1s"}},
    }
    # JSON is YAML.
    (root / "etc/vigie/vigie.yaml").write_text(json.dumps(settings, indent=1))


def delivered(boxes):
    mails = new_mails(boxes)
    if not mails:
        return None
    expect(len(mails) == 1, f"one message was due: {mails}")
    text = text_part(read_mail(mails[0]))
    expect("Visits" in text and "200" in text, f"the message tells of something else:\n{text}")
    return text


def inside(root, *words, seconds=60):
    """What a command says in the folder, without any service manager."""
    return say(["chroot", root, *words], seconds, env={"PATH": PATH, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"})


def pages(root):
    """Each page is well-formed for both formatters, and there is one for each command that the help names."""
    folder = root / "usr/share/man/man1"
    found = sorted(folder.glob("vigie*.1.gz"))
    names = {path.name.removesuffix(".1.gz") for path in found}
    commands = re.findall(r"^  ([a-z][a-z-]*)  ", inside(root, "vigie", "--help"), re.MULTILINE)
    wanted = {"vigie", *(f"vigie-{command}" for command in commands if command != "help")}
    expect(len(wanted) > 20 and wanted <= names, f"no man page for {sorted(wanted - names)}")
    mandoc = program("mandoc", "mandoc")
    for path in found:
        expect(inside(root, "man", "--where", path.name.removesuffix(".1.gz")).strip().endswith(path.name), f"man can't find {path.name}")
        text = gzip.decompress(path.read_bytes()).decode()
        name = str(path.relative_to(root))
        shown = subprocess.run(["chroot", root, "man", "--warnings", "--encoding=UTF-8", "-l", f"/{name}"], capture_output=True,
                               text=True, timeout=60, check=False, env={"PATH": PATH, "LC_ALL": "C.UTF-8"})
        expect(shown.returncode == 0 and not shown.stderr, f"man --warnings {name}: {shown.stderr}")
        expect("NAME" in shown.stdout and "SYNOPSIS" in shown.stdout, f"{name} shows nothing:\n{shown.stdout}")
        linted = subprocess.run([mandoc, "-T", "lint", "-W", "warning"], input=text, capture_output=True, text=True, timeout=60, check=False)
        # Pages have the version in place of a date.
        wrong = [line for line in linted.stdout.splitlines() if 'missing date, using ""' not in line]
        expect(not wrong and not linted.stderr, f"mandoc -T lint of {name}: {wrong} {linted.stderr}")
    return len(found)


def completed(root):
    """The shells find their completions where they look, and bash completes by them."""
    places = ["usr/share/fish/vendor_completions.d/vigie.fish", "usr/share/zsh/vendor-completions/_vigie"]
    for place in places:
        expect("backtest" in (root / place).read_text(), f"{place} does not know the commands")
    expect((root / places[1]).read_text().startswith("#compdef vigie"), "zsh takes no notice of a file without #compdef")
    script = "source /usr/share/bash-completion/completions/vigie; COMP_WORDS=(vigie stat) COMP_CWORD=1; _vigie vigie stat vigie; echo ${COMPREPLY[*]}"
    words = inside(root, "bash", "-c", script).split()
    expect(words == ["status"], f"`vigie stat` is completed to {words}")


def linted(deb):
    """What lintian finds is known, with its reason."""
    command = [program("lintian", "lintian"), "--allow-root", "--no-cfg", deb]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    said = [line for line in done.stdout.splitlines() if line.startswith(("E: ", "W: "))]
    expect(done.returncode in (0, 2) and not done.stderr, f"lintian ended with {done.returncode}: {done.stdout}{done.stderr}")
    found = {line: line.split()[2] for line in said}
    new = [line for line, tag in found.items() if tag not in ACCEPTED]
    expect(not new, "lintian:\n" + "\n".join(new))
    return sorted(set(found.values()))


def example_is_right(root):
    """The example configuration lacks nothing but its secrets."""
    example = "/usr/share/doc/vigie/examples/vigie.yaml"
    done = subprocess.run(["chroot", root, "vigie", "check", example], capture_output=True, text=True, timeout=60, check=False)
    missing = re.findall(r"the environment variable `(\w+)` is not set", done.stderr)
    expect(done.returncode == 78 and len(missing) == 5, f"the example without its secrets: {done.returncode}\n{done.stderr}")
    credentials = root / "srv/credentials"
    credentials.mkdir(mode=0o700)
    (credentials / "smtp").write_text("secret\n")
    (credentials / "smtp").chmod(0o600)
    set_now = [f"{name}=https://example.test/{name}" for name in missing]
    set_now[set_now.index("SHOP_URL=https://example.test/SHOP_URL")] = "SHOP_URL=sqlite:///srv/shop.db"
    inside(root, "env", "CREDENTIALS_DIRECTORY=/srv/credentials", *set_now, "vigie", "check", example)
    shutil.rmtree(credentials)


def as_in_a_container(root, deb):
    """No service manager runs: nothing fails for that, and a purge leaves what was there before."""
    shutil.copy(deb, root / "srv/vigie.deb")
    before = listing(root)
    said = inside(root, "dpkg", "--install", "/srv/vigie.deb")
    told = [line for line in said.splitlines() if line.startswith("vigie: ")]
    expect(len(told) == 1 and "systemctl enable --now vigie" in told[0], f"no next step:\n{said}")
    version = say(["dpkg-deb", "--field", deb, "Version"], 20).strip()
    expect(inside(root, "vigie", "--version") == f"vigie {version.rpartition('-')[0]}\n", "another version was installed")
    example_is_right(root)
    modes = {name: oct((root / name).stat().st_mode & 0o777) for name in ("etc/vigie", "etc/vigie/secrets")}
    expect(modes == {"etc/vigie": "0o755", "etc/vigie/secrets": "0o700"}, f"modes are {modes}")
    for name in ("usr/share/vigie/prometheus/vigie.rules.yml", "usr/share/doc/vigie/copyright", "usr/share/doc/vigie/third-party.gz"):
        expect((root / name).stat().st_size > 1000, f"{name} holds nothing")
    units = sorted(path.name for path in (root / "usr/lib/systemd/system").glob("vigie*"))
    expect(units == UNITS, f"units are {units}")
    said = inside(root, "systemd-analyze", "verify", *(f"/usr/lib/systemd/system/{unit}" for unit in units))
    expect("vigie" not in said, f"systemd-analyze verify: {said}")
    count = pages(root)
    completed(root)
    configuration(root)
    for place in ("var/lib/vigie", "run/vigie"):
        (root / place).mkdir()
    inside(root, "vigie", "check")
    log = root.parent / "run.log"
    with Child(["chroot", root, "/usr/bin/vigie", "run"], log, env={"PATH": PATH}) as daemon:
        wait_for("one message", 60, lambda: delivered(root / "var/lib/vigie/boxes"), daemon.ended)
        expect(daemon.stop() == 0, f"the daemon did not end well:\n{daemon.tail()}")
    shutil.rmtree(root / "run/vigie")
    inside(root, "dpkg", "--remove", "vigie")
    expect((root / "etc/vigie/vigie.yaml").exists(), "a removal took the configuration along")
    expect((root / "var/lib/vigie/vigie.db").exists(), "a removal took the state along")
    inside(root, "dpkg", "--purge", "vigie")
    rest = left(root, before)
    expect(not rest, f"a purge left or changed {rest}")
    (root / "srv/vigie.deb").unlink()
    expect(not named(root), f"a purge left {named(root)}")
    return f"in a container: installed, {count} man pages, one message, purged without a trace"


UNIT, EXAMPLE, PROGRAM = "usr/lib/systemd/system/vigie.service", "usr/share/doc/vigie/examples/vigie.yaml", "usr/bin/vigie"
# Only the older package has it.
DROPPED = "usr/share/doc/vigie/examples/dropped.yaml"


def older(deb, folder, packed):
    """Packs the same with a lower version, another program (to the byte, not in what it does), unit and example."""
    say(["dpkg-deb", "--raw-extract", deb, folder], 60)
    control = folder / "DEBIAN/control"
    version = say(["dpkg-deb", "--field", deb, "Version"], 20).strip()
    control.write_text(control.read_text().replace(f"\nVersion: {version}\n", f"\nVersion: {version}~older\n"))
    say(["dpkg", "--compare-versions", f"{version}~older", "lt", version], 20)
    for name, added in ((PROGRAM, b"older"), (UNIT, b"\n[Service]\nNice=3\n"), (EXAMPLE, b"# Older.\n")):
        with open(folder / name, "ab") as file:
            file.write(added)
    (folder / DROPPED).write_text("# Dropped.\n")
    say(["dpkg-deb", "--build", "--root-owner-group", "-Zgzip", "-z1", folder, packed], 120)
    expect(say(["dpkg-deb", "--field", packed, "Version"], 20).strip() == f"{version}~older", "the older package is none")
    return version


# systemd as the first process of namespaces, of which the folder is all that there is. Of the machine's devices it has
# those that any process may have.
BOOT = r"""
set -e
root=$1
mount --make-rprivate /
mount --bind "$root" "$root"
cd "$root"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
for place in run tmp dev; do mount -t tmpfs tmpfs $place; done
for device in null zero full random urandom tty; do
    touch dev/$device
    mount --bind /dev/$device dev/$device
done
mkdir dev/shm dev/pts
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
# All that is there before is beneath it, and can't be seen any more.
pivot_root . .
umount --lazy .
exec env --ignore-environment container=vigie-package /lib/systemd/systemd --unit=multi-user.target
"""


class Booted(Child):
    """The folder with systemd running in it. It has a cgroup of its own: in that of others it would be their manager."""

    def __init__(self, root, log):
        mounts = [line.split() for line in pathlib.Path("/proc/self/mounts").read_text().splitlines()]
        places = [words[1] for words in mounts if words[2] == "cgroup2"]
        expect(places, "no cgroup2 is mounted, so systemd can't run")
        self.cgroup = pathlib.Path(places[0]) / f"vigie-package-{os.getpid()}"
        self.cgroup.mkdir()
        enter = f'echo $$ > "{self.cgroup}/cgroup.procs" && exec unshare --mount --pid --uts --ipc --net --cgroup --fork --kill-child sh -c "$0" boot "$1"'
        super().__init__(["sh", "-c", enter, BOOT, root], log)
        self.name = "systemd"
        self.init = None
        try:
            wait_for("systemd runs", 90, self.runs, self.ended)
        except BaseException:
            self.__exit__()
            raise

    def runs(self):
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        if not children or pathlib.Path(f"/proc/{children[0]}/comm").read_text() != "systemd\n":
            return False
        self.init = int(children[0])
        done = self.command("systemctl", "is-system-running")
        # Its consoles have no terminal.
        return done.stdout.strip() in ("running", "degraded")

    def command(self, *words, seconds=120):
        enter = ["nsenter", f"--target={self.init}", "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--"]
        env = {"PATH": PATH, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
        return subprocess.run([*enter, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=seconds, check=False, env=env)

    def say(self, *words):
        done = self.command(*words)
        log = "" if done.returncode == 0 else self.command("journalctl", "--no-pager", "--lines=40", "--unit=vigie*").stdout
        expect(done.returncode == 0, f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}{log}")
        return done.stdout

    def shows(self, unit, key):
        return self.say("systemctl", "show", "--property", key, "--value", unit).strip()

    def __exit__(self, *_):
        # The first process of a namespace takes all others along.
        with contextlib.suppress(ProcessLookupError):
            self.kill()
        gone = lambda: not any(path.read_text() for path in self.cgroup.rglob("cgroup.procs"))
        wait_for("the namespace is empty", 20, gone)
        for folder, _, _ in os.walk(self.cgroup, topdown=False):
            os.rmdir(folder)


def upgraded(system, root, install, version):
    """From the older package to this one while it runs, with an alert that fires, acknowledged, and a drop-in of the machine's own."""
    own = root / "etc/systemd/system/vigie.service.d/own.conf"
    own.parent.mkdir()
    own.write_text("[Service]\nEnvironment=OF_THE_MACHINE=1\n")
    system.say("systemctl", "daemon-reload")
    firing = [json.loads(line) for line in system.say("vigie", "alerts", "--format", "json").splitlines()]
    expect(len(firing) == 1, f"one alert was to fire: {firing}")
    system.say("vigie", "ack", firing[0]["id"], "--note", "seen before the upgrade")

    def lives():
        """What must be there afterwards."""
        paths = [*(root / "etc/vigie").rglob("*"), own, *(root / "var/lib/private/vigie/backups").iterdir()]
        files = {str(path): path.read_bytes() for path in paths if path.is_file()}
        return files, system.say("vigie", "alerts", "--format", "json"), system.say("vigie", "deliveries", "--format", "json")

    def runs():
        pid = system.shows("vigie.service", "MainPID")
        return pid, system.say("sha256sum", f"/proc/{pid}/exe").split()[0], system.shows("vigie.service", "Nice")

    before, (was, program_was, nice_was) = lives(), runs()
    expect("seen before the upgrade" in before[1], f"nobody acknowledged it: {before[1]}")
    expect(nice_was == "3" and (root / DROPPED).exists(), f"the older package isn't the one that runs: {nice_was}")
    said = system.say(*install, "/srv/package.deb")
    expect(system.say("dpkg-query", "--show", "--showformat", "${Version}", "vigie") == version, "it is not the newer one")
    expect("not started" not in said, f"an upgrade tells of a first step:\n{said}")
    expect(system.shows("vigie.service", "ActiveState") == "active", "an upgrade did not start it again")
    now, program_now, nice_now = runs()
    expect(now != was and program_now != program_was, f"an upgrade did not restart it with its program: {was}, {now}")
    expect(program_now == hashlib.sha256((root / PROGRAM).read_bytes()).hexdigest(), "another program runs")
    expect(nice_now == "0", f"it runs as the older unit has it: {nice_now}")
    expect(system.shows("vigie.service", "NeedDaemonReload") == "no", "systemd has not read the newer unit")
    expect("OF_THE_MACHINE=1" in system.shows("vigie.service", "Environment"), "the machine's own drop-in is gone")
    expect(system.command("systemctl", "is-enabled", "vigie.service").stdout == "enabled\n", "it is not enabled any more")
    expect(not system.say("dpkg", "--verify", "vigie"), "files differ from those of the package")
    expect(not (root / DROPPED).exists() and "# Older." not in (root / EXAMPLE).read_text(), "an example is the older one")
    time.sleep(1)
    after = lives()
    expect(after == before, f"configuration and state before and after:\n{before}\n{after}")
    own.unlink()
    own.parent.rmdir()
    system.say("systemctl", "daemon-reload")


def under_systemd(root, deb):
    """The service as its package and its unit have it."""
    shutil.copy(deb, root / "srv/package.deb")
    version = older(deb, root.parent / "older", root / "srv/older.deb")
    install = ["apt-get", "install", "--quiet=2", "--yes", "--no-install-recommends"]
    with Booted(root, root.parent / "systemd.log") as system:
        system.say(*install, "/srv/older.deb")
        states = {unit: system.shows(unit, "ActiveState") for unit in UNITS}
        expect(set(states.values()) == {"inactive"}, f"the installation started units: {states}")
        expect(system.command("systemctl", "is-enabled", "vigie.service").stdout == "disabled\n", "the installation enabled the service")
        configuration(root)
        system.say("vigie", "check")
        system.say("systemctl", "enable", "--now", "--quiet", "vigie.service", "vigie-backup.timer")
        box = root / "var/lib/private/vigie/boxes"
        wait_for("one message", 60, lambda: delivered(box))
        owner = (box / "new").stat().st_uid
        expect(owner >= 61184, f"the state belongs to {owner}, which is no user of the unit's own")
        system.say("systemctl", "start", "vigie-backup.service")
        expect(len(list((root / "var/lib/private/vigie/backups").glob("*.db"))) == 1, "no backup was made")
        was = system.shows("vigie.service", "MainPID")
        wrong = root / "etc/vigie/wrong.yaml"
        wrong.write_text("timezon: UTC\n")
        done = system.command("systemctl", "reload", "vigie.service")
        journal = lambda: system.say("journalctl", "--no-pager", "--unit=vigie.service")
        expect(done.returncode != 0 and "not reloaded" in journal(), f"a wrong configuration was reloaded: {done.stdout}{journal()}")
        expect("did you mean `timezone`" in journal(), f"why it is not reloaded is not said:\n{journal()}")
        wrong.unlink()
        system.say("systemctl", "reload", "vigie.service")
        expect("reloaded: 1 KPIs" in journal(), f"it came back before it was reloaded:\n{journal()}")
        expect(system.shows("vigie.service", "ActiveState") == "active", "a reload left it otherwise than active")
        expect(system.shows("vigie.service", "MainPID") == was, "a reload ended the service")
        upgraded(system, root, install, version)
        expect(len(new_mails(box)) == 1, "the restart told it again")
        # What the older one said fires is ended by the newer one.
        visits = root / "etc/vigie/visits.csv"
        visits.write_text(visits.read_text().replace(",200", ",20"))
        system.say("vigie", "pull", "visits")
        wait_for("the end of what fired before the upgrade", 60, lambda: len(new_mails(box)) == 2)
        (root / "srv/older.deb").unlink()
        system.say("apt-get", "remove", "--quiet=2", "--yes", "vigie")
        expect(system.shows("vigie.service", "ActiveState") == "inactive", "a removal left the service running")
        kept = [root / "etc/vigie/vigie.yaml", root / "var/lib/private/vigie/vigie.db"]
        expect(all(path.exists() for path in kept), "a removal took configuration or state along")
        system.say(*install, "/srv/package.deb")
        expect(system.command("systemctl", "is-enabled", "vigie.service").stdout == "enabled\n", "it was enabled before the removal")
        system.say("systemctl", "start", "vigie.service")
        system.say("apt-get", "purge", "--quiet=2", "--yes", "vigie")
        expect(system.command("systemctl", "is-active", "vigie.service").returncode != 0, "a purge left the service running")
        expect(system.command("systemctl", "cat", "vigie.service").returncode != 0, "a purge left a unit")
        rest = named(root)
        expect(not rest, f"a purge left {rest}")
    return (
        "under systemd: not started by itself, one message, a backup; upgraded from an older package with its configuration, "
        "alert and acknowledgement, and told the end; purged with its state"
    )


def run():
    parser = argparse.ArgumentParser()
    parser.add_argument("--deb", type=pathlib.Path, required=True)
    parser.add_argument("--dir", type=pathlib.Path, required=True)
    home = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    parser.add_argument("--cache", type=pathlib.Path, default=home / "vigie-ci")
    args = parser.parse_args()
    expect(os.geteuid() == 0, "packages are installed, so this check must run as root")
    folder = args.dir.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    root = machine(folder, args.cache.resolve())
    print(f"a minimal system: {time.monotonic() - began:.0f} s")
    for part in (as_in_a_container, under_systemd):
        began = time.monotonic()
        print(f"{part(root, args.deb)} ({time.monotonic() - began:.0f} s)")
    began = time.monotonic()
    print(f"lintian: {', '.join(linted(args.deb)) or 'nothing'} ({time.monotonic() - began:.0f} s)")


if __name__ == "__main__":
    main(run)
