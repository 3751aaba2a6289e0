"""Prometheus, an HTTP API, text files and workbooks against an independent sum of the same orders.

    seasons.py --vigie BIN --dir DIR [--only NAME]

As `databases.py`, for the other kinds of sources: a real Prometheus over TLS with a password; an API with four ways of
paging, a bearer token and OAuth 2.0; exports in Windows-1252 with decimal commas that overlap by month; workbooks that
overlap by key. At last a file is read while it is rewritten.
"""

import argparse
import datetime
import json
import os
import pathlib
import ssl
import subprocess
import threading
import time
import urllib.request

from season import PARIS, SEASONS, World, kpi_yaml, moment, play, summed
from servers import make_certificates, write_blocks
from shop_api import BEARER, CLIENT_SECRET, ShopApi
from support import HERE, INSTALL, Child, expect, free_port, main, program, wait_for

PASSWORD = "canary-prom-5e/1"
# Of that password, by bcrypt.
PASSWORD_HASH = "$2b$04$8pObS3yNrmk8VIJZxCfz/uu1RvD5rbOaHL5wYrqLVbnCKGDCjS19y"
# Debian's own, which finds Debian's openpyxl.
PYTHON = "/usr/bin/python3"
REVENUE, HOURS, PAID = "unit: EUR, dimensions: [channel], empty: zero, ", "empty: zero, ", "kind: ratio, "


class PrometheusWorld(World):
    """Each order is a sample of a gauge by channel, half a minute after its instant."""

    name = "prometheus"
    # PromQL knows hours, not days with 23 or 25 of them.
    kpis = {"revenue": ("hour", "sum"), "hours": ("hour", "count"), "latest": ("hour", "last")}
    secrets = [PASSWORD, PASSWORD_HASH]
    env = {"PROM_PASSWORD": PASSWORD}

    def __init__(self, folder, certificates):
        folder.mkdir()
        self.folder, self.certificates, self.port, self.child = folder, certificates, free_port(), None
        self.outage = f"https://localhost:{self.port}"
        self.loads = 0
        web = {"tls_server_config": {"cert_file": str(certificates / "server.pem"), "key_file": str(certificates / "server.key")},
               "basic_auth_users": {"vigie": PASSWORD_HASH}}
        (folder / "web.yml").write_text(json.dumps(web))
        (folder / "prometheus.yml").write_text("{}\n")

    def load(self, orders):
        self.stop()
        self.loads += 1
        samples, data = self.folder / f"samples-{self.loads}.txt", self.folder / f"data-{self.loads}"
        with open(samples, "w", encoding="utf-8") as file:
            file.write("# TYPE order_euros gauge\n")
            for at, channel, total, _ in orders:
                file.write(f'order_euros{{channel="{channel}"}} {total} {int(at.timestamp()) + 30}\n')
            file.write("# TYPE latest_euros gauge\n")
            for at, _, total, _ in orders:
                file.write(f"latest_euros {total} {int(at.timestamp()) + 30}\n")
            file.write("# EOF\n")
        write_blocks(samples, data, "--max-block-duration=486h")
        self.data = data
        self.start()

    def change(self, orders, numbers):
        # Its past can't be written to: another Prometheus with the same name takes its place.
        self.load(orders)

    def stop(self):
        if self.child:
            self.child.stop()
            self.child = None

    def start(self):
        command = [program("prometheus", "prometheus"), f"--config.file={self.folder}/prometheus.yml",
                   f"--storage.tsdb.path={self.data}", f"--web.listen-address=127.0.0.1:{self.port}",
                   f"--web.config.file={self.folder}/web.yml", "--storage.tsdb.retention.time=900d"]
        self.child = Child(command, self.folder / "prometheus.log")
        trusted = ssl.create_default_context(cafile=self.certificates / "ca.pem")

        def is_ready():
            asked = urllib.request.Request(f"https://localhost:{self.port}/-/ready")
            try:
                urllib.request.urlopen(asked, timeout=2, context=trusted)
            except urllib.error.HTTPError as error:
                # It is there, and wants a password.
                return error.code == 401
            except OSError:
                return False
            return False

        wait_for("prometheus is ready", 60, is_ready, self.child.ended)

    def yaml(self):
        source = {"url": f"https://localhost:{self.port}", "tls": {"ca": str(self.certificates / "ca.pem")},
                  "auth": {"basic": {"user": "vigie", "password": {"env": "PROM_PASSWORD"}}}}
        return (
            f"sources: {{metrics: {{prometheus: {json.dumps(source)}}}}}\nkpis:\n"
            + kpi_yaml("revenue", "hour", "metrics", "sum by (channel) (sum_over_time(order_euros[1h]))", REVENUE)
            + kpi_yaml("hours", "hour", "metrics", "sum(count_over_time(order_euros[1h]))", HOURS)
            + kpi_yaml("latest", "hour", "metrics", "last_over_time(latest_euros[1h])", "kind: level, ")
        )


