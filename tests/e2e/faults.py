"""Every fault of a source: the pull ends in time, within its memory, tells object, cause and remedy, and leaks nothing.

    faults.py --vigie BIN --dir DIR [--write]

One daemon has a source for each fault of `fault_server.py`, PostgreSQL and MariaDB that are asked too much, and one healthy
source, whose slots must stay punctual. Beside it `vigie query` meets each fault by itself. What is said is compared with
`golden/<fault>.txt`; `--write` makes those anew. Credentials stand in no output, log, metric, state or message, and never
arrive at another host.
"""

import argparse
import concurrent.futures
import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request

from servers import KEY, PASSWORD_IN_URL, MariaDb, Postgres, make_certificates
from support import HERE, Child, Daemon, Healthy, answers, differs_from_golden, expect, free_port, main, measured, program, read_lines, wait_for

GOLDEN = HERE / "golden"
# With what forms, JSON and logs treat differently. Nothing that is shown may hold the word.
TOKEN = "canary/7f+Q=~token"
CLIENT_SECRET = "canary/%&+client secret"
CANARY = "canary"
# A pull's own total time, and what may come on top.
DEADLINE_S, GRACE_S = 60, 1
# From the daemon's start until its pulls begin, and from their end until it is seen in the state.
STORED_S = 4
# A process that meets one fault, and the daemon that meets all of them at once.
QUERY_MIB_MAX, DAEMON_MIB_MAX = 300, 700
# Of the healthy source, on two cores that also run the servers and a hundred queries; most slots are served within milliseconds.
LATENESS_S_MAX = 4.0
# Those that nothing ends but the deadline.
SLOW = {"hang", "drip", "drip-head", "token-hangs", "prom-drip", "postgres-frozen", "mysql-frozen", "postgres-mute", "mysql-mute",
        "no-tls"}


def http_sources(ports, certificates):
    """Source and query by fault."""
    root, ca = f"http://127.0.0.1:{ports['port']}", str(certificates / "ca.pem")
    bearer = {"bearer": {"env": "TOKEN"}}
    query = {"path": "data", "params": {"from": "{from}"}, "rows": "$.items[*]", "time": "$.at", "value": "$.total"}
    link = {"next_link": "$.next"}

    def at(fault, more=None, **settings):
        return {"http_json": {"url": f"{root}/{fault}", "auth": bearer, **settings}}, {**query, **(more or {})}

    plain = [
        "hang", "drip", "drip-head", "long-body", "long-head", "endless-chunks", "broken-chunks", "gzip-bomb", "brotli-bomb",
        "zstd-bomb", "broken-gzip", "reset", "cut-short", "no-answer", "no-http", "nan", "infinity", "overflow", "duplicate-keys",
        "bad-utf8", "deep", "deep-maps", "trailing", "text-number", "no-rows", "many-rows", "redirect-loop", "redirect-on",
        "redirect-port", "redirect-name", "redirect-guarded", "throttled", "throttled-date", "throttled-plain", "unavailable",
        "unauthorized", "forbidden", "not-found", "unprocessable", "login-page", "empty", "echo", "echo-json", "echo-cut",
        "echo-page", "echo-label",
    ]
    found = {fault: at(fault) for fault in plain}
    found["many-series"] = at("many-series", {"labels": {"shop": "$.shop"}})
    for fault in ["link-elsewhere", "link-loop", "pages"]:
        found[fault] = at(fault, {"paging": link})
    found["refused"] = {"http_json": {"url": f"http://127.0.0.1:{ports['closed']}/", "auth": bearer}}, query
    for fault, host, port, tls in [
        ("expired", "localhost", "expired", {"ca": ca}),
        ("misnamed", "localhost", "misnamed", {"ca": ca}),
        ("unknown-authority", "localhost", "tls", None),
        ("no-tls", "127.0.0.1", "port", {"ca": ca}),
        ("no-such-name", "nowhere.invalid", "port", None),
    ]:
        tls = {"tls": tls} if tls else {}
        found[fault] = {"http_json": {"url": f"https://{host}:{ports[port]}/hang", "auth": bearer, **tls}}, query
    found["tls-unasked"] = {"http_json": {"url": f"http://localhost:{ports['tls']}/empty", "auth": bearer}}, query
    found["redirect-plain"] = {"http_json": {
        "url": f"https://localhost:{ports['tls']}/redirect-plain", "auth": bearer, "tls": {"ca": ca}}}, query
    for fault in ["token-refused", "token-page", "token-hangs"]:
        oauth = {"token_url": f"{root}/{fault}/oauth", "client_id": "vigie", "client_secret": {"env": "CLIENT_SECRET"}}
        found[fault] = {"http_json": {"url": f"{root}/empty", "auth": {"oauth2": oauth}}}, query
    for fault in ["prom-page", "prom-no-number", "prom-infinite", "prom-overflow", "prom-word", "prom-many", "prom-refused",
                  "prom-too-long", "prom-utf8", "prom-deep", "prom-echo", "prom-echo-warning", "prom-drip"]:
        found[fault] = {"prometheus": {"url": f"{root}/{fault}", "auth": bearer}}, "sum(x)"
    return found


