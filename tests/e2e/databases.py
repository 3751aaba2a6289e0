"""PostgreSQL and MariaDB against an independent sum of the same orders.

    databases.py --vigie BIN --dir DIR

The real daemon, its wall clock moved by libfaketime, pulls 90 days, then day by day over a change of the clock; orders
are revised; the server is away for two days. What is stored then equals what this script sums from its own list, bucket
by bucket: none missing, none twice. Messages of failures name object, cause and remedy, and never the password.
"""

import argparse
import contextlib
import datetime
import decimal
import json
import os
import pathlib
import sqlite3
import subprocess
import time
import zoneinfo

from servers import PASSWORD, PASSWORD_IN_URL, MariaDb, Postgres, make_certificates
from support import INSTALL, Daemon, expect, main, wait_for

PARIS = zoneinfo.ZoneInfo("Europe/Paris")
UTC = datetime.timezone.utc
LIB = pathlib.Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
EPOCH = datetime.date(1970, 1, 1)
CHANNELS = ["web", "boutique", "été"]
# The changes of the clock of 2027.
SEASONS = {"printemps": datetime.date(2027, 3, 28), "automne": datetime.date(2027, 10, 31)}
HISTORY_DAYS = 90


def orders_until(last):
    """An order every 37 minutes over 100 days up to that day: (instant, channel, total, paid)."""
    at = datetime.datetime.combine(last - datetime.timedelta(days=100), datetime.time(), PARIS).astimezone(UTC)
    end = datetime.datetime.combine(last + datetime.timedelta(days=1), datetime.time(), PARIS).astimezone(UTC)
    orders, number = [], 0
    while at < end:
        # Nobody buys on the tenth of a month.
        if at.astimezone(PARIS).day != 10:
            total = decimal.Decimal(number * 7919 % 100_003) / 100
            orders.append([at, CHANNELS[number % 3], total, number % 5 != 0])
        at += datetime.timedelta(minutes=37)
        number += 1
    return orders


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


def config(server, certificates, **more):
    queries = QUERIES[server.scheme]
    source = {"url": {"env": "SHOP_URL"}, "tls": {"ca": str(certificates / "ca.pem")}, **more}
    kpi = "category: financial, source: shop, history: 90d, expected: 3d after end"
    return f"""timezone: Europe/Paris
language: fr
state: sqlite:state.db
control: control.sock
people: {{claire: {{mail: claire@example.test}}}}
sources:
  shop: {{sql: {json.dumps(source)}}}
kpis:
  revenue: {{title: Revenue, {kpi}, unit: EUR, dimensions: [channel], schedule: "daily 06:15", settle: 3d, empty: zero, query: {json.dumps(queries["revenue"])}}}
  hours: {{title: Orders, {kpi}, grain: hour, schedule: hourly, settle: 3d, empty: zero, query: {json.dumps(queries["hours"])}}}
  paid: {{title: Paid, {kpi}, kind: ratio, schedule: "daily 06:15", settle: 3d, query: {json.dumps(queries["paid"])}}}
receivers: {{claire: {{maildir: {{path: mails, to: [claire]}}}}}}
"""


class MovedClock:
    """The daemon's wall clock; its pauses stay real."""

    def __init__(self, folder):
        expect(LIB.exists(), f"libfaketime is not installed; run: {INSTALL} faketime")
        self.file = folder / "clock"
        self.env = {
            "LD_PRELOAD": str(LIB), "FAKETIME_TIMESTAMP_FILE": str(self.file), "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_RESET": "1", "NO_FAKE_STAT": "1",
        }

    def set(self, at):
        own = self.file.with_suffix(".new")
        own.write_text(f"{at.timestamp() - time.time():+.3f}\n")
        own.rename(self.file)


class Stage:
    """A daemon on one database, moved through time."""

    def __init__(self, vigie, folder, server, certificates):
        self.vigie, self.folder, self.server = vigie, folder, server
        folder.mkdir()
        self.config = folder / "vigie.yaml"
        self.config.write_text(config(server, certificates))
        self.clock = MovedClock(folder)
        self.env = {**os.environ, "SHOP_URL": server.url()}

    def start(self, at):
        self.clock.set(at)
        self.daemon = Daemon(self.vigie, self.config, self.folder / "run.log", env={**self.env, **self.clock.env})

    def clocks(self):
        with contextlib.closing(sqlite3.connect(f"file:{self.folder}/state.db?mode=ro", uri=True)) as base:
            rows = base.execute("SELECT kpi, last_slot, last_error FROM kpi_clock").fetchall()
        return {kpi: (last_slot, error) for kpi, last_slot, error in rows}

    def go(self, at, fails=False):
        """Sets the clock and waits until every KPI has stepped its newest slot (or has failed to)."""
        self.clock.set(at)
        local = at.astimezone(PARIS)
        daily = datetime.datetime.combine(local.date(), datetime.time(6, 15), PARIS)
        hourly = local.replace(minute=0, second=0, microsecond=0)
        wanted = {"revenue": daily, "paid": daily, "hours": hourly}

        def is_done():
            # Any request wakes the daemon, which then looks at its clock.
            command = [self.vigie, "ack", "--config", str(self.config), "a0000000000"]
            subprocess.run(command, capture_output=True, check=False, env=self.env)
            with contextlib.suppress(sqlite3.OperationalError):
                now = self.clocks()
                if fails:
                    return len(now) == 3 and all(error for _, error in now.values())
                done = lambda kpi: kpi in now and now[kpi][0] >= wanted[kpi].timestamp() * 1000 and not now[kpi][1]
                return all(done(kpi) for kpi in wanted)
            return False

        try:
            wait_for(f"the slots of {local}", 60, is_done, self.daemon.ended)
        except Exception:
            print(self.daemon.tail(), self.clocks())
            raise

    def stored(self, kpi):
        sql = """SELECT labels, bucket, value, numerator, denominator FROM observation
                 JOIN series ON series.id = observation.series WHERE kpi = ?"""
        with contextlib.closing(sqlite3.connect(f"file:{self.folder}/state.db?mode=ro", uri=True)) as base:
            rows = base.execute(sql, (kpi,)).fetchall()
        found = {(json.loads(labels).get("channel"), bucket): tuple(rest) for labels, bucket, *rest in rows}
        expect(len(found) == len(rows), f"{kpi}: a bucket is stored twice")
        return found