class ApiWorld(World):
    """Two sources on one API: the shop by OAuth, the desk by a bearer token."""

    name = "http_json"
    kpis = {**World.kpis, "receipts": ("hour", "count")}
    secrets = [BEARER, CLIENT_SECRET, "canary"]
    env = {"CLIENT_SECRET": CLIENT_SECRET, "BEARER": BEARER}

    def __init__(self, certificates):
        self.api, self.ca = ShopApi(certificates), str(certificates / "ca.pem")
        self.outage = f"https://localhost:{self.api.port}"
        self.stop, self.start = self.api.stop, self.api.start

    def load(self, orders):
        self.api.orders = orders

    def change(self, orders, numbers):
        self.api.orders = orders

    def yaml(self):
        root, tls = f"https://localhost:{self.api.port}", {"ca": self.ca}
        oauth = {"token_url": f"{root}/oauth/token", "client_id": "vigie", "client_secret": {"env": "CLIENT_SECRET"}, "scope": "orders.read"}
        shop = {"url": f"{root}/v1/", "tls": tls, "auth": {"oauth2": oauth}, "paging": {"cursor": {"from": "$.meta.cursor", "param": "after"}}}
        desk = {"url": f"{root}/desk", "tls": tls, "auth": {"bearer": {"env": "BEARER"}}, "paging": {"next_link": "$.links.next"}}
        revenue = {"path": "orders", "params": {"from": "{from}", "to": "{to}"}, "rows": "$.items[*]", "time": "$.at", "value": "$.total",
                   "labels": {"channel": "$.channel"}}
        hours = {"path": "visits", "params": {"since_ms": "{from_ms}", "until_ms": "{to_ms}"}, "rows": "$.data[*]", "time": "$.t", "aggregate": "count"}
        paid = {"path": "payments", "params": {"first_day": "{from_date}", "last_day": "{last_date}"}, "rows": "$[*]", "time": "$.day",
                "numerator": "$.paid", "denominator": "$.orders", "paging": {"page": {"param": "page", "first": 1}}}
        receipts = {"path": "receipts", "params": {"since": "{from_unix}", "until": "{to_unix}"}, "rows": "$.result.rows[*]", "time": "$.time",
                    "value": "$.n", "numbers": "text", "paging": {"offset": {"param": "skip", "size_param": "limit", "size": 100}}}
        return (
            f"sources:\n  shop: {{http_json: {json.dumps(shop)}}}\n  desk: {{http_json: {json.dumps(desk)}}}\nkpis:\n"
            + kpi_yaml("revenue", "day", "shop", revenue, REVENUE)
            + kpi_yaml("hours", "hour", "desk", hours, HOURS)
            + kpi_yaml("paid", "day", "shop", paid, PAID)
            + kpi_yaml("receipts", "hour", "desk", receipts, HOURS)
        )

    def all_ways_were_gone(self):
        counts = self.api.served
        expect(len(counts) == 5 and min(counts.values()) > 5, f"requests by path: {counts}")
        print(f"http_json: requests by path: {counts}")


def month_of(at):
    return at.astimezone(PARIS).strftime("%Y-%m")


