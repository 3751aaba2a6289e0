"""PostgreSQL and MariaDB against an independent sum of the same orders.

    databases.py --vigie BIN --dir DIR

The real daemon, its wall clock moved by libfaketime, pulls 90 days, then day by day over a change of the clock; orders
are revised; the server is away for two days. What is stored then equals what this script sums from its own list, bucket
by bucket: none missing, none twice. Messages of failures name object, cause and remedy, and never the password.
"""

import argparse
import json
import os
import pathlib
import subprocess
import time

from season import SEASONS, World, kpi_yaml, play
from servers import PASSWORD, PASSWORD_IN_URL, MariaDb, Postgres, make_certificates
from support import expect, main

TABLES = {
    "postgres": "CREATE TABLE orders (id int PRIMARY KEY, at timestamptz NOT NULL, channel text, total numeric(12,2), paid boolean)",
    "mysql": "CREATE TABLE orders (id INT PRIMARY KEY, at TIMESTAMP NOT NULL DEFAULT '2001-01-01', channel VARCHAR(20), "
             "total DECIMAL(12,2), paid BOOLEAN)",
}
QUERIES = {
    "postgres": {
        "revenue": "SELECT date(at) AS bucket, channel, sum(total) AS value FROM orders WHERE at >= :from AND at < :to GROUP BY 1, 2",
        "hours": "SELECT date_trunc('hour', at) AS bucket, count(*) AS value FROM orders WHERE at >= :from AND at < :to GROUP BY 1",
        "paid": "SELECT at::date AS bucket, sum(paid::int) AS numerator, count(*) AS denominator FROM orders "
                "WHERE at::date >= :from_date AND at::date < :to_date GROUP BY 1",
    },
    "mysql": {
        "revenue": "SELECT DATE(at) AS bucket, channel, SUM(total) AS value FROM orders WHERE at >= :from AND at < :to GROUP BY 1, 2",
        "hours": "SELECT FLOOR(UNIX_TIMESTAMP(at) / 3600) * 3600 AS bucket, COUNT(*) AS value FROM orders "
                 "WHERE UNIX_TIMESTAMP(at) >= :from_unix AND UNIX_TIMESTAMP(at) < :to_unix GROUP BY 1",
        "paid": "SELECT DATE(at) AS bucket, SUM(paid) AS numerator, COUNT(*) AS denominator FROM orders "
                "WHERE at >= :from_date AND at < :to_date GROUP BY 1",
    },
}


def insert(server, rows):
    """Rows by (id, order)."""
    instant = "'{}+00'" if server.scheme == "postgres" else "FROM_UNIXTIME({})"

    def line(number, order):
        at, channel, total, paid = order
        when = at.strftime("%F %T") if server.scheme == "postgres" else int(at.timestamp())
        return f"({number}, {instant.format(when)}, '{channel}', {total}, {str(paid).lower()})"

    for first in range(0, len(rows), 500):
        values = ",".join(line(number, order) for number, order in rows[first : first + 500])
        # An hour that comes twice can't be told by FROM_UNIXTIME in local time.
        zone = "" if server.scheme == "postgres" else "SET time_zone = '+00:00'; "
        server.sql(f"{zone}INSERT INTO orders VALUES {values}")


