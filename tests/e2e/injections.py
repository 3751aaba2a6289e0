"""Texts that would be code elsewhere: in labels, statements, paths, headers, parameters and files.

    injections.py --vigie BIN --dir DIR

Labels of PostgreSQL and MariaDB come back as they are stored; statements with quotes, comments and parameters in texts
give what they must; statements that hold more than a reading one are refused. Paths stay below the source's address, no
header or parameter becomes two. The tables are the same afterwards.
"""

import argparse
import collections
import http.server
import json
import os
import pathlib
import subprocess
import threading
import urllib.parse

from servers import MariaDb, Postgres, make_certificates
from support import expect, main

LABELS = [
    "it's", 'say "x"', "back\\slash", "'; DROP TABLE orders; --", "\\'; DROP TABLE orders; -- ", ":from", ":to_date", "$1", "$$ x $$", "?", "%s",
    "{from}", "{{ 7*7 }}", "</td><script>alert(1)</script>", "<!channel>", "a\nb", "a\tb", "=1+1", "été €", "\u202eoverride", "x" * 200,
    "NULL", "total", "{}", "a=b,c=d", "a\x1b[31m",
]
# What a statement must give.
READS = {
    "postgres": [
        ("SELECT length(':from') AS value", 5),
        ("SELECT length('it''s :to') AS value", 8),
        ("SELECT length($$ :from ' $$) AS value", 9),
        ("SELECT length($a$ ; DROP TABLE orders $$ $a$) AS value", len(" ; DROP TABLE orders $$ ")),
        ("SELECT length(E'\\'; DROP TABLE orders; --') AS value", len("'; DROP TABLE orders; --")),
        ("SELECT length('\\') AS value", 1),
        ("SELECT 1 AS value -- :from ; DROP TABLE orders", 1),
        ("SELECT 1 /* :to ; /* nested ' */ ; */ AS value", 1),
        ("SELECT 2 AS \"value\" WHERE 'a:from' = 'a' || ':from'", 2),
        ("SELECT array_length((ARRAY[1,2,3])[1:2], 1) AS value", 2),
        ("SELECT '3'::int AS value WHERE :from_unix < :to_unix AND ':to' <> ''", 3),
        ("SELECT length(U&'\\0041') AS value;", 1),
    ],
    "mysql": [
        ("SELECT LENGTH(':from') AS value", 5),
        ("SELECT LENGTH('\\'; DROP TABLE orders; -- ') AS value", len("'; DROP TABLE orders; -- ")),
        ("SELECT LENGTH(\"a:from '\") AS value", 8),
        ("SELECT LENGTH('a''b\"') AS value", 4),
        ("SELECT 1 AS `value` # :from ; DROP TABLE orders", 1),
        ("SELECT 1 AS value -- :from '", 1),
        ("SELECT 3--1 AS value", 4),
        ("SELECT 1 /* ; ' :to */ AS value", 1),
        ("SELECT 5 AS value FROM DUAL WHERE :from_unix < :to_unix AND '?' = '?'", 5),
    ],
}
REFUSED = {
    "postgres": [
        "SELECT 1 AS value; DROP TABLE orders", "SELECT ':from' AS value; DELETE FROM orders",
        "SELECT length('\\'; DROP TABLE orders; --') AS value", "SELECT $$a$$ AS value; DROP TABLE orders; SELECT $$b$$",
        "SELECT 1 AS value /* ' */; DROP TABLE orders", "DO $$ BEGIN DELETE FROM orders; END $$", "COPY orders TO PROGRAM 'id'",
        "EXPLAIN ANALYZE DELETE FROM orders", "WITH x AS (UPDATE orders SET total = 0 RETURNING total) SELECT total AS value FROM x",
        "COMMIT", "SELECT 'open AS value", "SELECT $a$ open AS value", "SELECT 1 /* open AS value",
    ],
    "mysql": [
        "SELECT 1 AS value; DROP TABLE orders", "SELECT 1 AS value /*!; DROP TABLE orders */", "SELECT 1 AS value /*M!50000 ; DROP TABLE orders */",
        "SELECT '\\\\'; DROP TABLE orders; -- ' AS value", "HANDLER orders OPEN", "CALL wipe()", "SELECT 1 AS value INTO DUMPFILE '/tmp/vigie-out'",
        "LOAD DATA INFILE '/etc/passwd' INTO TABLE orders", "SELECT 'open AS value", "SELECT 1 /* open AS value",
    ],
}
PATHS = [
    "orders", "../admin", "a/../../admin", "..%2fadmin", "%2e%2e/admin", "%2E./admin", "a/..\\b", "\\\\evil.example.test\\x", "//evil.example.test/x",
    "/admin", "http://evil.example.test/", "x?admin=1", "x#frag", "@evil.example.test/", ":80/admin", "a\r\nHost: evil", "a b/é", "{from_date}/../x",
    "%00", ";/../admin", ".;/admin", "{from}",
]


