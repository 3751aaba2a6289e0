"""Joins what the daemon stored, what the sinks received and when it was killed; shares no code with the program.

    check_deliveries.py DIR

Reads from DIR: `state.db` (the daemon's), `sink.jsonl` (the webhook's receipts), `smtp/mails` (the mail server's),
`runs.jsonl` (starts and kills) and `oracle.json` (what the figures did). Prints a summary and every violation; exit 1
if there is one.
"""

import collections
import contextlib
import email.utils
import json
import pathlib
import sqlite3
import sys

from support import new_mails, read_lines, read_mail

# How long the daemon must have been up during a firing so that not telling it is a fault: start, pull, group interval.
TOLD_WITHIN_MS = 4000
# A stretch's transition may come this much after the slot of its first bucket.
SLOT_TOLERANCE_MS = 0

Receipt = collections.namedtuple("Receipt", "key order alerts")


def load(folder):
    """The tables of the state database as dictionaries."""
    tables = {}
    with contextlib.closing(sqlite3.connect(f"file:{folder / 'state.db'}?mode=ro", uri=True)) as base:
        base.row_factory = sqlite3.Row
        for name in ["transition", "alert", "notification", "notification_item", "delivery", "attempt"]:
            tables[name] = [dict(row) for row in base.execute(f"SELECT * FROM {name} ORDER BY 1, 2")]
    return tables


def webhook_receipts(folder):
    """Receipts in the order of arrival; what the sink refused is none."""
    receipts = []
    for order, line in enumerate(read_lines(folder / "sink.jsonl")):
        if not line["refused"]:
            alerts = [(each["alert"], each["episode"], each["state"]) for each in line["event"]["alerts"]]
            receipts.append(Receipt(line["key"], order, alerts))
    return receipts


def mail_receipts(folder):
    """Mails in the order in which the server took them (to the second)."""
    receipts = []
    for path in new_mails(folder / "smtp" / "mails"):
        mail = read_mail(path)
        taken = mail.get_all("Received")[0].rsplit(";", 1)[1]
        order = email.utils.parsedate_to_datetime(taken).timestamp()
        alerts = [(alert, None, mail["X-Vigie-State"]) for alert in mail["X-Vigie-Alert"].split()]
        receipts.append(Receipt(mail["X-Vigie-Delivery"], order, alerts))
    return sorted(receipts, key=lambda receipt: receipt.order)