class Database(World):
    """Orders in a table of one server."""

    secrets = [PASSWORD, PASSWORD_IN_URL]

    def __init__(self, server, certificates):
        self.server, self.name, self.env = server, server.scheme, {"SHOP_URL": server.url()}
        self.outage = f"shop on localhost:{server.port}"
        self.ca = str(certificates / "ca.pem")
        self.stop, self.start = server.stop, server.start

    def load(self, orders):
        self.server.sql("DROP TABLE IF EXISTS orders")
        self.server.sql(TABLES[self.server.scheme])
        if self.server.scheme == "postgres":
            self.server.sql("GRANT SELECT ON orders TO vigie")
        insert(self.server, list(enumerate(orders)))

    def change(self, orders, numbers):
        for number in numbers:
            self.server.sql(f"UPDATE orders SET total = {orders[number][2]} WHERE id = {number}")

    def remove(self, numbers):
        self.server.sql(f"DELETE FROM orders WHERE id IN ({', '.join(map(str, numbers))})")
        return True

    def yaml(self):
        queries = QUERIES[self.server.scheme]
        source = json.dumps({"url": {"env": "SHOP_URL"}, "tls": {"ca": self.ca}})
        return (
            f"sources: {{shop: {{sql: {source}}}}}\nkpis:\n"
            + kpi_yaml("revenue", "day", "shop", queries["revenue"], "unit: EUR, dimensions: [channel], empty: zero, ")
            + kpi_yaml("hours", "hour", "shop", queries["hours"], "empty: zero, ")
            + kpi_yaml("paid", "day", "shop", queries["paid"], "kind: ratio, ")
        )


TYPES = {
    "postgres": [
        ("12345678901234567.89::numeric", 12345678901234567.89), ("1.5::real", 1.5), ("true", 1), ("7::smallint", 7),
        ("9007199254740993", 9007199254740993.0), ("NULL::int", None), ("'3.25'::text", 3.25), ("0.1::float8", 0.1),
        ("-0.00004::numeric", -0.00004), ("'NaN'::float8", None), ("'Infinity'::numeric", None),
    ],
    "mysql": [
        ("CAST(12345678901234567.89 AS DECIMAL(20,2))", 12345678901234567.89), ("CAST(1.5 AS FLOAT)", 1.5), ("TRUE", 1),
        ("CAST(18446744073709551615 AS UNSIGNED)", 18446744073709551615.0), ("NULL", None), ("'3.25'", 3.25),
        ("0.1e0", 0.1), ("-0.00004", -0.00004), ("b'101'+0", 5),
    ],
}
FAILURES = {
    "postgres": [
        ("SELECT pg_sleep(60)::text AS value", "ran longer than 1s and was stopped"),
        ("SELECT nextval('counter') AS value", "only reading is allowed"),
        ("SELECT x AS value FROM secrets", "GRANT SELECT on it to the user"),
        ("SELECT x AS value FROM nowhere", 'relation "nowhere" does not exist; correct the query'),
        ("SELECT 1/0 AS value", "division by zero; correct the query"),
        ("SELECT '12.5'::money AS value", "cast it: ::numeric"),
        ("SELECT '{}'::jsonb AS value", "is of type JSONB, which can't be read"),
        ("SELECT gen_random_uuid() AS value", "is of type UUID, which can't be read"),
        ("SELECT '1 day'::interval AS value", "is of type INTERVAL, which can't be read; give seconds"),
        ("SELECT 'infinity'::date AS bucket, 1 AS value", "`infinity` is no time that can be read"),
        ("SELECT '-infinity'::timestamptz AS bucket, 1 AS value", "`infinity` is no time that can be read"),
        ("SELECT generate_series(1, 2000) AS value", "more than 1000 rows"),
        ("SELECT 1 AS value WHERE :from = '1 day'::interval", "cast it, such as :from::date"),
    ],
    "mysql": [
        ("SELECT SUM(a.seq * b.seq) AS value FROM seq_1_to_1000000 a, seq_1_to_1000000 b", "ran longer than 1s and was stopped"),
        ("SELECT NEXTVAL(counter) AS value", "only reading is allowed|GRANT SELECT"),
        ("SELECT x AS value FROM hidden.secrets", "GRANT SELECT on it to the user"),
        ("SELECT x AS value FROM nowhere", "'shop.nowhere' doesn't exist; correct the query"),
        ("SELECT nothing AS value FROM seq_1_to_3", "Unknown column"),
        ("SELECT seq AS value FROM seq_1_to_2000", "more than 1000 rows"),
    ],
}


