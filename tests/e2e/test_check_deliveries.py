"""The checker itself: a clean record passes, and each kind of damage is named.

The record is written by hand into a database with the schema of `src/store/migrations`.
"""

import contextlib
import io
import json
import pathlib
import sqlite3
import tempfile
import unittest

from check_deliveries import Check
from support import HERE

RECIPIENTS = ["claire@example.test", "webhook"]
KEY = json.dumps({"key": {"subject": {"rule": {"series": {"labels": {"shop": "a"}}}}}})
START = 1_000_000


def write_record(folder):
    """One alert that fires at second 10 and ends at second 20, told twice to two recipients."""
    with contextlib.closing(sqlite3.connect(folder / "state.db")) as base, base:
        for migration in sorted((HERE.parent.parent / "src/store/migrations").glob("*.sql")):
            base.executescript(migration.read_text())
        for seq, (change, to, at) in enumerate([("fired", "firing", 11), ("resolved", "resolved", 21)], start=1):
            slot = (START + at) * 1000
            row = (seq, "A", "a1", "queue", 1, slot, slot, "inactive", to, change, "warning", None, KEY)
            base.execute(f"INSERT INTO transition VALUES ({','.join('?' * 13)})", row)
            name = f"n{seq:07}"
            reason = "first" if to == "firing" else "resolved"
            base.execute("INSERT INTO notification VALUES (?, ?, 'g', 'all', ?, ?)", (name, seq, slot, reason))
            base.execute("INSERT INTO notification_item VALUES (?, 0, 'A', 'a1', 1, ?, ?)", (name, reason, slot))
            for recipient in RECIPIENTS:
                write_delivery(base, folder, name, recipient, reason, to, START + at)
    oracle = {"limit": 100, "label": "shop", "recipients": RECIPIENTS, "stretches": {"a": [[START + 10, START + 20]]}}
    (folder / "oracle.json").write_text(json.dumps(oracle))
    run = {"start": START * 1000, "end": (START + 60) * 1000, "killed": False, "open_attempts": 0}
    (folder / "runs.jsonl").write_text(json.dumps(run) + "\n")


def write_delivery(base, folder, notification, recipient, reason, state, at):
    key = f"{notification}/{recipient}"
    values = (key, notification, "all", recipient, "t", 0, reason, "sent", 1, at * 1000, at * 1000, "{}")
    columns = "key, notification, receiver, recipient, thread_root, thread_position, reason, state, attempts, "
    columns += "created_at, next_attempt_at, body"
    number = base.execute(f"INSERT INTO delivery ({columns}) VALUES ({','.join('?' * 12)})", values).lastrowid
    base.execute("INSERT INTO attempt (delivery, started_at, outcome) VALUES (?, ?, 'sent')", (number, at * 1000))
    receive(folder, key, recipient, state, at)


def receive(folder, key, recipient, state, at):
    """One more copy at the sink that recipient stands for."""
    if recipient == "webhook":
        event = {"alerts": [{"alert": "a1", "episode": 1, "state": state}]}
        with open(folder / "sink.jsonl", "a", encoding="utf-8") as log:
            log.write(json.dumps({"key": key, "refused": False, "event": event}) + "\n")
        return
    new = folder / "smtp/mails/new"
    new.mkdir(parents=True, exist_ok=True)
    minutes, seconds = divmod(at - START, 60)
    (new / f"{len(list(new.iterdir()))}").write_text(
        f"Received: from x by y; Mon, 23 Nov 2026 12:{minutes:02}:{seconds:02} +0000\n"
        f"X-Vigie-Alert: a1\nX-Vigie-State: {state}\nX-Vigie-Delivery: {key}\n\nbody\n"
    )


class Checker(unittest.TestCase):
    def check(self, *kinds, sql=None, damage=None):
        """Damages a clean record; the violations must be of just these kinds."""
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            write_record(folder)
            if sql:
                with contextlib.closing(sqlite3.connect(folder / "state.db")) as base, base:
                    base.execute("PRAGMA foreign_keys = OFF")
                    base.executescript(sql)
            if damage:
                damage(folder)
            check = Check(folder)
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                check.run()
            found = {violation.split(":")[0] for violation in check.violations}
            self.assertEqual(found, set(kinds), check.violations)

    def test_a_clean_record_passes(self):
        self.check()

    def test_nothing_may_stay_queued(self):
        self.check("not ended", sql="UPDATE delivery SET state = 'queued' WHERE id = 4")

    def test_what_was_sent_must_have_come(self):
        def drop(folder):
            log = folder / "sink.jsonl"
            log.write_text("".join(log.read_text().splitlines(keepends=True)[1:]))

        self.check("lost", damage=drop)

    def test_a_lost_end_is_also_a_missing_end(self):
        def drop(folder):
            log = folder / "sink.jsonl"
            log.write_text(log.read_text().splitlines(keepends=True)[0])

        self.check("lost", "no end", damage=drop)

    def test_copies_need_attempts_without_outcome(self):
        def twice(folder):
            receive(folder, "n0000001/webhook", "webhook", "firing", START + 12)

        self.check("copies", "no attempt", damage=twice)
        cut_off = "INSERT INTO attempt (delivery, started_at, outcome) VALUES (2, 0, {})"
        self.check("copies", sql=cut_off.format("'retry'"), damage=twice)
        self.check(sql=cut_off.format("'unknown'"), damage=twice)
        self.check(sql=cut_off.format("NULL"), damage=twice)

    def test_attempts_must_be_on_record(self):
        self.check("no attempt", sql="DELETE FROM attempt WHERE delivery = 3")

    def test_receipts_must_be_on_record(self):
        self.check("unknown", damage=lambda folder: receive(folder, "n9/webhook", "webhook", "firing", START))

    def test_decision_and_deliveries_are_one(self):
        torn = "DELETE FROM attempt WHERE delivery = 4; DELETE FROM delivery WHERE id = 4"
        self.check("torn", "unknown", "no end", sql=torn)

    def test_receipts_come_in_the_order_of_decisions(self):
        def early(folder):
            log = folder / "sink.jsonl"
            log.write_text("".join(reversed(log.read_text().splitlines(keepends=True))))

        self.check("order", damage=early)

    def test_the_history_is_that_of_no_crash(self):
        self.check("history", sql="UPDATE transition SET slot = slot + 1000 WHERE seq = 1")
        self.check("history", sql="DELETE FROM transition WHERE seq = 2")
        extra = "INSERT INTO transition SELECT 3, alert, alert_id, kpi, 2, at, slot + 1, from_phase, to_phase, change, "
        self.check("history", "untold", sql=extra + "severity, value, body FROM transition WHERE seq = 1")

    def test_a_long_firing_must_be_told(self):
        silent = "UPDATE notification_item SET alert = 'B'"
        self.check("untold", sql=silent)


if __name__ == "__main__":
    unittest.main()
