"""A real Prometheus with known samples, and a real mail server.

    prometheus.py --vigie BIN --dir DIR

Samples are written as blocks by promtool. What Vigie pulls equals them exactly, with dimensions, over more points than
one request may have; NaN and an empty result say nothing. A threshold rule's mail arrives through OpenSMTPD.
"""

import argparse
import contextlib
import datetime
import json
import pathlib
import re
import sqlite3
import subprocess
import time

from read_mail import figure
from servers import Prometheus
from support import Daemon, MailServer, expect, main, new_mails, read_mail, text_part, wait_for

# More than the 11,000 points that a server gives at once.
MINUTES = 12_500
REGIONS = ["nord", "sud"]
LIMIT = 5000


def value_at(region, minute):
    """A figure that no rounding leaves alone, different for each region and minute."""
    return (minute % 997) + 0.1 * (1 + REGIONS.index(region))


def write_samples(path, end):
    """OpenMetrics text with one sample a minute up to `end` (epoch seconds)."""
    first = end - MINUTES * 60
    with open(path, "w", encoding="utf-8") as file:
        file.write("# TYPE panier gauge\n")
        for region in REGIONS:
            for at in range(first, end + 1, 60):
                file.write(f'panier{{region="{region}"}} {value_at(region, at // 60)!r} {at}\n')
        file.write("# TYPE attente gauge\n")
        for at in range(end - 3600, end + 1, 60):
            file.write(f"attente {LIMIT + 1234.5} {at}\n")
        file.write("# TYPE trou gauge\n")
        for at in range(end - 3600, end + 1, 60):
            # Every other minute says nothing.
            file.write(f"trou {'NaN' if at // 60 % 2 else 7.25} {at}\n")
        file.write("# EOF\n")


def kpi(title, query, history, dimensions="[]"):
    return f"""
    title: {title}
    category: operational
    better: lower
    kind: level
    grain: 1m
    source: prom
    query: {query}
    dimensions: {dimensions}
    schedule: every 1m
    expected: 2d after end
    history: {history}
"""


def config(server, mail):
    return f"""timezone: UTC
language: fr
state: sqlite:state.db
control: control.sock
{mail.yaml()}
people:
  claire: {{mail: claire@example.test}}

sources:
  prom: {{prometheus: {{url: "{server.url}"}}}}

kpis:
  panier:{kpi("Panier", "panier", "9d", "[region]")}
  attente:{kpi("Attente", "attente", "1h")}
  trou:{kpi("Trou", "trou", "1h")}
  rien:{kpi("Rien", "aucune_serie", "1h")}

rules:
  trop-long:
    script: signal/threshold
    on: [attente]
    with: {{above: {LIMIT}}}

receivers:
  claire: {{email: {{to: [claire]}}}}

route:
  to: claire
  group: {{wait: 0s}}
"""


def observations(state, name):
    """(labels, minute of the bucket's start) -> value, as stored."""
    sql = """SELECT labels, bucket, value FROM observation JOIN series ON series.id = observation.series
             WHERE kpi = ? AND labels <> CASE kpi WHEN 'panier' THEN '{}' ELSE '' END"""
    with contextlib.closing(sqlite3.connect(f"file:{state}?mode=ro", uri=True)) as base:
        return {(json.loads(labels).get("region"), bucket): value for labels, bucket, value in base.execute(sql, (name,))}


def pulled_equals_the_samples(state, started, end):
    """PromQL is evaluated at the bucket's end: bucket m holds the sample at minute m + 1."""
    first, last = end // 60 - MINUTES, started // 60
    got = observations(state, "panier")
    checked = 0
    for region in REGIONS:
        for minute in range(first, last + 1):
            found, wanted = got.get((region, minute - 1)), value_at(region, minute)
            expect(found == wanted, f"panier of {region} at minute {minute}: stored {found}, sample {wanted}")
            checked += 1
    expect(checked > 11_000 * len(REGIONS), "the span fits into one request")
    holes = observations(state, "trou")
    for minute in range(last - 50, last + 1):
        found, wanted = holes.get((None, minute - 1)), None if minute % 2 else 7.25
        expect(found == wanted, f"trou at minute {minute}: stored {found}, sample {wanted or 'NaN'}")
    expect(not observations(state, "rien"), "an empty result became observations")
    return checked


