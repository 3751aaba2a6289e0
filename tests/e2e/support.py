"""What the end-to-end checks share: child processes, free ports, a mail server, a webhook sink, the daemon.

Only Python's standard library. Every child is stopped by its own process id, and dies with the check.
"""

import collections
import contextlib
import ctypes
import email
import email.policy
import http.server
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
INSTALL = "apt-get update && apt-get install --yes --no-install-recommends"
PR_SET_PDEATHSIG = 1


class Failed(Exception):
    """A check that did not hold; its text names what, and what was expected."""


def expect(holds, what):
    if not holds:
        raise Failed(what)


def main(run):
    """Runs a check: exit 1 with the reason when it fails."""
    sys.stdout.reconfigure(line_buffering=True)
    try:
        run()
    except Failed as failed:
        print(f"FAILED: {failed}", file=sys.stderr)
        sys.exit(1)


def limit(seconds):
    """From now on the check may take that long; then it fails where it stands, and its children are stopped."""

    def over(*_):
        raise Failed(f"not done within {seconds} s")

    signal.signal(signal.SIGALRM, over)
    signal.alarm(seconds)


def program(name, package):
    """Path of a server's program, or the command that installs it."""
    places = os.environ.get("PATH", "") + os.pathsep + "/usr/sbin:/usr/local/sbin"
    found = shutil.which(name, path=places)
    expect(found, f"{name} is not installed; run: {INSTALL} {package}")
    return found


# Given out by this script, from this range.
PORTS, PORT_RANGE = set(), range(15_000, 32_000)


def free_port():
    """A port that nobody listens on, none twice, and below those that outgoing connections take by themselves."""
    for _ in range(1000):
        port = random.choice(PORT_RANGE)
        with socket.socket() as one, contextlib.suppress(OSError):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind(("127.0.0.1", port))
            if port not in PORTS:
                PORTS.add(port)
                return port
    raise Failed("no port is free on 127.0.0.1")


def wait_for(what, seconds, ready, alive=None):
    """Waits until `ready()` gives something true, and gives it; fails when `alive()` gives a reason to stop."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = ready()
        if found:
            return found
        reason = alive() if alive else None
        expect(not reason, f"{what}: {reason}")
        time.sleep(0.05)
    raise Failed(f"{what}: not within {seconds} s")


def answers(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def measured(command, seconds, env=None):
    """What a command said, its exit code, its seconds and its peak memory in MiB; killed when it takes too long."""
    began = time.monotonic()
    with subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env) as process:
        killer = threading.Timer(seconds, process.kill)
        killer.start()
        said = process.stdout.read().decode(errors="replace")
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        killer.cancel()
    return said, process.returncode, time.monotonic() - began, usage.ru_maxrss / 1024


def report_fault(fault, happens, recovery_seconds, message=""):
    """One row of the table of faults: printed, and kept for `fault_table.py` where VIGIE_FAULT_ROWS names a file.

    `happens` and `message`, what the service says, are the same in each run. `recovery_seconds` runs from the mending until the service works again; none where
    nothing is to be mended.
    """
    by = pathlib.Path(sys.argv[0]).name
    row = {"by": by, "fault": fault, "happens": happens, "message": message, "recovery_seconds": recovery_seconds}
    rows = os.environ.get("VIGIE_FAULT_ROWS")
    if rows:
        with open(rows, "a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    took = "nothing to mend" if recovery_seconds is None else f"{recovery_seconds:.1f} s"
    print(f"fault: {fault}: {happens} ({took})")


def differs_from_golden(path, text, write):
    """How a text differs from the one that is kept; none where it does not, or where it is made anew."""
    if write:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return None
    wanted = path.read_text() if path.exists() else "(no such file; make it with --write)"
    return None if wanted == text else f"it says\n  {text}  where golden/{path.relative_to(HERE / 'golden')} has\n  {wanted}"


class Child:
    """A process of ours, with its output in a file."""

    def __init__(self, command, log, **options):
        self.log = pathlib.Path(log)
        self.name = pathlib.Path(command[0]).name
        libc = ctypes.CDLL(None)
        with open(self.log, "ab") as out:
            self.process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM),
                **options,
            )

    def ended(self):
        """Why nothing more is to be expected of it, if so."""
        code = self.process.poll()
        return None if code is None else f"{self.name} ended with {code}:\n{self.tail()}"

    def tail(self, lines=30):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def kill(self):
        """SIGKILL; gives the moment in milliseconds."""
        self.process.kill()
        self.process.wait()
        return int(time.time() * 1000)

    def stop(self, seconds=20):
        """SIGTERM; gives the exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failed(f"{self.name} did not end within {seconds} s of SIGTERM:\n{self.tail()}") from None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.kill()


