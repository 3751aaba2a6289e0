"""A season: 90 days of history, daily pulls, a revision, two days of outage, a deleted day, a change of the clock.

The daemon's wall clock is moved by libfaketime. A *world* holds the orders as its kind of source does, and says which KPIs
read them; what is stored is compared with what this module sums from the same orders, bucket by bucket: none missing,
none twice.
"""

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

from support import INSTALL, Daemon, expect, wait_for

PARIS = zoneinfo.ZoneInfo("Europe/Paris")
UTC = datetime.timezone.utc
LIB = pathlib.Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
EPOCH = datetime.date(1970, 1, 1)
CHANNELS = ["web", "boutique", "été"]
# The changes of the clock of 2027.
SEASONS = {"printemps": datetime.date(2027, 3, 28), "automne": datetime.date(2027, 10, 31)}
HISTORY_DAYS = 90


def orders_until(last):
    """An order every 37 minutes over 100 days up to that day: [instant, channel, total, paid]."""
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


def moment(change, days, hour=6, minute=15, second=5):
    """A moment so many days from the change of the clock, in local time."""
    return datetime.datetime.combine(change + datetime.timedelta(days=days), datetime.time(hour, minute, second), PARIS)


class World:
    """Orders as one kind of source holds them; what each kind says of itself."""

    # Of the folder and of messages.
    name = None
    # What the message of its outage must name.
    outage = None
    # By KPI: grain (`day`, `hour`) and what is made of the orders (`sum`, `count`, `paid`, `last`).
    kpis = {"revenue": ("day", "sum"), "hours": ("hour", "count"), "paid": ("day", "paid")}
    # Set beside the daemon.
    env = {}
    # Not to be found in the log or the state.
    secrets = []

    def load(self, orders):
        """Takes over all orders, once."""
        raise NotImplementedError

    def change(self, orders, numbers):
        """Takes over those orders anew."""
        raise NotImplementedError

    def remove(self, numbers):
        """Forgets those orders; true where this kind of source can."""
        return False

    def day(self, orders, now):
        """What happens before the pull of a day; nothing for what is always up to date."""

    def stop(self):
        raise NotImplementedError

    def start(self):
        raise NotImplementedError

    def yaml(self):
        """The sections `sources` and `kpis`."""
        raise NotImplementedError


def kpi_yaml(name, grain, source, query, more=""):
    """One KPI as most worlds write it; the query as what JSON makes of it."""
    schedule = {"day": '"daily 06:15"', "hour": "hourly"}[grain]
    return (f"  {name}: {{title: {name.title()}, category: financial, source: {source}, history: {HISTORY_DAYS}d, "
            f"expected: 3d after end, grain: {grain}, schedule: {schedule}, settle: 3d, {more}"
            f"query: {json.dumps(query, ensure_ascii=False)}}}\n")