class Exports(World):
    """Files in a folder; each morning one more with the whole of the last months, up to then."""

    def __init__(self, folder, pattern):
        folder.mkdir()
        self.folder, self.away, self.count, self.pattern = folder / "exports", folder / "away", 0, pattern
        self.folder.mkdir()
        self.outage = f"no file {self.folder}/{pattern.format('*')}"

    def load(self, orders):
        """Earlier exports have all there was, each with other totals than the one after it."""
        self.orders = orders

    def change(self, orders, numbers):
        self.orders = orders

    def day(self, orders, now):
        until = [(number, *order) for number, order in enumerate(orders) if order[0] < now]
        if self.count == 0:
            # The ninth is followed by the tenth, which stands before the second in the order of letters.
            for later in [8, 7]:
                self.export([(number, at, channel, total + later, not is_paid) for number, at, channel, total, is_paid in until])
            self.count = 8
            self.export(until)
            return
        months = {month_of(now), month_of(now - datetime.timedelta(days=28))}
        self.export([row for row in until if month_of(row[1]) in months])

    def export(self, rows):
        self.count += 1
        path = self.folder / self.pattern.format(self.count)
        # Beside and renamed: no reader sees half of it.
        self.write(path.with_suffix(".new"), rows)
        path.with_suffix(".new").rename(path)

    def write(self, path, rows):
        raise NotImplementedError

    def stop(self):
        self.folder.rename(self.away)

    def start(self):
        self.away.rename(self.folder)

    def kpis_yaml(self):
        hours = "SELECT Instant AS bucket, count(*) AS value FROM data GROUP BY 1"
        paid = "SELECT Date AS bucket, sum(\"Payé\") AS numerator, count(*) AS denominator FROM data GROUP BY 1"
        return (
            kpi_yaml("revenue", "day", "exports", {"time": "Date", "value": "Montant TTC", "labels": ["channel"]}, REVENUE)
            + kpi_yaml("hours", "hour", "exports", hours, HOURS)
            + kpi_yaml("paid", "day", "exports", paid, PAID)
        )


class CsvWorld(Exports):
    name = "csv"

    def write(self, path, rows):
        path.write_bytes(self.text(rows))

    def text(self, rows):
        lines = ["Numéro;Date;Instant;channel;Montant TTC;Payé"]
        for number, at, channel, total, is_paid in rows:
            local = at.astimezone(PARIS)
            euros = f"{total:,.2f}".replace(",", "\u00a0").replace(".", ",") + " €"
            lines.append(f'{number};{local:%d/%m/%Y};{local.isoformat()};"{channel}";{euros};{int(is_paid)}')
        return ("\r\n".join(lines) + "\r\n").encode("windows-1252")

    def yaml(self):
        source = {"path": f"{self.folder}/{self.pattern.format('*')}", "overlap": {"period": {"each": "month", "time": "Date"}}}
        return f"sources: {{exports: {{csv: {json.dumps(source)}}}}}\nkpis:\n{self.kpis_yaml()}"


class XlsxWorld(Exports):
    name = "xlsx"

    def write(self, path, rows):
        known = subprocess.run([PYTHON, "-c", "import openpyxl"], capture_output=True, check=False)
        expect(known.returncode == 0, f"openpyxl is not installed; run: {INSTALL} python3-openpyxl")
        table = []
        for number, at, channel, total, is_paid in rows:
            local = at.astimezone(PARIS)
            table.append([f"C-{number}", local.replace(tzinfo=None).isoformat(), local.isoformat(), channel, float(total), is_paid])
        done = subprocess.run([PYTHON, "-B", HERE / "write_workbook.py", path], input=json.dumps(table), capture_output=True, text=True,
                              check=False)
        expect(done.returncode == 0, f"the workbook could not be written: {done.stderr}")

    def yaml(self):
        source = {"path": f"{self.folder}/{self.pattern.format('*')}", "sheet": "Ventes", "skip_rows": 2, "overlap": {"key": ["Numéro"]}}
        return f"sources: {{exports: {{xlsx: {json.dumps(source)}}}}}\nkpis:\n{self.kpis_yaml()}"