class Traced(Child):
    """A command under strace, which stands beside it (-D): the process id, its end and its exit code are the command's own.

    `what` are strace's options that say what to trace or to tamper with; each thread's calls go to one file, `calls`.
    """

    def __init__(self, command, log, calls, what, **options):
        self.calls = pathlib.Path(calls)
        strace = [program("strace", "strace"), "-D", "-f", "-q", "-o", self.calls, *what]
        super().__init__([*strace, *command], log, **options)
        self.name = pathlib.Path(command[0]).name

    def lines(self):
        """What strace wrote, once it has seen the command's end."""
        over = re.compile(rf"^{self.process.pid} .*\+\+\+ (exited|killed)", re.MULTILINE)
        told = lambda: over.search(self.calls.read_text(errors="replace")[-4000:])
        wait_for(f"strace tells the end of {self.name}", 60, told)
        return self.calls.read_text(errors="replace").splitlines()


Call = collections.namedtuple("Call", "name text at")
CALL = re.compile(r"^(\d+) +(?:(\d+\.\d+) )?((\w+)\(.*)", re.DOTALL)
RESUMED = re.compile(r"^(\d+) +(?:\d+\.\d+ )?<\.\.\. (\w+) resumed>(.*)", re.DOTALL)
UNFINISHED = " <unfinished ...>"


def whole_calls(lines):
    """Each call that strace wrote, in the order in which they ended, also where another thread's call came between the two
    halves; `at` is when it began, if strace was to say (-ttt)."""
    waiting, calls = {}, []
    for line in lines:
        resumed = RESUMED.match(line)
        if resumed:
            thread, name, rest = resumed.groups()
            begun = waiting.pop((thread, name), Call(name, f"{name}(", None))
            calls.append(begun._replace(text=begun.text + rest))
            continue
        begun = CALL.match(line)
        if begun:
            thread, at, text, name = begun.groups()
            call = Call(name, text.removesuffix(UNFINISHED), float(at) if at else None)
            if text.endswith(UNFINISHED):
                waiting[thread, name] = call
            else:
                calls.append(call)
    # A call that never returned was made all the same.
    return calls + list(waiting.values())


class MailServer(Child):
    """OpenSMTPD on a loopback port; takes mail for anybody and puts it into one maildir.

    It runs with a spool and sockets of its own (a mount namespace), apart from the machine's mail.
    """

    def __init__(self, folder):
        smtpd = program("smtpd", "opensmtpd")
        expect(os.geteuid() == 0, "opensmtpd changes users, so this check must run as root")
        self.port = free_port()
        # Its delivery agent runs as `nobody`, who must be able to enter the folders above.
        self.folder = pathlib.Path(folder).resolve()
        self.mails = self.folder / "mails"
        self.mails.mkdir(parents=True)
        shutil.chown(self.mails, "nobody")
        for above in [self.folder, *self.folder.parents]:
            mode = above.stat().st_mode
            if not mode & 0o001:
                above.chmod(mode | 0o011)
        config = self.folder / "smtpd.conf"
        config.write_text(
            f"listen on 127.0.0.1 port {self.port}\n"
            f'action "store" maildir "{self.mails}" user nobody virtual {{ "@" = nobody }}\n'
            'match from any for any action "store"\n'
        )
        own = "mount -t tmpfs none /var/spool && mount -t tmpfs none /run"
        command = ["unshare", "--mount", "sh", "-c", f'{own} && exec "$0" -d -f "$1"', smtpd, config]
        if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode != 0:
            command = [smtpd, "-d", "-f", config]
        super().__init__(command, self.folder / "smtpd.log")
        self.name = "smtpd"
        wait_for("the mail server answers", 20, lambda: answers(self.port), self.ended)

    def yaml(self):
        return f"mail: {{from: Vigie <vigie@example.test>, smtp: {{host: 127.0.0.1, port: {self.port}}}}}\n"