def config(world):
    return f"""timezone: Europe/Paris
language: fr
state: sqlite:state.db
control: control.sock
people: {{claire: {{mail: claire@example.test}}}}
{world.yaml()}
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


def read_state(folder, sql, *values):
    with contextlib.closing(sqlite3.connect(f"file:{folder}/state.db?mode=ro", uri=True)) as base:
        return base.execute(sql, values).fetchall()


class Stage:
    """A daemon on one world, moved through time."""

    def __init__(self, vigie, folder, world):
        self.vigie, self.folder, self.world = vigie, folder, world
        folder.mkdir(exist_ok=True)
        self.config = folder / "vigie.yaml"
        self.config.write_text(config(world))
        self.clock = MovedClock(folder)
        self.env = {**os.environ, **world.env}

    def start(self, at):
        self.clock.set(at)
        self.daemon = Daemon(self.vigie, self.config, self.folder / "run.log", env={**self.env, **self.clock.env})

    def clocks(self):
        rows = read_state(self.folder, "SELECT kpi, last_slot, last_error FROM kpi_clock")
        return {kpi: (last_slot, error) for kpi, last_slot, error in rows}

    def go(self, at, fails=False):
        """Sets the clock and waits until every KPI has stepped its newest slot (or has failed to)."""
        self.clock.set(at)
        local = at.astimezone(PARIS)
        daily = datetime.datetime.combine(local.date(), datetime.time(6, 15), PARIS)
        hourly = local.replace(minute=0, second=0, microsecond=0)
        slots = {"day": daily, "hour": hourly}

        def is_done():
            # Any request wakes the daemon, which then looks at its clock.
            command = [self.vigie, "ack", "--config", str(self.config), "a0000000000"]
            subprocess.run(command, capture_output=True, check=False, env=self.env)
            with contextlib.suppress(sqlite3.OperationalError):
                now = self.clocks()
                if fails:
                    return len(now) == len(self.world.kpis) and all(error for _, error in now.values())
                return all(
                    kpi in now and now[kpi][0] >= slots[grain].timestamp() * 1000 and not now[kpi][1]
                    for kpi, (grain, _) in self.world.kpis.items()
                )
            return False

        try:
            wait_for(f"the slots of {local}", 60, is_done, self.daemon.ended)
        except Exception:
            print(self.daemon.tail(), self.clocks())
            raise

    def stored(self, kpi):
        sql = """SELECT labels, bucket, value, numerator, denominator FROM observation
                 JOIN series ON series.id = observation.series WHERE kpi = ?"""
        rows = read_state(self.folder, sql, kpi)
        found = {(json.loads(labels).get("channel"), bucket): tuple(rest) for labels, bucket, *rest in rows}
        expect(len(found) == len(rows), f"{kpi}: a bucket is stored twice")
        # Nothing at all says that the value was withdrawn.
        return {key: rest for key, rest in found.items() if rest != (None, None, None)}


def summed(orders, grain, what):
    """By (channel or none, bucket): what the orders come to, as (value, numerator, denominator)."""
    found = {}
    for at, channel, total, is_paid in orders:
        bucket = int(at.timestamp()) // 3600 if grain == "hour" else (at.astimezone(PARIS).date() - EPOCH).days
        if what == "sum":
            for key in [channel, None]:
                found[key, bucket] = found.get((key, bucket), 0) + total
        elif what == "count":
            found[None, bucket] = found.get((None, bucket), 0) + 1
        elif what == "paid":
            good, all_ = found.get((None, bucket), (0, 0))
            found[None, bucket] = (good + is_paid, all_ + 1)
        elif what == "last":
            found[None, bucket] = total
    return found


def compare_one(stage, kpi, wanted, buckets):
    """One KPI over those buckets; gives how many were compared."""
    grain, what = stage.world.kpis[kpi]
    found, checked, begun = stage.stored(kpi), 0, {None}
    for bucket in buckets:
        for channel in [*CHANNELS, None] if what == "sum" else [None]:
            stored, sums = found.pop((channel, bucket), None), wanted.get((channel, bucket))
            start = datetime.datetime.fromtimestamp(bucket * 3600, PARIS) if grain == "hour" else EPOCH + datetime.timedelta(bucket)
            place = f"{kpi} of {channel or 'all'} in the {grain} from {start}: stored {stored}, summed {sums}"
            if what in ["sum", "count"]:
                # An absent order is a zero, once the channel is known.
                begun |= {channel} if sums else set()
                if channel not in begun and stored is None:
                    continue
                expect(stored is not None and abs(stored[0] - float(sums or 0)) < 1e-6, place)
            else:
                expect((stored is None) == (sums is None), place)
                if stored is None:
                    continue
                if what == "paid":
                    expect(stored[1:] == sums and stored[0] == sums[0] / sums[1], place)
                else:
                    expect(stored[0] == float(sums), place)
            checked += 1
    expect(not found, f"{kpi} has buckets beyond the span: {list(found)[:3]}")
    return checked


def compare(stage, orders, first_start, now):
    """What is stored against the sums of the same orders, over every bucket from the first pull on."""
    oldest = (first_start - datetime.timedelta(days=HISTORY_DAYS)).astimezone(PARIS)
    spans = {
        "day": range((oldest.date() - EPOCH).days, (now.astimezone(PARIS).date() - EPOCH).days),
        "hour": range(int(oldest.timestamp()) // 3600, int(now.timestamp()) // 3600),
    }
    return sum(
        compare_one(stage, kpi, summed(orders, grain, what), spans[grain])
        for kpi, (grain, what) in stage.world.kpis.items()
    )


def play(vigie, folder, world, name):
    """One season on a world; gives its stage, the daemon stopped."""
    change = SEASONS[name]
    orders = orders_until(change + datetime.timedelta(days=6))
    world.load(orders)
    stage = Stage(vigie, folder / f"{world.name}-{name}", world)

    def morning(days, *clock):
        return moment(change, days, *clock)

    def go(at, **options):
        world.day(orders, at)
        stage.go(at, **options)

    first = morning(-2, 12)
    world.day(orders, first)
    stage.start(first)
    with stage.daemon:
        stage.go(first)
        checked = compare(stage, orders, first, first)
        for day in [-1, 0, 1]:
            go(morning(day))
        checked += compare(stage, orders, first, morning(1))
        # Orders of the day that was changed are corrected.
        noon = morning(0, 12)
        numbers = [
            number for number, order in enumerate(orders) if noon <= order[0] < noon + datetime.timedelta(hours=3)
        ]
        for number in numbers:
            orders[number][2] += 1000
        world.change(orders, numbers)
        go(morning(2))
        checked += compare(stage, orders, first, morning(2))
        world.stop()
        stage.go(morning(3), fails=True)
        stage.go(morning(4), fails=True)
        told = "".join(error for _, error in stage.clocks().values())
        expect(world.outage in told, f"the outage is told as: {told}")
        world.start()
        go(morning(4, 20, 0))
        go(morning(5))
        checked += compare(stage, orders, first, morning(5))
        # A whole day is deleted while it may still change.
        gone = [number for number, order in enumerate(orders) if order[0].astimezone(PARIS).date() == morning(3).date()]
        is_deleted = world.remove(gone)
        if is_deleted:
            orders = [order for number, order in enumerate(orders) if number not in set(gone)]
            go(morning(6))
            checked += compare(stage, orders, first, morning(6))
        expect(stage.daemon.stop() == 0, f"the daemon did not end well:\n{stage.daemon.tail()}")
    log = (stage.folder / "run.log").read_text() + (stage.folder / "state.db").read_bytes().decode(errors="replace")
    expect(not any(secret in log for secret in world.secrets), "a secret stands in the log or the state")
    deleted = ", deletion" if is_deleted else ""
    print(f"{world.name}, {name}: {checked} buckets equal over back-fill, days, revision, outage{deleted} and change of the clock")
    return stage