def query(vigie, folder, server, statement, url=None, **source):
    """`vigie query` of one statement: exit code and what it said."""
    folder.mkdir(exist_ok=True)
    source = {"url": {"env": "SHOP_URL"}, "rows_max": 1000, "statement_timeout": "1s", **source}
    (folder / "vigie.yaml").write_text(f"""timezone: UTC
state: sqlite:state.db
people: {{claire: {{mail: claire@example.test}}}}
sources: {{shop: {{sql: {json.dumps(source)}}}}}
kpis: {{k: {{title: K, category: operational, source: shop, query: {json.dumps(statement)}}}}}
receivers: {{claire: {{maildir: {{path: mails, to: [claire]}}}}}}
""")
    command = [vigie, "query", "--config", str(folder / "vigie.yaml"), "--format", "json", "k"]
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False,
                          env={**os.environ, "SHOP_URL": url or server.url()})
    said = done.stdout + done.stderr
    expect(PASSWORD not in said and PASSWORD_IN_URL not in said, f"the password is printed: {said}")
    return done.returncode, said, time.monotonic() - began


def types(vigie, folder, server, certificates):
    tls = {"tls": {"ca": str(certificates / "ca.pem")}}
    if server.scheme == "mysql":
        code, said, _ = query(vigie, folder, server, "SELECT 1 AS value", zone="Europe/Paris", **tls)
        expect(code != 0 and "mysql_tzinfo_to_sql" in said and "zone: UTC" in said, f"a server without zones: {said}")
        server.load_zones()
    server.sql("CREATE SEQUENCE counter")
    if server.scheme == "postgres":
        server.sql("CREATE TABLE secrets (x int); GRANT USAGE ON SEQUENCE counter TO vigie")
    else:
        server.sql("CREATE DATABASE hidden; CREATE TABLE hidden.secrets (x INT)")
    for expression, wanted in TYPES[server.scheme]:
        code, said, _ = query(vigie, folder, server, f"SELECT {expression} AS value", **tls)
        rows = [row for row in map(json.loads, said.splitlines()) if row["type"] == "observation"]
        value = rows[0]["value"] if rows else None
        expect(code == 0 and value == wanted, f"{server.scheme}: {expression} became {value}: {said}")
    for statement, part in FAILURES[server.scheme]:
        code, said, took = query(vigie, folder, server, statement, **tls)
        expect(code != 0 and any(each in said for each in part.split("|")), f"{statement}: {said} lacks {part}")
        expect(took < 30, f"{statement} took {took} s")
    for said_as, more, url, part in [
        ("another authority", {"tls": {"ca": str(certificates / "other-ca.pem")}}, None, "certificate"),
        ("no encryption", {"encrypt": False}, None, "encrypt"),
        ("a wrong password", tls, server.url().replace(PASSWORD_IN_URL, "wrong"), "check user and password"),
        ("a database that is not there", tls, server.url().replace("/shop", "/shoq"), "correct the database's name|GRANT SELECT"),
        ("nobody there", tls, server.url().replace(str(server.port), "9"), "check that the server runs"),
    ]:
        code, said, _ = query(vigie, folder, server, "SELECT 1 AS value", url=url, **more)
        expect(code != 0 and any(each in said for each in part.split("|")), f"{server.scheme}, {said_as}: {said}")
    print(f"{server.scheme}: {len(TYPES[server.scheme])} types, {len(FAILURES[server.scheme]) + 5} failures told")


def run():
    parser = argparse.ArgumentParser()
    parser.add_argument("--vigie", required=True, type=lambda path: str(pathlib.Path(path).resolve()))
    parser.add_argument("--dir", required=True, type=pathlib.Path)
    options = parser.parse_args()
    folder = options.dir.resolve()
    folder.mkdir(exist_ok=True)
    certificates = make_certificates(folder / "certificates")
    for kind in [Postgres, MariaDb]:
        with kind(folder / kind.scheme, certificates) as server:
            for name in SEASONS if kind is Postgres else []:
                play(options.vigie, folder, Database(server, certificates), name)
            types(options.vigie, folder / f"{kind.scheme}-types", server, certificates)
            for name in SEASONS if kind is MariaDb else []:
                play(options.vigie, folder, Database(server, certificates), name)
            server.stop()


if __name__ == "__main__":
    main(run)
