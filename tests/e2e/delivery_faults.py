"""Faults of those who are to be told, for `state_faults.py`."""

import contextlib
import datetime
import json
import os
import pathlib
import re
import sqlite3
import subprocess
import time

from bench import GROUP, NOTHING, QUEUED, Shown, ends_well, fault, hooked, quiet
from scripted_receivers import DROP, Hook, MailServer
from season import MovedClock
from servers import make_certificates
from support import expect, wait_for

# Codes of a server's answer stand in a message as they came.
CODES = r"[245]\d\d"
LIMIT = 100
# Of the daemon, with 10,000 series.
MIB_MAX = 400
CALM, HIGH = 1, 200


def mailed(bench, *people, **changes):
    """A mail server, and everything goes to these people; each alert by itself."""
    mail = MailServer()
    bench.configure(
        mail=mail.yaml(), people={name: {"mail": f"{name}@example.test"} for name in people},
        receivers={"ops": {"email": {"to": list(people)}}}, route={"to": "ops", "group": GROUP}, **changes)
    return mail


def said(bench, *needles):
    return bench.normalised(re.sub(r"delivery=\d+", "delivery=N", bench.lines(*needles)), CODES)


def drained(bench, daemon, since, seconds=40):
    """Seconds until the outbox is empty and the service works."""
    wait_for("the outbox is empty", seconds, lambda: quiet(bench), daemon.ended)
    bench.works(daemon, since)
    return time.time() - since


def in_order(bench, mail):
    """Each recipient's mails came in the order in which they were decided, each once, none is missing."""
    rows = bench.rows("SELECT recipient, iif(thread_position = 0, thread_root, key) FROM delivery WHERE state = 'sent' ORDER BY id")
    expect(len(rows) == len(mail.taken), f"{len(rows)} were sent and {len(mail.taken)} came")
    for recipient in {recipient for recipient, _ in rows}:
        wanted = [f"<{name}@example.test>" for own, name in rows if own == recipient]
        came = [each.id for each in mail.taken if each.recipient == recipient]
        expect(came == wanted, f"{recipient} got {came}, and was to get {wanted}")
    return len(rows)


@fault("mail server down while alerts come and go")
def mail_down(bench):
    mail = mailed(bench, "ada", "bob")
    with bench.lives() as daemon:
        for value in [HIGH, CALM] * 3:
            bench.healthy.says["value"] = value
            time.sleep(2.5)
        expect(bench.ask(QUEUED) >= 6, f"only {bench.ask(QUEUED)} messages wait")
        expect(bench.metric('vigie_outbox_queued{receiver="ops"}') >= 6, "the metric of what waits did not move")
        mended = time.time()
        mail.start()
        took = drained(bench, daemon, mended)
        in_order(bench, mail)
        states = dict(bench.rows("SELECT state, count(*) FROM delivery GROUP BY state"))
        expect(set(states) <= {"sent", "cancelled"}, f"deliveries are {states}")
        message = said(bench, "not sent").splitlines()[0]
        ends_well(daemon)
    return Shown("what is decided waits; then each recipient gets it in its order, each once, none is lost",
                 re.sub("recipient=\"\\w+@", "recipient=\"NAME@", message) + "\n", took)


def two_alerts(bench):
    """Another KPI whose alerts are told beside the pulse's, by its title."""
    settings = json.loads(bench.config.read_text())
    settings["kpis"]["poison"] = {**settings["kpis"]["pulse"], "title": "Poison",
                                  "query": {"path": "", "rows": "$", "value": "$.poison"}}
    settings["rules"]["high"]["on"] = ["pulse", "poison"]
    bench.healthy.says["poison"] = CALM
    bench.configure(**settings)


@fault("poison message: the mail server breaks off at one mail, each time")
def poison_message(bench):
    mail = mailed(bench, "ada").start()
    two_alerts(bench)
    mail.judge = lambda stage, each: DROP if stage == "text" and "Poison" in each.text else None
    with bench.lives() as daemon:
        bench.healthy.says["poison"] = HIGH
        wait_for("the poison is tried", 20, lambda: "not sent" in bench.lines("not sent"), daemon.ended)
        for value in [HIGH, CALM]:
            bench.healthy.says["value"] = value
            before = len(mail.taken)
            wait_for("others go on", 10, lambda: len(mail.taken) > before, daemon.ended)
        wait_for("nothing but the poison waits", 10, lambda: bench.ask(QUEUED) == 1, daemon.ended)
        mail.judge = lambda stage, each: None
        took = drained(bench, daemon, time.time())
        expect(sum("Poison" in each.text for each in mail.taken) == 1, "the poison did not come once")
        message = said(bench, "not sent").splitlines()[0] + "\n"
        ends_well(daemon)
    return Shown("it alone is tried again, further and further apart; others go out meanwhile", message, took)