QUERIES = {
    "postgres": {
        "slow": "SELECT pg_sleep(60)::text AS value",
        "many": "SELECT generate_series(1, 1000000000) AS value",
        "long": "SELECT repeat('x', 10000000) AS value FROM generate_series(1, 1000)",
        "function": "SELECT writes() AS value",
        "for-update": "SELECT id AS value FROM orders FOR UPDATE",
        "file": "SELECT pg_read_file('/etc/passwd') AS value",
    },
    "mysql": {
        "slow": "SELECT SUM(a.seq * b.seq) AS value FROM seq_1_to_1000000 a, seq_1_to_1000000 b",
        "many": "SELECT seq AS value FROM seq_1_to_1000000000",
        "long": "SELECT REPEAT('x', 10000000) AS value FROM seq_1_to_1000",
        "function": "SELECT writes() AS value",
        "file": "SELECT LOAD_FILE('/etc/passwd') AS value",
    },
}
# Refused before any server hears of them.
WRITING = {
    "postgres": {
        "insert": "INSERT INTO orders VALUES (9) RETURNING id AS value",
        "with-insert": "WITH new AS (INSERT INTO orders VALUES (9) RETURNING id) SELECT id AS value FROM new",
        "with-delete": "WITH old AS (DELETE FROM orders RETURNING id) SELECT count(*) AS value FROM old",
        "two": "SELECT 1 AS value; DROP TABLE orders",
        "read-write": "SELECT 1 AS value; SET TRANSACTION READ WRITE; DELETE FROM orders",
        "into-table": "SELECT id AS value INTO copy FROM orders",
    },
    "mysql": {
        "insert": "INSERT INTO orders VALUES (9) RETURNING id AS value",
        "two": "SELECT 1 AS value; DROP TABLE orders",
        "outfile": "SELECT 1 AS value INTO OUTFILE '/tmp/vigie-out'",
        "comment": "SELECT 1 AS value /*! INTO OUTFILE '/tmp/vigie-out' */",
    },
}
# Answers that are long enough to break off within.
LONG_ANSWER = {
    "postgres": "SELECT repeat('x', 1000) AS value FROM generate_series(1, 1000)",
    "mysql": "SELECT REPEAT('x', 1000) AS value FROM seq_1_to_1000",
}


def sql_sources(servers, ports, certificates):
    tls = {"ca": str(certificates / "ca.pem")}
    found = {}
    for server in servers:
        name = server.scheme

        def source(way, **more):
            return {"sql": {"url": {"env": f"{name}-{way}".replace("-", "_").upper()}, "tls": tls, **more}}

        for fault, statement in QUERIES[name].items():
            found[f"{name}-{fault}"] = source("straight", statement_timeout="1s" if fault == "slow" else "20s"), statement
        for way in ["frozen", "cut", "mute", "closed", "wrong"]:
            found[f"{name}-{way}"] = source(way, statement_timeout="5s"), LONG_ANSWER[name]
        found[f"{name}-unknown-authority"] = {"sql": {"url": {"env": f"{name}_STRAIGHT".upper()}, "encrypt": True}}, LONG_ANSWER[name]
    return found