class Sink(Child):
    """The webhook sink of `sink.py`."""

    def __init__(self, folder, seed=1, delay_ms=0, refuse=0.0, port=None):
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.port = port or free_port()
        self.receipts = folder / "sink.jsonl"
        command = [sys.executable, HERE / "sink.py", "--port", self.port, "--log", self.receipts]
        command += ["--seed", seed, "--delay-ms", delay_ms, "--refuse", refuse]
        super().__init__(command, folder / "sink.log")
        wait_for("the sink answers", 20, lambda: answers(self.port), self.ended)


class Daemon(Child):
    """`vigie run` on a configuration."""

    def __init__(self, vigie, config, log, **options):
        super().__init__([vigie, "run", "--config", config], log, **options)
        self.name = "vigie run"


class Healthy:
    """A source that answers at once what it is set to, and when it was asked."""

    def __init__(self):
        asked = self.asked = []
        says = self.says = {"value": 1}

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                asked.append(time.time())
                body = json.dumps(says).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def figures(text, name):
    """What a page of metrics has of this name, with the labels as written."""
    found = [line.rpartition(" ") for line in text.splitlines() if line.startswith((name + " ", name + "{"))]
    return {name: float(value) for name, _, value in found}


HOLD = """
import sqlite3, sys, time
base = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=10)
base.execute("BEGIN " + sys.argv[2])
base.execute("SELECT count(*) FROM meta").fetchone()
print("held", flush=True)
time.sleep(600)
"""


@contextlib.contextmanager
def held(state, log, how="IMMEDIATE"):
    """Another process with a transaction open: here, closing any file of the database would let go of its locks."""
    log.unlink(missing_ok=True)
    with Child([sys.executable, "-c", HOLD, state, how], log) as child:
        wait_for("the transaction is open", 10, lambda: "held" in log.read_text(), child.ended)
        yield
        child.kill()


def promtool_reads(text):
    """Prometheus' own tool finds nothing wrong with a page of metrics."""
    expect("vigie_build_info" in text, f"no page of metrics: {text[:200]!r}")
    command = [program("promtool", "prometheus"), "check", "metrics"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)
    expect(done.returncode == 0, f"promtool check metrics: {done.stdout}{done.stderr}")


def new_mails(maildir):
    """Files of the mails in a maildir, oldest name first."""
    folder = pathlib.Path(maildir) / "new"
    return sorted(folder.iterdir()) if folder.is_dir() else []


def read_mail(path):
    """A mail as Python's own parser reads it."""
    with open(path, "rb") as file:
        mail = email.message_from_binary_file(file, policy=email.policy.default)
    expect(not mail.defects, f"{path}: the mail is malformed: {mail.defects}")
    return mail


def text_part(mail):
    part = mail.get_body(preferencelist=("plain",))
    expect(part is not None, f"mail {mail['Message-ID']} has no text part")
    return part.get_content()


def read_lines(path):
    """Objects of a file of JSON lines; a last line cut off by a crash is left out."""
    path = pathlib.Path(path)
    lines = path.read_text().split("\n")[:-1] if path.exists() else []
    return [json.loads(line) for line in lines]