@fault("mail server refuses for now (4xx), as greylisting does")
def smtp_later(bench):
    mail = mailed(bench, "ada").start()
    mail.judge = lambda stage, each: "451 4.7.1 greylisted, come again" if stage == "recipient" else None
    clock = MovedClock(bench.folder)
    now = datetime.datetime.now(datetime.timezone.utc)
    clock.set(now)
    with bench.lives(env={**os.environ, **clock.env}) as daemon:
        bench.healthy.says["value"] = HIGH
        tried, due = first_attempt(bench, daemon)
        expect(300 <= due - tried < 400, f"it is to be tried again after {due - tried:.0f} s")
        mail.judge = lambda stage, each: None
        clock.set(datetime.datetime.fromtimestamp(due + 1, datetime.timezone.utc))
        wait_for("the second attempt goes through", 40, lambda: mail.taken and quiet(bench), daemon.ended)
        expect(len(mail.taken) == 1, f"{len(mail.taken)} copies came")
        (sent,), = bench.rows("SELECT max(finished_at) FROM attempt WHERE outcome = 'sent'")
        message = said(bench, "not sent")
        ends_well(daemon)
    return Shown("tried again after 5 minutes (the clock was moved), then it goes through, once", message, sent / 1000 - tried)


def resent(bench, daemon, wanted):
    """A person sends what is dead again; seconds until it is there."""
    dead = [row[0] for row in bench.rows("SELECT id FROM delivery WHERE state = 'dead' ORDER BY id")]
    expect(dead, "nothing is dead")
    began = time.time()
    for number in dead:
        done = subprocess.run([bench.vigie, "--config", bench.config, "deliveries", "resend", str(number)],
                              capture_output=True, text=True, check=False)
        expect(done.returncode == 0, f"deliveries resend: {done.stdout}{done.stderr}")
    wait_for("what was dead is sent", 20, lambda: wanted() and not bench.ask("SELECT count(*) FROM delivery WHERE state = 'dead'"), daemon.ended)
    return bench.works(daemon, began)


@fault("mail server refuses for good (5xx)")
def smtp_never(bench):
    mail = mailed(bench, "ada").start()
    two_alerts(bench)
    mail.judge = lambda stage, each: "554 5.7.1 looks like spam" if stage == "text" and "Poison" in each.text else None
    with bench.lives() as daemon:
        bench.healthy.says["poison"] = HIGH
        wait_for("it is dead", 20, lambda: bench.ask("SELECT count(*) FROM delivery WHERE state = 'dead'"), daemon.ended)
        bench.healthy.says["value"] = HIGH
        wait_for("another alert, and the trouble itself, are told", 20, lambda: len(mail.taken) >= 2, daemon.ended)
        tries = sum(stage == "text" and "Poison" in each.text for stage, each, _ in mail.tried)
        expect(tries == 1, f"what is refused for good was tried {tries} times")
        mail.judge = lambda stage, each: None
        took = resent(bench, daemon, lambda: any("Poison" in each.text for each in mail.taken))
        message = said(bench, "is dead")
        ends_well(daemon)
    return Shown("dead after one attempt, told as an alert of its own; `vigie deliveries resend` sends it", message, took)


@fault("one of several recipients refused")
def smtp_one_refused(bench):
    mail = mailed(bench, "ada", "bob", "eve").start()
    refused = []

    def judge(stage, each):
        # Once: what tells of the dead message goes to the same three.
        if stage == "recipient" and each.recipient.startswith("bob") and not refused:
            refused.append(each)
            return "550 5.1.1 no such user"
        return None

    mail.judge = judge
    with bench.lives() as daemon:
        bench.healthy.says["value"] = HIGH
        dead = "SELECT count(*) FROM delivery WHERE state = 'dead'"
        others = lambda: {each.recipient for each in mail.taken} >= {"ada@example.test", "eve@example.test"}
        wait_for("the others have theirs, one is dead", 20, lambda: others() and bench.ask(dead), daemon.ended)
        took = resent(bench, daemon, lambda: any(each.recipient.startswith("bob") for each in mail.taken))
        message = said(bench, "is dead").splitlines()[0] + "\n"
        ends_well(daemon)
    return Shown("the others get theirs at once; the one is dead, and can be sent again", message, took)