def prepare(server):
    server.sql("CREATE TABLE orders (id int PRIMARY KEY)")
    server.sql("INSERT INTO orders VALUES (1)")
    if server.scheme == "postgres":
        # Rights to write: it is the session that must refuse.
        server.sql("GRANT ALL ON orders TO vigie")
        server.sql("CREATE FUNCTION writes() RETURNS int LANGUAGE plpgsql AS 'BEGIN DELETE FROM orders; RETURN 1; END'")
    else:
        server.sql("GRANT ALL ON shop.* TO vigie@localhost")
        server.sql("DELIMITER $$\nCREATE FUNCTION writes() RETURNS INT BEGIN DELETE FROM orders; RETURN 1; END$$\nDELIMITER ")


def environment(servers, ports):
    env = {**os.environ, "TOKEN": TOKEN, "CLIENT_SECRET": CLIENT_SECRET}
    for server in servers:
        name = server.scheme
        for way, port in [("straight", server.port), ("mute", ports["mute"]), ("closed", ports["closed"]),
                          ("frozen", ports[f"{name}-frozen"]), ("cut", ports[f"{name}-cut"])]:
            env[f"{name}_{way}".upper()] = server.url().replace(str(server.port), str(port))
        env[f"{name}_wrong".upper()] = server.url().replace(PASSWORD_IN_URL, "canary-wrong")
    return env


# What did not hold: all of it is told at the end.
WRONG = []


def config(faults, healthy, metrics_port):
    sources = {name: source for name, (source, _) in faults.items()}
    sources["healthy"] = {"http_json": {"url": f"http://127.0.0.1:{healthy.port}/"}}
    common = {"category": "operational", "expected": "3d after end"}
    kpis = {
        name: {"title": name, "source": name, "history": "7d", "query": query, **common,
               **({"dimensions": ["shop"]} if name in ["many-series", "prom-many"] else {})}
        for name, (_, query) in faults.items()
    }
    # Each second has a bucket, and a slot.
    kpis["pulse"] = {"title": "Pulse", "source": "healthy", "grain": "1s", "schedule": "every 1s", "kind": "level", "history": "10s",
                     "query": {"path": "", "rows": "$", "value": "$.value"}, **common}
    return json.dumps({
        "timezone": "UTC", "language": "en", "state": "sqlite:state.db", "control": "control.sock", "listen": f"127.0.0.1:{metrics_port}",
        "people": {"claire": {"mail": "claire@example.test"}}, "sources": sources, "kpis": kpis,
        "receivers": {"claire": {"maildir": {"path": "mails", "to": ["claire"]}}}, "route": {"to": "claire", "group": {"wait": "1s"}},
    }, indent=1)


def normalised(text, ports, folder):
    names = {str(port): name.upper() for name, port in ports.items()}
    text = re.sub(r"(?<=:)\d{4,5}\b", lambda found: names.get(found.group(), found.group()), text)
    text = text.replace(str(folder), "DIR")
    # Moments and spans of the run.
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z?", "TIME", text)
    return re.sub(r"\d{4}-\d\d-\d\d", "DAY", text).strip() + "\n"


def ask(options, folder, env, name, wrapped=(), file="vigie.yaml"):
    command = [*wrapped, options.vigie, "query", "--config", folder / file, name]
    said, code, took, peak = measured(command, DEADLINE_S + 40, env)
    for holds, what in [
        (CANARY not in said.lower(), f"a secret is printed: {said}"),
        (took < DEADLINE_S + GRACE_S + 1, f"`vigie query` took {took:.1f} s"),
        (peak < QUERY_MIB_MAX, f"`vigie query` took {peak:.0f} MiB"),
        (code in ([0, 1] if file == "vigie.yaml" else [1]), f"`vigie query` ended with {code}: {said}"),
    ]:
        if not holds:
            WRONG.append(f"{name}: {what}")
    return said, code, took, peak


def compare_golden(name, text, write):
    differs = differs_from_golden(GOLDEN / f"{name}.txt", text, write)
    if differs:
        WRONG.append(f"{name}: {differs}")