def read_while_rewritten(vigie, folder, stage):
    """A writer that cuts the file and fills it again, in pieces that end within a row: no pull is of half a file."""
    world = stage.world
    rows = [(number, *order) for number, order in enumerate(world.orders)]
    whole = world.text(rows)
    path = folder / "rewritten.csv"
    path.write_bytes(whole)
    source = {"path": str(path)}
    (folder / "rewritten.yaml").write_text(f"""timezone: Europe/Paris
state: sqlite:rewritten.db
people: {{claire: {{mail: claire@example.test}}}}
sources: {{exports: {{csv: {json.dumps(source)}}}}}
kpis:
{kpi_yaml("revenue", "day", "exports", {"time": "Date", "value": "Montant TTC"}, "unit: EUR, ")}
receivers: {{claire: {{maildir: {{path: mails, to: [claire]}}}}}}
""")
    # Within a row's third cell, so that the cut is seen.
    ends = [whole.index(b"T", at) + 1 for at in range(len(whole) // 23, len(whole) - 200, len(whole) // 23)]
    done = threading.Event()

    def rewrite():
        while not done.is_set():
            with open(path, "r+b", buffering=0) as file:
                file.truncate(0)
                for first, last in zip([0, *ends], [*ends, len(whole)]):
                    file.write(whole[first:last])
                    time.sleep(0.004)
            time.sleep(0.03)

    wanted = {day: float(total) for (channel, day), (total) in summed(world.orders, "day", "sum").items() if channel is None}
    last_day = max(wanted)
    span = [str(datetime.date(1970, 1, 1) + datetime.timedelta(days=day)) for day in [last_day - 40, last_day]]
    writer = threading.Thread(target=rewrite, daemon=True)
    writer.start()
    whole_ones, told = 0, 0
    try:
        env = {**os.environ, **stage.clock.env}
        stage.clock.set(moment(SEASONS["automne"], 30))
        for _ in range(60):
            command = [vigie, "query", "--config", folder / "rewritten.yaml", "--format", "json", "revenue", "--from", span[0], "--to", span[1]]
            ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=env)
            if ended.returncode:
                said = ended.stderr
                expect("tried again" in said or "rewritten" in said or "is empty" in said, f"a file that is rewritten is told as: {said}")
                told += 1
                continue
            found = [row for row in map(json.loads, ended.stdout.splitlines()) if row["type"] == "observation"]
            values = sorted(row["value"] for row in found)
            # The tenth of a month has none.
            days = sorted(wanted[day] for day in range(last_day - 40, last_day + 1) if day in wanted)
            expect(len(values) == len(days) and all(abs(a - b) < 1e-6 for a, b in zip(values, days)),
                   f"a pull while the file was rewritten gives {len(values)} days, {values[:3]}, for {len(days)}")
            whole_ones += 1
    finally:
        done.set()
        writer.join()
    expect(told, "the file was never caught being rewritten")
    print(f"csv: of 60 pulls while the file was rewritten {whole_ones} were whole and {told} told so; none was of half a file")


def run():
    parser = argparse.ArgumentParser()
    parser.add_argument("--vigie", required=True, type=lambda path: str(pathlib.Path(path).resolve()))
    parser.add_argument("--dir", required=True, type=pathlib.Path)
    parser.add_argument("--only", choices=["csv", "xlsx", "http_json", "prometheus"])
    options = parser.parse_args()
    folder = options.dir.resolve()
    folder.mkdir(exist_ok=True)
    certificates = make_certificates(folder / "certificates")

    def world_of(kind, name):
        if kind == "csv":
            return CsvWorld(folder / f"csv-files-{name}", "export-{}.csv")
        if kind == "xlsx":
            return XlsxWorld(folder / f"xlsx-files-{name}", "export {}.xlsx")
        if kind == "http_json":
            return ApiWorld(certificates)
        return PrometheusWorld(folder / f"prometheus-data-{name}", certificates)

    for kind in [options.only] if options.only else ["csv", "xlsx", "http_json", "prometheus"]:
        for name in SEASONS:
            world = world_of(kind, name)
            stage = play(options.vigie, folder, world, name)
            if kind == "http_json":
                world.all_ways_were_gone()
            if kind in ["http_json", "prometheus"]:
                world.stop()
        if kind == "csv":
            read_while_rewritten(options.vigie, folder, stage)


if __name__ == "__main__":
    main(run)