@fault("mail server breaks off after the final dot")
def smtp_drop_after_dot(bench):
    mail = mailed(bench, "ada").start()
    mail.judge = lambda stage, each: DROP if stage == "taken" else None
    with bench.lives() as daemon:
        bench.healthy.says["value"] = HIGH
        wait_for("the mail is taken, unanswered", 20, lambda: mail.taken and bench.lines("not sent"), daemon.ended)
        mended = time.time()
        mail.judge = lambda stage, each: None
        took = drained(bench, daemon, mended)
        expect(len(mail.taken) == 2 and mail.taken[0].id == mail.taken[1].id, f"what came is {mail.taken}")
        outcomes = [row[0] for row in bench.rows("SELECT outcome FROM attempt ORDER BY id")]
        expect(outcomes == ["ambiguous", "sent"], f"the attempts ended as {outcomes}")
        message = said(bench, "not sent")
        ends_well(daemon)
    return Shown("nobody knows whether it was taken: sent again with the same Message-ID", message, took)


def first_attempt(bench, daemon):
    """When the first attempt ended, and when the next is due, in seconds of the daemon's clock."""
    # What the log says is recorded a moment later.
    ended = ("SELECT a.finished_at, d.next_attempt_at FROM attempt AS a JOIN delivery AS d ON d.id = a.delivery"
             " WHERE a.finished_at IS NOT NULL")
    (tried, due), = wait_for("it is tried", 20, lambda: bench.rows(ended), daemon.ended)
    return tried / 1000, due / 1000


@fault("webhook answers 500")
def webhook_500(bench):
    hook = hooked(bench)
    hook.judge = lambda receipt: (500, {}, "oops")
    with bench.lives() as daemon:
        bench.healthy.says["value"] = HIGH
        first_attempt(bench, daemon)
        hook.judge = lambda receipt: (200, {}, "")
        took = drained(bench, daemon, time.time())
        expect(len(hook.taken) == 1 and len({receipt["key"] for receipt in hook.tried}) == 1, f"what came is {hook.tried}")
        message = said(bench, "not sent")
        ends_well(daemon)
    return Shown("tried again after 5 s, then further apart, under the same key", message, took)


@fault("webhook answers 429 with an absurd Retry-After")
def webhook_429(bench):
    hook = hooked(bench)
    hook.judge = lambda receipt: (429, {"Retry-After": "99999999"}, "slow down")
    clock = MovedClock(bench.folder)
    clock.set(datetime.datetime.now(datetime.timezone.utc))
    with bench.lives(env={**os.environ, **clock.env}) as daemon:
        bench.healthy.says["value"] = HIGH
        tried, due = first_attempt(bench, daemon)
        expect(3599 <= due - tried <= 3601, f"it is to be tried again after {due - tried:.0f} s")
        hook.judge = lambda receipt: (200, {}, "")
        clock.set(datetime.datetime.fromtimestamp(due + 1, datetime.timezone.utc))
        wait_for("the second attempt goes through", 40, lambda: hook.taken and quiet(bench), daemon.ended)
        expect(len(hook.taken) == 1, f"{len(hook.taken)} copies came")
        (sent,), = bench.rows("SELECT max(finished_at) FROM attempt WHERE outcome = 'sent'")
        message = said(bench, "not sent")
        ends_well(daemon)
    return Shown("tried again after 1 hour, however long was asked for (the clock was moved)", message, sent / 1000 - tried)


@fault("Slack answers 200 with `ok: false`")
def slack_not_ok(bench):
    certificates = make_certificates(bench.folder / "certificates")
    hook = Hook(certificates)
    hook.judge = lambda receipt: (200, {}, '{"ok":false,"error":"invalid_blocks"}')
    bench.configure(
        receivers={"ops": {"slack": {"webhook": {"env": "SLACK"}, "tls": {"ca": str(certificates / "ca.pem")}}}},
        route={"to": "ops", "group": GROUP})
    with bench.lives(env={**os.environ, "SLACK": f"https://localhost:{hook.port}/services/x"}) as daemon:
        bench.healthy.says["value"] = HIGH
        wait_for("it is dead", 20, lambda: bench.ask("SELECT count(*) FROM delivery WHERE state = 'dead'"), daemon.ended)
        hook.judge = lambda receipt: (200, {}, "ok")
        wait_for("nothing more is under way", 20, lambda: quiet(bench), daemon.ended)
        took = resent(bench, daemon, lambda: True)
        message = said(bench, "is dead").splitlines()[0] + "\n"
        ends_well(daemon)
    return Shown("a failure: dead, and can be sent again", message, took)