def follow(daemon, folder, names, began):
    """Seconds until each KPI's pull had ended, and with what error; looked up until all have."""
    ended = {}
    until = began + DEADLINE_S + 20
    while len(ended) < len(names) and time.monotonic() < until:
        expect(not daemon.ended(), daemon.ended())
        with contextlib.suppress(sqlite3.OperationalError):
            with contextlib.closing(sqlite3.connect(f"file:{folder}/state.db?mode=ro", uri=True)) as base:
                rows = base.execute("SELECT kpi, last_error FROM kpi_clock").fetchall()
            for kpi, error in rows:
                if kpi in names and kpi not in ended:
                    ended[kpi] = (time.monotonic() - began, error)
        time.sleep(0.1)
    missing = sorted(set(names) - set(ended))
    expect(not missing, f"these pulls have not ended after {DEADLINE_S + 20} s: {missing}")
    return ended


def peak_of(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", text).group(1)) / 1024


def punctual(healthy, first, last):
    """How late each slot of a whole second was served, by the first pull after it."""
    asked, late = sorted(healthy.asked), []
    for second in range(int(first) + 1, int(last - LATENESS_S_MAX)):
        late.append(next((at - second for at in asked if at >= second), last - second))
    return sorted(late)


def nothing_leaked(folder, daemon_log, shown, options, env):
    """No secret in log, state, mails, nor in what is shown already or by further commands."""
    files = [daemon_log, *folder.glob("state.db*"), *[path for path in (folder / "mails").rglob("*") if path.is_file()]]
    # Read by another process: what a child takes is counted with what this one took.
    for path in files:
        command = ["grep", "--text", "-i", "-o", f".\\{{0,200\\}}{CANARY}.\\{{0,60\\}}", path]
        found = subprocess.run(command, capture_output=True, text=True, check=False, errors="replace", env={**env, "LC_ALL": "C"})
        shown.append(found.stdout)
    for word in ["status", "alerts", "deliveries"]:
        done = subprocess.run([options.vigie, word, "--config", folder / "vigie.yaml"], capture_output=True, text=True, env=env, check=False,
                              timeout=60)
        expect(done.returncode == 0, f"vigie {word}: {done.stderr}")
        shown.append(done.stdout + done.stderr)
    for text in shown:
        at = text.lower().find(CANARY)
        if at >= 0:
            WRONG.append(f"a secret is shown: …{text[max(0, at - 200): at + 60]}…")
    return len(shown)


def nobody_went_elsewhere(log):
    lines = read_lines(log)
    elsewhere = [line["line"] for line in lines if line["where"] == "other"]
    expect(not elsewhere, f"another host was asked: {elsewhere}")
    accepted = {line["headers"].get("accept-encoding", "") for line in lines}
    expect(not any("zstd" in each or "deflate" in each for each in accepted), f"accepted encodings: {accepted}")
    with_token = sum(TOKEN in line["headers"].get("authorization", "") for line in lines)
    expect(with_token > 50, f"only {with_token} requests had the token")
    return len(lines)


def make_odd_certificates(folder):
    """expired.pem, and misnamed.pem for another host."""
    openssl, faketime = program("openssl", "openssl"), program("faketime", "faketime")

    def call(*words):
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
        expect(done.returncode == 0, f"{words}: {done.stderr}")

    (folder / "other-names.cnf").write_text("subjectAltName = DNS:other.example.test\n")
    for name, names, at in [("expired", "names.cnf", ["2020-01-01 00:00:00"]), ("misnamed", "other-names.cnf", [])]:
        call(openssl, "req", *KEY, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", "/CN=localhost")
        sign = [openssl, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", names,
                "-out", f"{name}.pem", "-days", "30" if at else "3650"]
        call(*([faketime, *at] if at else []), *sign)


def killed(options, folder, env, server):
    """The server dies while it computes."""
    name = f"{server.scheme}-killed"
    with concurrent.futures.ThreadPoolExecutor() as pool:
        asked = pool.submit(ask, options, folder, env, name)
        count = {"postgres": "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'vigie' AND state = 'active'",
                 "mysql": "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'vigie' AND command <> 'Sleep'"}
        wait_for(f"{server.scheme} computes", 20, lambda: int(server.sql(count[server.scheme])) > 0)
        time.sleep(0.3)
        if server.scheme == "postgres":
            pid = int((server.data / "postmaster.pid").read_text().splitlines()[0])
            os.kill(pid, signal.SIGQUIT)
        else:
            server.child.kill()
        return asked.result()


class SlowNames:
    """A name server that answers nobody, for a process in a mount namespace of its own."""

    def __init__(self, folder):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.53", 53))
        self.resolv = folder / "resolv.conf"
        self.resolv.write_text("nameserver 127.0.0.53\noptions timeout:30 attempts:3\n")
        own = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'
        self.wrapped = ["unshare", "--mount", "sh", "-c", own, self.resolv]
        tried = subprocess.run([str(part) for part in [*self.wrapped, "true"]], capture_output=True, check=False)
        self.works = tried.returncode == 0


def table(results, daemon_ended):
    print(f"{'fault':28} {'query s':>8} {'MiB':>5} {'daemon s':>9}")
    for name, (_, _, took, peak) in sorted(results.items()):
        ended = daemon_ended.get(name)
        print(f"{name:28} {took:8.1f} {peak:5.0f} {f'{ended[0]:9.1f}' if ended else '        -'}")


def run():
    parser = argparse.ArgumentParser()
    parser.add_argument("--vigie", required=True, type=lambda path: str(pathlib.Path(path).resolve()))
    parser.add_argument("--dir", required=True, type=pathlib.Path)
    parser.add_argument("--write", action="store_true", help="make the golden files anew")
    parser.add_argument("--only", help="one fault, met by `vigie query` alone")
    options = parser.parse_args()
    folder = options.dir.resolve()
    folder.mkdir(exist_ok=True)
    certificates = make_certificates(folder / "certificates")
    make_odd_certificates(certificates)
    ports = {name: free_port() for name in ["port", "tls", "expired", "misnamed", "other", "closed", "mute", "metrics",
                                            "postgres-frozen", "postgres-cut", "mysql-frozen", "mysql-cut"]}
    with Postgres(folder / "postgres", certificates) as postgres, MariaDb(folder / "mysql", certificates) as mysql:
        play(options, folder, certificates, ports, [postgres, mysql])


def play(options, folder, certificates, ports, servers):
    for server in servers:
        prepare(server)
        ports[server.scheme] = server.port
    faults = {**http_sources(ports, certificates), **sql_sources(servers, ports, certificates)}
    healthy, env = Healthy(), environment(servers, ports)
    ports["healthy"] = healthy.port
    # Met by a query alone: the server, or the process, is not the same afterwards.
    alone = {f"{server.scheme}-killed": ({"sql": {"url": {"env": f"{server.scheme}_STRAIGHT".upper()},
             "tls": {"ca": str(certificates / "ca.pem")}}}, QUERIES[server.scheme]["slow"]) for server in servers}
    for kind, query in [("http_json", {"path": "x", "rows": "$", "value": "$.x"}), ("prometheus", "sum(x)")]:
        alone[f"slow-names-{kind}"] = {kind: {"url": "http://slow.example.test/"}}, query
    (folder / "vigie.yaml").write_text(config(faults, healthy, ports["metrics"]))
    query_folder = folder / "query"
    query_folder.mkdir()
    (query_folder / "vigie.yaml").write_text(config({**faults, **alone}, healthy, ports["metrics"]))
    command = [sys.executable, "-B", HERE / "fault_server.py", "--log", folder / "requests.jsonl", "--certificates", certificates]
    for name in ["port", "tls", "expired", "misnamed", "other", "mute"]:
        command += [f"--{name}", ports[name]]
    for server in servers:
        command += ["--freeze", f"{ports[f'{server.scheme}-frozen']}:{server.port}", "--cut", f"{ports[f'{server.scheme}-cut']}:{server.port}"]
    with Child(command, folder / "fault_server.log") as fault_server:
        wait_for("the faults are ready", 20, lambda: answers(ports["mute"]), fault_server.ended)
        if options.only:
            print(*ask(options, query_folder, env, options.only))
            return
        meet(options, (folder, query_folder), (faults, healthy), (ports, servers), env)


def meet(options, folders, sources, places, env):
    (folder, query_folder), (faults, healthy), (ports, servers) = folders, sources, places
    names = SlowNames(folder)
    expect(names.works, "a mount namespace of one's own is not allowed here")
    with Daemon(options.vigie, folder / "vigie.yaml", folder / "run.log", env=env) as daemon, \
         concurrent.futures.ThreadPoolExecutor(max_workers=16) as pool:
        began = time.monotonic()
        # Those that wait take no time of the machine; the others are met two by two.
        waiting = {name: pool.submit(ask, options, query_folder, env, name) for name in faults if name in SLOW}
        for kind in ["http_json", "prometheus"]:
            waiting[f"slow-names-{kind}"] = pool.submit(ask, options, query_folder, env, f"slow-names-{kind}", names.wrapped)
        probed = pool.submit(measured, [options.vigie, "check", "--connect", query_folder / "vigie.yaml"], env)
        wait_for("the healthy source is asked", 20, lambda: healthy.asked, daemon.ended)
        first = time.time() + 1
        two = concurrent.futures.ThreadPoolExecutor(max_workers=2)
        quick = {name: two.submit(ask, options, query_folder, env, name) for name in faults if name not in SLOW}
        ended = follow(daemon, folder, set(faults), began)
        late_slots = punctual(healthy, first, time.time())
        peak = peak_of(daemon.process.pid)
        metrics = urllib.request.urlopen(f"http://127.0.0.1:{ports['metrics']}/metrics", timeout=5).read().decode()
        results = {name: future.result() for name, future in {**waiting, **quick}.items()}
        shown = nothing_leaked(folder, daemon.log, [metrics, probed.result()[0]], options, env)
        code = daemon.stop()
        expect(code == 0, f"the daemon ended with {code} after SIGTERM:\n{daemon.tail()}")
    for server in servers:
        expect(server.sql("SELECT count(*) FROM orders").strip() == "1", f"a query wrote into {server.scheme}")
    requests = nobody_went_elsewhere(folder / "requests.jsonl")
    for server in servers:
        for fault, statement in WRITING[server.scheme].items():
            source = {"sql": {"url": {"env": f"{server.scheme}_STRAIGHT".upper()}}}
            (query_folder / "writing.yaml").write_text(config({(name := f"{server.scheme}-{fault}"): (source, statement)}, healthy, 1))
            results[name] = ask(options, query_folder, env, name, file="writing.yaml")
        results[f"{server.scheme}-killed"] = killed(options, query_folder, env, server)
    for name, (said, code, _, _) in results.items():
        text = normalised(said, ports, folder)
        compare_golden(name, text, options.write)
        error = ended.get(name, (0, None))[1]
        if code and name in ended and not error:
            WRONG.append(f"{name}: the daemon has no error where `vigie query` has: {text}")
        if error and normalised(error, ports, folder).strip() not in text:
            WRONG.append(f"{name}: the daemon says otherwise: {normalised(error, ports, folder)}  than `vigie query`: {text}")
    table(results, ended)
    late = {name: seconds for name, (seconds, _) in ended.items() if seconds > DEADLINE_S + GRACE_S + STORED_S}
    expect(not late, f"pulls whose end was not stored in time: {late}")
    expect(not WRONG, "\n".join(WRONG))
    expect(peak < DAEMON_MIB_MAX, f"the daemon took {peak:.0f} MiB")
    middle, worst = late_slots[len(late_slots) // 2], late_slots[-1]
    expect(worst < LATENESS_S_MAX, f"the healthy source was asked {worst:.3f} s late")
    print(f"{len(results)} faults told as their golden files have it; all pulls ended within {DEADLINE_S} + {GRACE_S} s")
    print(f"memory: a query {max(peak for _, _, _, peak in results.values()):.0f} MiB of {QUERY_MIB_MAX}, the daemon with all "
          f"{len(faults)} at once {peak:.0f} MiB of {DAEMON_MIB_MAX}")
    print(f"the healthy source had a slot each second: of {len(late_slots)} half were served within {middle * 1000:.0f} ms, "
          f"all within {worst * 1000:.0f} ms")
    print(f"no secret in {shown} places, none of {requests} requests went to another host, no table was changed")


if __name__ == "__main__":
    main(run)