def compare(stage, orders, first_start, now):
    """What is stored against the sums of the same orders, over every bucket from the first pull on."""
    revenue, hours, paid = {}, {}, {}
    for at, channel, total, is_paid in orders:
        day = (at.astimezone(PARIS).date() - EPOCH).days
        for key in [channel, None]:
            revenue[key, day] = revenue.get((key, day), 0) + total
        hour = int(at.timestamp()) // 3600
        hours[hour] = hours.get(hour, 0) + 1
        good, all_ = paid.get(day, (0, 0))
        paid[day] = (good + is_paid, all_ + 1)
    oldest = (first_start - datetime.timedelta(days=HISTORY_DAYS)).astimezone(PARIS)
    first_day, last_day = (oldest.date() - EPOCH).days, (now.astimezone(PARIS).date() - EPOCH).days - 1
    checked = 0
    found = stage.stored("revenue")
    for day in range(first_day, last_day + 1):
        for channel in [*CHANNELS, None]:
            wanted, value = float(revenue.get((channel, day), 0)), found.pop((channel, day), [None])[0]
            date = EPOCH + datetime.timedelta(days=day)
            expect(value is not None and abs(value - wanted) < 1e-6, f"revenue of {channel} on {date}: stored {value}, summed {wanted}")
            checked += 1
    expect(not found, f"revenue has buckets beyond the span: {list(found)[:3]}")
    found = stage.stored("hours")
    for hour in range(int(oldest.timestamp()) // 3600, int(now.timestamp()) // 3600):
        value = found.pop((None, hour), [None])[0]
        at = datetime.datetime.fromtimestamp(hour * 3600, PARIS)
        expect(value == hours.get(hour, 0), f"orders in the hour from {at}: stored {value}, counted {hours.get(hour, 0)}")
        checked += 1
    expect(not found, f"hours has buckets beyond the span: {list(found)[:3]}")
    found = stage.stored("paid")
    for day in range(first_day, last_day + 1):
        stored, wanted = found.pop((None, day), None), paid.get(day)
        date = EPOCH + datetime.timedelta(days=day)
        expect((stored is None) == (wanted is None), f"paid on {date}: stored {stored}, counted {wanted}")
        if stored:
            expect(stored[1:] == wanted and stored[0] == wanted[0] / wanted[1], f"paid on {date}: stored {stored}, counted {wanted}")
            checked += 1
    return checked


def season(vigie, folder, server, certificates, name):
    change = SEASONS[name]
    orders = orders_until(change + datetime.timedelta(days=6))
    server.sql("DROP TABLE IF EXISTS orders")
    server.sql(TABLES[server.scheme])
    if server.scheme == "postgres":
        server.sql("GRANT SELECT ON orders TO vigie")
    insert(server, list(enumerate(orders)))
    stage = Stage(vigie, folder / f"{server.scheme}-{name}", server, certificates)

    def morning(days, hour=6, minute=15, second=5):
        return datetime.datetime.combine(change + datetime.timedelta(days=days), datetime.time(hour, minute, second), PARIS)

    first = morning(-2, 12)
    stage.start(first)
    with stage.daemon:
        stage.go(first)
        checked = compare(stage, orders, first, first)
        for day in [-1, 0, 1]:
            stage.go(morning(day))
        checked += compare(stage, orders, first, morning(1))
        # Yesterday's orders are corrected, and some of today's are cancelled.
        noon = morning(0, 12)
        for number, order in enumerate(orders):
            if noon <= order[0] < noon + datetime.timedelta(hours=3):
                order[2] += 1000
                server.sql(f"UPDATE orders SET total = {order[2]} WHERE id = {number}")
        stage.go(morning(2))
        checked += compare(stage, orders, first, morning(2))
        server.stop()
        stage.go(morning(3), fails=True)
        stage.go(morning(4), fails=True)
        told = "".join(error for _, error in stage.clocks().values())
        expect(f"shop on localhost:{server.port}" in told, f"the outage is told as: {told}")
        server.start()
        stage.go(morning(4, 20, 0))
        stage.go(morning(5))
        checked += compare(stage, orders, first, morning(5))
        expect(stage.daemon.stop() == 0, f"the daemon did not end well:\n{stage.daemon.tail()}")
    log = (stage.folder / "run.log").read_text() + (stage.folder / "state.db").read_bytes().decode(errors="replace")
    expect(PASSWORD not in log and PASSWORD_IN_URL not in log, "the password stands in the log or the state")
    print(f"{server.scheme}, {name}: {checked} buckets equal over back-fill, days, revision, outage and change of the clock")


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
                season(options.vigie, folder, server, certificates, name)
            types(options.vigie, folder / f"{kind.scheme}-types", server, certificates)
            for name in SEASONS if kind is MariaDb else []:
                season(options.vigie, folder, server, certificates, name)
            server.stop()


if __name__ == "__main__":
    main(run)