def shops(bench, number, **changes):
    """A KPI with so many series, all calm, and a rule for each of them."""
    base = bench.folder / "values.db"
    with contextlib.closing(sqlite3.connect(base)) as values, values:
        values.execute("CREATE TABLE shop (shop TEXT PRIMARY KEY, value REAL)")
        values.executemany("INSERT INTO shop VALUES (?, ?)", [(f"shop{each:05}", CALM) for each in range(number)])
    settings = json.loads(bench.config.read_text())
    settings["sources"]["shops"] = {"sql": {"url": "sqlite://values.db"}}
    settings["kpis"]["visits"] = {
        "title": "Visits", "category": "customer", "kind": "level", "grain": "5s", "source": "shops", "schedule": "every 5s",
        "history": "5s", "dimensions": ["shop"],
        "query": "WITH RECURSIVE five (at) AS (SELECT :from_unix UNION ALL SELECT at + 5 FROM five WHERE at + 5 < :to_unix)"
                 " SELECT at AS bucket, shop, value FROM five, shop WHERE at < :to_unix"}
    settings["rules"]["many"] = {"script": "signal/threshold", "on": ["visits"], "each": "shop", "with": {"above": LIMIT}}
    bench.configure(**{**settings, **changes})

    def become(value):
        with contextlib.closing(sqlite3.connect(base, timeout=10)) as values, values:
            values.execute("UPDATE shop SET value = ?", (value,))

    return become


def firing(bench):
    return bench.ask("SELECT count(*) FROM alert WHERE phase = 'firing' AND alert LIKE 'rule:many/%'")


def peak_mib(daemon):
    text = pathlib.Path(f"/proc/{daemon.process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", text)[1]) / 1024


@fault("10,000 alerts at once, told together", seconds=140)
def flood(bench):
    hook = hooked(bench)
    become = shops(bench, 10_000, route={"to": "ops", "group": {"wait": "1s", "interval": "1s"}})
    with bench.lives(seconds=60) as daemon:
        wait_for("all shops have a figure", 60, lambda: (bench.ask("SELECT count(*) FROM series") or 0) >= 10_000, daemon.ended)
        become(HIGH)
        wait_for("all fire", 60, lambda: firing(bench) == 10_000, daemon.ended)
        told = lambda reason: bench.ask(f"SELECT count(*) FROM notification_item WHERE reason = '{reason}'")
        wait_for("all are told", 30, lambda: told("first") == 10_000 and quiet(bench), daemon.ended)
        headline = hook.taken[-1]["event"]["message"]["headline"]
        mended = time.time()
        become(CALM)
        wait_for("all end, and it is told", 60, lambda: told("resolved") == 10_000 and quiet(bench), daemon.ended)
        took = max(bench.works(daemon, mended), time.time() - mended)
        items = dict(bench.rows("SELECT reason, count(*) FROM notification_item GROUP BY reason"))
        expect(items == {"first": 10_000, "resolved": 10_000}, f"what was told is {items}")
        expect(len(hook.keys()) == len(set(hook.keys())), f"{len(hook.keys())} messages came under {len(set(hook.keys()))} keys")
        expect(peak_mib(daemon) < MIB_MAX, f"the daemon took {peak_mib(daemon):.0f} MiB")
        ends_well(daemon)
    return Shown("all are told, and their ends; a message names 20 and counts the rest", bench.normalised(headline), took)


@fault("1,000 alerts at once, each by a message of its own", seconds=140)
def flood_of_messages(bench):
    hook = hooked(bench)
    become = shops(bench, 1_000)
    with bench.lives(seconds=60) as daemon:
        wait_for("all shops have a figure", 60, lambda: (bench.ask("SELECT count(*) FROM series") or 0) >= 1_000, daemon.ended)
        became = time.time()
        become(HIGH)
        wait_for("all are told", 90, lambda: firing(bench) == 1_000 and len(hook.taken) >= 1_000 and quiet(bench), daemon.ended)
        took = time.time() - became
        expect(len(hook.taken) == len(set(hook.keys())) == 1_000, f"{len(hook.taken)} messages came under {len(set(hook.keys()))} keys")
        late = time.time() - bench.newest()
        expect(late < 6, f"another KPI's slot is {late:.1f} s late beside the flood")
        message = bench.lines("WARN", "ERROR")
        ends_well(daemon)
    return Shown("each comes once; the slots of others go on meanwhile", bench.normalised(message or NOTHING), took)