def query(vigie, folder, source, query, env=None, kpi=None):
    """`vigie query` of one KPI: exit code, its observations, all that was said."""
    folder.mkdir(exist_ok=True)
    more = {"title": "K", "category": "operational", "source": "s", "query": query, **(kpi or {})}
    (folder / "vigie.yaml").write_text(json.dumps({
        "timezone": "UTC", "state": "sqlite:state.db", "people": {"claire": {"mail": "claire@example.test"}}, "sources": {"s": source},
        "kpis": {"k": more}, "receivers": {"claire": {"maildir": {"path": "mails", "to": ["claire"]}}},
    }))
    command = [vigie, "query", "--config", str(folder / "vigie.yaml"), "--format", "json", "k"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False, env={**os.environ, **(env or {})})
    rows = [json.loads(line) for line in done.stdout.splitlines()] if done.returncode == 0 else []
    return done.returncode, [row for row in rows if row["type"] == "observation"], done.stdout + done.stderr


def quoted(server, text):
    return "'" + (text if server.scheme == "postgres" else text.replace("\\", "\\\\")).replace("'", "''") + "'"


def databases(vigie, folder, server, certificates):
    source = {"sql": {"url": {"env": "SHOP_URL"}, "tls": {"ca": str(certificates / "ca.pem")}, "zone": "UTC"}}
    env = {"SHOP_URL": server.url()}
    moment = "TIMESTAMP" if server.scheme == "postgres" else "DATETIME"
    yesterday = "now() - interval '1 day'" if server.scheme == "postgres" else "UTC_TIMESTAMP() - INTERVAL 1 DAY"
    server.sql(f"CREATE TABLE orders (at {moment}, label VARCHAR(300), total INT)")
    # All rights: what keeps the table is not the lack of them.
    server.sql("GRANT ALL ON orders TO vigie" if server.scheme == "postgres" else "GRANT ALL ON shop.* TO vigie@localhost")
    values = ", ".join(f"({yesterday}, {quoted(server, label)}, {number + 1})" for number, label in enumerate(LABELS))
    server.sql(f"INSERT INTO orders VALUES {values}")
    before = server.sql("SELECT * FROM orders ORDER BY total")
    statement = ("SELECT date(at) AS bucket, label, sum(total) AS value FROM orders WHERE at >= :from AND at < :to AND label <> ':from; --' "
                 "GROUP BY 1, 2")
    code, rows, said = query(vigie, folder, source, statement, env, {"dimensions": ["label"]})
    found = {row["labels"]["label"]: row["value"] for row in rows if row["labels"]}
    wanted = {label: number + 1 for number, label in enumerate(LABELS)}
    odd = [label for label in wanted if found.get(label) != wanted[label]]
    expect(code == 0 and found == wanted, f"{server.scheme}: labels that did not come back as stored: {odd}: {said[:300]}")
    for text, value in READS[server.scheme]:
        code, rows, said = query(vigie, folder, source, text, env)
        expect(code == 0 and [row["value"] for row in rows] == [value], f"{server.scheme}: {text}: wanted {value}: {said}")
    for text in REFUSED[server.scheme]:
        code, rows, said = query(vigie, folder, source, text, env)
        expect(code == 1, f"{server.scheme}: {text} is not refused but ends with {code}: {said}")
    expect(server.sql("SELECT * FROM orders ORDER BY total") == before, f"{server.scheme}: the table is another one now")
    print(f"{server.scheme}: {len(LABELS)} labels as stored, {len(READS[server.scheme])} statements as they must be, "
          f"{len(REFUSED[server.scheme])} refused, the table is the same")