class Check:
    def __init__(self, folder):
        self.oracle = json.loads((folder / "oracle.json").read_text())
        self.runs = read_lines(folder / "runs.jsonl")
        self.tables = load(folder)
        self.sinks = {"webhook": webhook_receipts(folder), "mail": mail_receipts(folder)}
        self.violations = []
        self.deliveries = {row["key"]: row for row in self.tables["delivery"]}
        self.items = collections.defaultdict(list)
        for item in self.tables["notification_item"]:
            self.items[item["notification"]].append(item)
        self.copies = collections.Counter(receipt.key for found in self.sinks.values() for receipt in found)
        self.attempts = collections.defaultdict(list)
        for row in self.tables["attempt"]:
            self.attempts[row["delivery"]].append(row["outcome"])

    def wrong(self, what, text):
        self.violations.append(f"{what}: {text}")

    def deliveries_end(self):
        """Every delivery ends; what counts as sent was received; copies are explained by unknown outcomes."""
        lost = duplicates = 0
        for key, row in self.deliveries.items():
            outcomes, copies = self.attempts[row["id"]], self.copies[key]
            unknown = sum(outcome in (None, "unknown", "ambiguous") for outcome in outcomes)
            if row["state"] not in ("sent", "dead", "cancelled"):
                self.wrong("not ended", f"delivery {key} is still {row['state']} ({row['note']})")
            if row["state"] == "sent" and copies == 0:
                lost += 1
                self.wrong("lost", f"delivery {key} counts as sent, but {row['recipient']} never received it")
            if copies > 1 + unknown:
                self.wrong("copies", f"delivery {key} came {copies} times, with {unknown} attempts of unknown outcome")
            if copies > len(outcomes):
                self.wrong("no attempt", f"delivery {key} came {copies} times, with {len(outcomes)} attempts on record")
            if row["state"] == "sent" and "sent" not in outcomes:
                self.wrong("no attempt", f"delivery {key} counts as sent, but no attempt on record says so")
            duplicates += max(copies - 1, 0)
        for key in self.copies:
            if key not in self.deliveries:
                self.wrong("unknown", f"something came under key {key}, which is no delivery on record")
        return lost, duplicates

    def every_notification_has_its_deliveries(self):
        """Deciding and queueing are one: each notification has a delivery for each recipient."""
        recipients = collections.defaultdict(list)
        for row in self.tables["delivery"]:
            recipients[row["notification"]].append(row["recipient"])
        for row in self.tables["notification"]:
            found = sorted(recipients[row["id"]])
            if found != sorted(self.oracle["recipients"]):
                self.wrong("torn", f"notification {row['id']} has deliveries for {found or 'nobody'}")
            if not self.items[row["id"]]:
                self.wrong("torn", f"notification {row['id']} tells of no alert")

    def first_receipts(self, receipts):
        """For each alert and recipient its first receipts in the order of arrival: (order, number, episode, state)."""
        told, seen = collections.defaultdict(list), set()
        for receipt in receipts:
            row = self.deliveries.get(receipt.key)
            if row is None or receipt.key in seen:
                continue
            seen.add(receipt.key)
            episodes = {item["alert_id"]: item["episode"] for item in self.items[row["notification"]]}
            for alert, episode, state in receipt.alerts:
                episode = episodes.get(alert) if episode is None else episode
                number = int(row["notification"].removeprefix("n"))
                told[alert, row["recipient"]].append((receipt.order, number, episode, state))
        return told

    def receipts_follow_decisions(self):
        """First receipts come in the order of decisions, and each told firing is followed by its end."""
        dead = collections.defaultdict(int)
        for row in self.tables["delivery"]:
            if row["state"] == "dead":
                for item in self.items[row["notification"]]:
                    if item["reason"] == "resolved":
                        key = item["alert_id"], row["recipient"]
                        dead[key] = max(dead[key], item["episode"])
        firings = 0
        for receipts in self.sinks.values():
            for (alert, recipient), told in self.first_receipts(receipts).items():
                for (order, number, *_), (next_order, next_number, *_) in zip(told, told[1:]):
                    if next_order > order and next_number < number:
                        text = f"{recipient} heard n{number:07} of alert {alert} before n{next_number:07}"
                        self.wrong("order", text)
                told.sort(key=lambda each: each[1])
                ended = dead[alert, recipient]
                for _, number, episode, state in reversed(told):
                    if state == "resolved":
                        ended = max(ended, episode)
                    else:
                        firings += 1
                        if ended < episode:
                            text = f"{recipient} heard of alert {alert}, episode {episode} (n{number:07}), not of its end"
                            self.wrong("no end", text)
        return firings

    def history_is_that_of_no_crash(self):
        """Each stretch above the limit is one firing and one end, at the slots where an undisturbed daemon has them."""
        found = collections.defaultdict(list)
        for row in sorted(self.tables["transition"], key=lambda row: row["seq"]):
            if row["change"] in ("fired", "resolved"):
                key = json.loads(row["body"])["key"]["subject"]["rule"]
                labels = key["series"]["labels"]
                found[dict(labels)[self.oracle["label"]]].append((row["change"], row["slot"]))
            elif row["change"] in ("frozen", "unfrozen"):
                self.wrong("history", f"alert {row['alert_id']} was {row['change']} at {row['slot']}, with all data there")
        for shop, stretches in self.oracle["stretches"].items():
            due = []
            for start, end in stretches:
                due += [("fired", (start + 1) * 1000), ("resolved", (end + 1) * 1000)]
            for (change, slot), (due_change, due_slot) in zip(found[shop], due):
                if change != due_change or not 0 <= slot - due_slot <= SLOT_TOLERANCE_MS:
                    text = f"{shop} {change} at {slot}, due was {due_change} at {due_slot}"
                    self.wrong("history", text)
                    break
            if len(found[shop]) != len(due):
                self.wrong("history", f"{shop} has {len(found[shop])} firings and ends, {len(due)} were due")
        for row in self.tables["alert"]:
            if row["phase"] in ("pending", "firing"):
                self.wrong("history", f"alert {row['id']} is still {row['phase']} after everything turned calm")
        return sum(len(each) for each in found.values())

    def long_firings_were_told(self):
        """A firing that the daemon lived through for a while was told."""
        told = {(item["alert"], item["episode"]) for item in self.tables["notification_item"]}
        ends = {}
        for row in self.tables["transition"]:
            if row["change"] == "resolved":
                ends[row["alert"], row["episode"]] = row["slot"]
        due = 0
        for row in self.tables["transition"]:
            identity = row["alert"], row["episode"]
            if row["change"] != "fired":
                continue
            end = ends.get(identity, float("inf"))
            lived = max(min(end, run["end"]) - max(row["slot"], run["start"]) for run in self.runs)
            if lived >= TOLD_WITHIN_MS:
                due += 1
                if identity not in told:
                    text = f"alert {row['alert_id']}, episode {row['episode']}, fired for {lived} ms and nobody was told"
                    self.wrong("untold", text)
        return due

    def run(self):
        lost, duplicates = self.deliveries_end()
        self.every_notification_has_its_deliveries()
        firings = self.receipts_follow_decisions()
        changes = self.history_is_that_of_no_crash()
        due = self.long_firings_were_told()
        outcomes = collections.Counter(row["outcome"] or "none" for row in self.tables["attempt"])
        states = collections.Counter(row["state"] for row in self.tables["delivery"])
        unknown = outcomes["none"] + outcomes["unknown"] + outcomes["ambiguous"]
        killed = [run for run in self.runs if run["killed"]]
        print(f"killed runs: {len(killed)}, that cut off an attempt: {sum(r['open_attempts'] > 0 for r in killed)}")
        print(f"firings and ends: {changes}, firings that had to be told: {due}, first receipts of a firing: {firings}")
        print(f"deliveries: {len(self.deliveries)} ({', '.join(f'{n} {s}' for s, n in sorted(states.items()))})")
        print(f"receipts: {sum(self.copies.values())} ({', '.join(f'{len(r)} {n}' for n, r in self.sinks.items())})")
        print(f"attempts: {len(self.tables['attempt'])}, without outcome: {unknown}, refused: {outcomes['retry']}")
        print(f"duplicates: {duplicates}, lost: {lost}, violations: {len(self.violations)}")
        if not firings:
            self.wrong("empty", "no firing was received at all, so nothing was checked")
        shown = collections.Counter()
        for violation in self.violations:
            kind = violation.split(":")[0]
            shown[kind] += 1
            if shown[kind] <= 5:
                print(f"VIOLATION {violation}", file=sys.stderr)
        return 1 if self.violations else 0


if __name__ == "__main__":
    sys.exit(Check(pathlib.Path(sys.argv[1]).resolve()).run())
