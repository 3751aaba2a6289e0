"""The demo's mails against its database.

    demo.py --vigie BIN --dir DIR [--now 2026-11-23]

Realised revenue in each mail equals SUM() as `sqlite3` computes it, to the cent; one alert fires, escalates and
resolves within one thread; halving one week's orders changes which mails come.
"""

import argparse
import collections
import contextlib
import datetime
import decimal
import json
import pathlib
import re
import shutil
import sqlite3
import subprocess

from read_mail import facts, figure
from support import expect, main, program, read_mail, text_part

MONTHS = "janvier février mars avril mai juin juillet août septembre octobre novembre décembre".split()


def play(vigie, folder, now):
    """Runs the demo once; gives its output."""
    command = [vigie, "demo", "--once", "--dir", folder, "--now", now]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    expect(done.returncode == 0, f"`vigie demo` ended with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return done.stdout


def mails_of(folder):
    """All mails below a folder, in the order of their dates."""
    paths = [path for new in folder.rglob("new") if new.is_dir() for path in new.iterdir()]
    mails = [(path, read_mail(path)) for path in paths]
    return sorted(mails, key=lambda each: (each[1]["Date"].datetime, each[0].name))


def database_of(folder):
    """The company's database: the one with orders."""
    for path in folder.rglob("*.db"):
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as base:
            if base.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'orders'").fetchone()[0]:
                return path
    raise AssertionError(f"no database with orders below {folder}")


def french_day(text):
    """A day in words, `lundi 23 novembre 2026` or `1er novembre 2026`."""
    found = re.search(r"(\d+)(?:er)? (\w+) (\d{4})", text)
    expect(found and found.group(2) in MONTHS, f"no day in {text!r}")
    return datetime.date(int(found.group(3)), MONTHS.index(found.group(2)) + 1, int(found.group(1)))


def realised(sqlite3_tool, base, first, until):
    """SUM() of the orders of [first, until) as the command-line tool says it, in cents."""
    sql = f"SELECT printf('%.2f', sum(total)) FROM orders WHERE created_at >= '{first}' AND created_at < '{until}'"
    out = subprocess.run([sqlite3_tool, "-readonly", base, sql], capture_output=True, text=True, check=True)
    return decimal.Decimal(out.stdout.strip())


def revenue_mails(mails):
    return [(path, mail) for path, mail in mails if "Chiffre d'affaires" in mail["Subject"]]


def sums_are_those_of_the_database(mails, base):
    tool = program("sqlite3", "sqlite3")
    checked = 0
    for path, mail in revenue_mails(mails):
        text = text_part(mail)
        lines = facts(text)
        if "Réalisé" not in lines:
            continue
        month = re.match(r"(\w+) (\d{4})", lines["Période"])
        expect(month, f"{path}: no month in {lines['Période']!r}")
        first = datetime.date(int(month.group(2)), MONTHS.index(month.group(1)) + 1, 1)
        as_of = re.search(r"Données(?:\s*:)?\s+au ([^,·(\n]*)", text)
        expect(as_of, f"{path}: no line `Données`:\n{text}")
        until = french_day(as_of.group(1))
        wanted, said = realised(tool, base, first, until), figure(lines["Réalisé"], "fr")
        expect(said == wanted, f"{path}: the mail says {said}, sqlite3 {wanted} from {first} to {until}")
        checked += 1
    expect(checked >= 3, f"only {checked} mails show realised revenue")
    return checked


def an_alert_lives_in_one_thread(mails):
    """The threads by root id, each with its mails' reasons; one must fire, escalate and resolve."""
    threads = {}
    for path, mail in mails:
        root = mail["References"] or mail["Message-ID"]
        if mail["References"]:
            expect(mail["In-Reply-To"] == mail["References"], f"{path}: In-Reply-To is not the thread's root")
            expect(root in threads, f"{path}: refers to {root}, which no earlier mail bears")
            expect(mail["Subject"].startswith("Re: "), f"{path}: a follow-up without Re:")
        threads.setdefault(root, []).append(mail)
    whole = 0
    for thread in threads.values():
        reasons = [mail["X-Vigie-Reason"] for mail in thread]
        alerts = {mail["X-Vigie-Alert"] for mail in thread}
        wanted = iter(reasons)
        if all(reason in wanted for reason in ["first", "escalated", "resolved"]) and len(alerts) == 1:
            expect(thread[0]["X-Vigie-State"] == "firing", "the thread's first mail is not of a firing")
            whole += 1
    expect(whole, f"no alert fires, escalates and resolves in one thread: {[[m['X-Vigie-Reason'] for m in t] for t in threads.values()]}")
    return len(threads), whole


def told(mails):
    """What came, without figures: who, when, about what, why."""
    return {(mail["To"], mail["Date"].datetime, mail["Subject"], mail["X-Vigie-Reason"]) for _, mail in mails}


def halving_a_week_changes_what_comes(vigie, folder, base, before, now):
    """The last whole week before the demo's end, with every order at half its price."""
    other = folder.parent / "halved"
    other.mkdir()
    end = datetime.date.fromisoformat(now)
    monday = end - datetime.timedelta(days=end.weekday() + 7)
    sunday = monday + datetime.timedelta(days=7)
    copy = other / base.relative_to(folder)
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(base, copy)
    with contextlib.closing(sqlite3.connect(copy)) as orders, orders:
        changed = orders.execute(
            "UPDATE orders SET total = round(total / 2, 2) WHERE created_at >= ? AND created_at < ?",
            (str(monday), str(sunday)),
        ).rowcount
    expect(changed > 0, f"no orders in the week of {monday}")
    size = copy.stat().st_size
    play(vigie, other, now)
    expect(copy.stat().st_size == size, "the existing database was generated again")
    mails = mails_of(other)
    sums_are_those_of_the_database(mails, copy)
    gone, new = told(before) - told(mails), told(mails) - told(before)
    expect(gone or new, f"halving {changed} orders of the week of {monday} changed no mail")
    changed_subjects = {subject for _, _, subject, _ in gone | new}
    expect(
        any("Chiffre d'affaires" in subject for subject in changed_subjects),
        f"halving orders changed only mails about {changed_subjects}",
    )
    return len(gone), len(new)


def records(vigie, folder, *words):
    """What a command tells as JSON lines, of the demo's configuration."""
    ran = subprocess.run(
        [vigie, *words, "--config", folder / "vigie.yaml", "--format", "json"], capture_output=True, text=True, cwd=folder
    )
    expect(ran.returncode == 0, f"{words}: {ran.stderr}")
    return [json.loads(line) for line in ran.stdout.splitlines()]


def a_replay_gives_what_was_lived(vigie, folder, mails, now):
    """The changes of rules' alerts and the mails, by reason, as `vigie backtest` makes them of what is stored."""
    end = datetime.date.fromisoformat(now)
    first, last = end - datetime.timedelta(weeks=6), end - datetime.timedelta(days=1)
    lived = [
        (change["at"], change["from"], change["to"], change["severity"], change["value"], change["identity"].split("/")[0])
        for change in records(vigie, folder, "alerts", "--all", "--limit", "100000")
        if change["type"] == "transition" and change["identity"].startswith("rule:")
    ]
    replay = records(vigie, folder, "backtest", "--from", str(first), "--to", str(last))
    again = [
        (change["at"], change["from"], change["to"], change["severity"], change["value"], f"rule:{change['rule']}")
        for change in replay
        if change["type"] == "transition"
    ]
    expect(len(lived) > 10, f"only {len(lived)} changes to compare")
    expect(sorted(lived) == sorted(again), f"lived {sorted(set(lived) - set(again))}, replayed {sorted(set(again) - set(lived))}")
    reasons = collections.Counter(mail["X-Vigie-Reason"] for _, mail in mails)
    would = collections.Counter()
    for of in replay[-1]["messages"].values():
        would.update(of)
    expect(reasons == would, f"mails {dict(reasons)}, replayed {dict(would)}")
    return len(lived)


def run():
    parser = argparse.ArgumentParser()
    parser.add_argument("--vigie", type=pathlib.Path, required=True)
    parser.add_argument("--dir", type=pathlib.Path, required=True)
    parser.add_argument("--now", default="2026-11-23")
    options = parser.parse_args()
    folder = options.dir.resolve() / "demo"
    output = play(options.vigie, folder, options.now)
    base = database_of(folder)
    mails = mails_of(folder)
    expect(mails, f"the demo wrote no mail; it said:\n{output[-2000:]}")
    checked = sums_are_those_of_the_database(mails, base)
    threads, whole = an_alert_lives_in_one_thread(mails)
    changes = a_replay_gives_what_was_lived(options.vigie, folder, mails, options.now)
    gone, new = halving_a_week_changes_what_comes(options.vigie, folder, base, mails, options.now)
    print(f"demo: {len(mails)} mails in {threads} threads, {whole} with firing, escalation and end")
    print(f"demo: {changes} changes and the mails of six weeks are those of a replay")
    print(f"demo: realised revenue equals SUM() in {checked} mails; a halved week took {gone} mails and brought {new}")


if __name__ == "__main__":
    main(run)