def queried(vigie, config_path, name, *span):
    """The rows of `vigie query` as (region, minute of the bucket's end) -> value, and its summary."""
    command = [vigie, "query", "--config", config_path, "--format", "json", name, *span]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    expect(done.returncode == 0, f"`vigie query {name}` ended with {done.returncode}: {done.stderr[-2000:]}")
    rows, summary = {}, None
    for row in map(json.loads, done.stdout.splitlines()):
        if row["type"] == "observation":
            end = datetime.datetime.fromisoformat(row["end"].replace("Z", "+00:00"))
            rows[row["labels"].get("region"), int(end.timestamp()) // 60] = row["value"]
        elif row["type"] == "summary":
            summary = row
    expect(summary, f"`vigie query {name}` printed no summary: {done.stdout[-500:]}")
    return rows, summary


def query_prints_the_samples(vigie, config_path, end):
    """`vigie query` over more points than one request may have, over NaN, and over nothing."""
    first = datetime.datetime.fromtimestamp(end - (MINUTES - 1440) * 60, datetime.timezone.utc).date()
    rows, summary = queried(vigie, config_path, "panier", "--from", str(first))
    regions = {region for region, _ in rows if region}
    expect(regions == set(REGIONS), f"`vigie query` shows the regions {regions}")
    checked = 0
    for (region, minute), value in rows.items():
        if region:
            wanted = value_at(region, minute)
            expect(value == wanted, f"query: panier of {region} at minute {minute}: {value}, sample {wanted}")
            checked += 1
    expect(checked > 11_000 * len(REGIONS), f"`vigie query` showed {checked} values, not more than one request gives")
    expect(summary["complete"], "the pull over several requests is not complete")
    rows, summary = queried(vigie, config_path, "trou")
    expect(rows and all(value == 7.25 for value in rows.values()), f"NaN became a value: {rows}")
    expect(all(minute % 2 == 0 for _, minute in rows), f"NaN became a bucket: {rows}")
    rows, summary = queried(vigie, config_path, "rien")
    expect(not rows and summary["observations"] == 0, f"an empty result became {rows}")
    return checked


def mail_arrives(mail, daemon):
    path = wait_for("a mail through OpenSMTPD", 60, lambda: new_mails(mail.mails), daemon.ended)[0]
    letter = read_mail(path)
    expect(letter["X-Vigie-State"] == "firing" and "Attente" in letter["Subject"], f"unexpected: {letter['Subject']}")
    expect("claire@example.test" in letter["To"], f"the mail is to {letter['To']}")
    line = re.search(r"Attente : (.*), au-dessus", text_part(letter))
    expect(line, f"the mail does not name the value:\n{text_part(letter)}")
    expect(float(figure(line.group(1), "fr")) == LIMIT + 1234.5, f"the mail says {line.group(1)}")
    return path


def run():
    parser = argparse.ArgumentParser()
    parser.add_argument("--vigie", required=True)
    parser.add_argument("--dir", type=pathlib.Path, required=True)
    options = parser.parse_args()
    folder = options.dir.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    # The newest minute that has ended, and so much after that the rule's bucket is there when the daemon starts.
    end = int(time.time()) // 60 * 60 + 300
    with Prometheus(folder / "prometheus", lambda path: write_samples(path, end)) as server, MailServer(folder / "smtp") as mail:
        (folder / "vigie.yaml").write_text(config(server, mail))
        started = int(time.time()) // 60 * 60
        with Daemon(options.vigie, folder / "vigie.yaml", folder / "vigie.log", cwd=folder) as daemon:
            mail_arrives(mail, daemon)
            ready = "SELECT count(*) FROM kpi_clock WHERE pulled_to IS NOT NULL"
            wait_for("all KPIs are pulled", 60, lambda: count(folder / "state.db", ready) == 4, daemon.ended)
            code = daemon.stop()
            expect(code == 0, f"the daemon ended with {code} after SIGTERM:\n{daemon.tail()}")
        checked = pulled_equals_the_samples(folder / "state.db", started, end)
        rows = query_prints_the_samples(options.vigie, folder / "vigie.yaml", end)
    print(f"prometheus: {checked} stored values equal the samples, `vigie query` printed {rows}; the mail arrived")


def count(state, sql):
    with contextlib.suppress(sqlite3.OperationalError):
        with contextlib.closing(sqlite3.connect(f"file:{state}?mode=ro", uri=True)) as base:
            return base.execute(sql).fetchone()[0]
    return None


if __name__ == "__main__":
    main(run)