class Listener:
    """Keeps what it is asked, whole."""

    def __init__(self):
        asked = self.asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
                asked.append((self.path, collections.Counter(name.lower() for name in self.headers), self.headers, body))
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(b'{"items": [{"total": 1}]}')

            do_POST = do_GET

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def requests(vigie, folder):
    listener = Listener()
    source = {"http_json": {"url": listener.url}}
    base = {"path": "orders", "rows": "$.items[*]", "value": "$.total"}
    sent = refused = 0

    def check(source, asked, what):
        """Gives the requests that it led to; each below the address, with one of each header."""
        nonlocal sent, refused
        listener.asked.clear()
        code, _, said = query(vigie, folder, source, asked)
        expect("panicked" not in said and (code == 1 or listener.asked), f"{what}: {said}")
        refused += bool(code) and not listener.asked
        for path, counts, headers, _ in listener.asked:
            sent += 1
            plain = urllib.parse.unquote(urllib.parse.urlsplit(path).path)
            expect(path.startswith("/v1/") and "/.." not in plain and "\\" not in plain, f"{what} became {path}")
            expect(max(counts.values()) == 1 and "x-evil" not in counts, f"{what} became the headers {list(headers.items())}")
            expect(headers["host"] == urllib.parse.urlsplit(listener.url).netloc, f"{what} asks the host {headers['host']}")
        return list(listener.asked)

    for path in PATHS:
        check(source, {**base, "path": path}, f"the path {path!r}")
    for name, value in [("X-Team", "a\r\nX-Evil: 1"), ("X-Team\r\nX-Evil", "1"), ("X-Team", "a\nX-Evil: 1"), ("X-Team", "a\0b"), ("X Team", "a"),
                        ("X-Team", "é")]:
        check({"http_json": {"url": listener.url, "headers": {name: value}}}, base, f"the header {name!r}: {value!r}")
        check(source, {**base, "headers": {name: value}}, f"the query's header {name!r}: {value!r}")
    for value in LABELS:
        safe = value.replace("{", "{{")
        for path, _, _, _ in check(source, {**base, "params": {"q": safe, value: "x"}}, f"the parameter {value!r}"):
            found = urllib.parse.parse_qsl(urllib.parse.urlsplit(path).query, keep_blank_values=True)
            expect(found == [("q", value), (value, "x")], f"the parameter {value!r} arrives as {found}")
        for _, _, _, body in check(source, {**base, "method": "POST", "body": {"q": safe}}, f"the body {value!r}"):
            expect(json.loads(body) == {"q": value}, f"the body {value!r} arrives as {body}")
    print(f"http_json: {sent} requests stayed below their address with one of each header, {refused} texts were refused before any")


def tables(vigie, folder):
    """Odd names of files and columns, and cells that are SQL, in a table asked in SQL."""
    exports = folder / "ex'ports"
    exports.mkdir(parents=True)
    names = ["a'; DROP TABLE data; --.csv", 'b"c.csv', "d\\e.csv", "été [1].csv"]
    column = 'x"; DROP TABLE data; --'
    for number, name in enumerate(names):
        cell = LABELS[number].replace('"', '""')
        day = "DAY"
        (exports / name).write_text(f'bucket;"{column.replace(chr(34), chr(34) * 2)}";label\n{day};{number + 1};"{cell}"\n')
    today = subprocess.run(["date", "-u", "-d", "yesterday", "+%F"], capture_output=True, text=True, check=True).stdout.strip()
    for name in names:
        path = exports / name
        path.write_text(path.read_text().replace("DAY", today))
    source = {"csv": {"path": "ex'ports/*.csv"}}
    statement = f'SELECT bucket, label, sum("{column.replace(chr(34), chr(34) * 2)}") AS value FROM data WHERE label <> \'; DROP TABLE data\' GROUP BY 1, 2'
    code, rows, said = query(vigie, folder, source, statement, kpi={"dimensions": ["label"]})
    found = {row["labels"]["label"]: row["value"] for row in rows if row["labels"]}
    expect(code == 0 and found == {LABELS[number]: number + 1 for number in range(len(names))}, f"csv in SQL gives {found}: {said}")
    for statement in ["SELECT 1 AS value; ATTACH DATABASE 'evil.db' AS evil", "ATTACH DATABASE 'evil.db' AS evil", "PRAGMA query_only = 0",
                      "SELECT load_extension('evil') AS value", "SELECT writefile('evil', 'x') AS value", "DELETE FROM data",
                      "SELECT readfile('/etc/passwd') AS value", "WITH x AS (SELECT 1) DELETE FROM data", "VACUUM INTO 'evil.db'"]:
        code, _, said = query(vigie, folder, source, statement)
        expect(code == 1, f"csv in SQL: {statement} is not refused: {said}")
    left = sorted(path.name for path in [*folder.iterdir(), *pathlib.Path.cwd().iterdir()] if "evil" in path.name)
    expect(not left, f"a statement wrote {left}")
    print(f"csv: {len(names)} files of odd names, columns and cells are read as they stand, 9 statements refused")


def run():
    parser = argparse.ArgumentParser()
    parser.add_argument("--vigie", required=True, type=lambda path: str(pathlib.Path(path).resolve()))
    parser.add_argument("--dir", required=True, type=pathlib.Path)
    options = parser.parse_args()
    folder = options.dir.resolve()
    folder.mkdir(exist_ok=True)
    tables(options.vigie, folder / "tables")
    requests(options.vigie, folder / "requests")
    certificates = make_certificates(folder / "certificates")
    for kind in [Postgres, MariaDb]:
        with kind(folder / kind.scheme, certificates) as server:
            databases(options.vigie, folder / f"{kind.scheme}-queries", server, certificates)
            server.stop()


if __name__ == "__main__":
    main(run)
