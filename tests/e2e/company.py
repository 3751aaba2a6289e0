"""A company whose figures stand in PostgreSQL and elsewhere, for the scripts that move it through its days.

The real daemon, its wall clock moved by libfaketime, writes in French through a real mail server: to Claire about
objectives, to Omar about data. Who waits for mails awaits each of them; what is stored, decided or shown is asked for.
"""

import contextlib
import datetime
import json
import os
import pwd
import re
import shlex
import sqlite3
import subprocess

from mail_tls import PASSWORD as MAIL_PASSWORD
from mail_tls import USER
from season import EPOCH, PARIS, MovedClock, read_state
from support import Daemon, expect, new_mails, read_mail, wait_for

CLAIRE, OMAR = "claire@example.test", "omar@example.test"
KEYS = ["version", "value", "known_at", "provisional"]
# Who enters and decides.
ME = pwd.getpwuid(os.geteuid()).pw_name


def config(smtp_port, ca, sections):
    """A configuration around its sections `sources`, `kpis`, `objectives` and `rules`."""
    return f"""timezone: Europe/Paris
language: fr
state: sqlite:state.db
control: control.sock
mail:
  from: Vigie <vigie@example.test>
  smtp: {{host: localhost, port: {smtp_port}, tls: starttls, ca: {ca}, user: {USER}, password: {{env: MAIL_PASSWORD}}}}

people:
  claire: {{name: Claire Martin, mail: {CLAIRE}}}
  omar: {{name: Omar Benali, mail: {OMAR}}}

{sections}
receivers:
  direction: {{email: {{to: [claire]}}}}
  exploitation: {{email: {{to: [omar]}}}}

route:
  to: exploitation
  group: {{wait: 30s, interval: 5m}}
  routes: [{{match: {{about: objective}}, to: direction}}]
"""


def at(text):
    return datetime.datetime.fromisoformat(text).replace(tzinfo=PARIS)


def milliseconds(text):
    return int(at(text).timestamp() * 1000)


def euros(amount):
    """An amount as a French reader writes it; only such with two places that say something are compared."""
    text = f"{amount:,.2f}"
    expect(not text.endswith("0"), f"{text} could be written otherwise; choose other amounts")
    return text.replace(",", " ").replace(".", ",") + " €"


def plain(text):
    """Without the no-break blanks of French typography."""
    return text.replace("\u202f", " ").replace("\u00a0", " ")


class Company:
    """The daemon on its configuration, moved through time, and who was told what."""

    # KPIs that are pulled each morning.
    pulled = []

    def __init__(self, vigie, folder, sink, text, **env):
        self.vigie, self.folder, self.sink = vigie, folder, sink
        self.config = folder / "vigie.yaml"
        self.config.write_text(text)
        self.clock = MovedClock(folder)
        self.env = {**os.environ, **self.clock.env, "MAIL_PASSWORD": MAIL_PASSWORD, "VIGIE_CONFIG": str(self.config), **env}
        self.read = []
        self.commands = 0

    def run(self, start, play):
        """Starts at that moment, plays, ends well, with every mail awaited; gives what playing gives."""
        self.go(start)
        self.start()
        try:
            played = play(self)
            code = self.daemon.stop()
            expect(code == 0, f"the daemon ended with {code}:\n{self.daemon.tail()}")
        finally:
            self.daemon.__exit__()
        ways = {(each["listener"], each["user"], bool(each["tls"])) for each in self.sink.receipts()}
        expect(ways == {("starttls", USER, True)}, f"mail came as {ways}")
        expect(self.came() == len(self.read), f"{self.came()} mails came, {len(self.read)} were awaited")
        return played

    # The program.

    def start(self):
        self.daemon = Daemon(self.vigie, self.config, self.folder / "run.log", env=self.env)

    def answers(self):
        asked = [self.vigie, "ack", "a0000000000"]
        done = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False, env=self.env)
        return "no vigie answers" not in done.stderr

    def ask(self, *words):
        """What a command of Vigie prints; it must end well."""
        self.commands += 1
        done = subprocess.run([self.vigie, *words], capture_output=True, text=True, timeout=60, check=False, env=self.env)
        expect(done.returncode == 0, f"`vigie {shlex.join(words)}` ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def objects(self, *words):
        return [json.loads(line) for line in self.ask(*words, "--format", "json").splitlines()]

    def wait(self, what, is_done):
        def poked():
            # Any request wakes the daemon, which then looks at its clock.
            subprocess.run([self.vigie, "ack", "a0000000000"], capture_output=True, check=False, env=self.env)
            return is_done()

        try:
            return wait_for(what, 30, poked, self.daemon.ended)
        except Exception:
            print(self.daemon.tail(), [mail["Subject"] for mail in map(read_mail, new_mails(self.sink.mails))])
            raise

    # Time.

    def morning(self, day, clock="06:15"):
        """Goes to the daily slot of that day, and waits until all KPIs have stepped it and the newest pull has come."""
        self.go(f"{day} {clock}:05")
        slot, since = milliseconds(f"{day} 06:15:00"), milliseconds(f"{day} {clock}:00")

        def is_done():
            rows = [row for row in self.clocks() if row[0] in self.pulled]
            newest = max((pulled for _, _, pulled, _ in rows if pulled), default=0)
            return len(rows) == len(self.pulled) and newest >= since and all(last == slot and not error for _, last, _, error in rows)

        self.wait(f"the slot of {day} {clock}", is_done)

    def go(self, text):
        self.clock.set(at(text))

    def clocks(self):
        """Of each KPI its newest slot, pull and error."""
        if (self.folder / "state.db").exists():
            with contextlib.suppress(sqlite3.OperationalError):
                return read_state(self.folder, "SELECT kpi, last_slot, last_pull_at, last_error FROM kpi_clock")
        return []

    def first_pulls(self):
        self.wait("the first pulls", lambda: set(self.pulled) <= {kpi for kpi, _, pulled, _ in self.clocks() if pulled})

    # What is stored.

    def versions(self, kpi, period):
        """All that was ever known of a bucket once it was final, oldest first."""
        day = datetime.date.fromisoformat(period + "-01" if len(period) == 7 else period)
        bucket = (day - EPOCH).days if len(period) == 10 else (day.year - 1970) * 12 + day.month - 1
        columns = ", ".join(KEYS)
        sql = f"""SELECT {columns} FROM (SELECT series, bucket, {columns} FROM observation
                  UNION ALL SELECT series, bucket, {columns} FROM observation_version)
                  JOIN series ON series.id = series WHERE kpi = ? AND labels = '{{}}' AND bucket = ? AND NOT provisional ORDER BY version"""
        return [dict(zip(KEYS, row)) for row in read_state(self.folder, sql, kpi, bucket)]

    def holds(self, kpi, period, *values):
        """The versions of a bucket are those values, each known later than the one before; gives them."""
        found = self.versions(kpi, period)
        stored = [version["value"] for version in found]
        alike = len(stored) == len(values) and all(abs(one - float(other)) < 1e-6 for one, other in zip(stored, values))
        expect(alike, f"{kpi} of {period}: stored are {stored}, not {[float(value) for value in values]}")
        known = [version["known_at"] for version in found]
        expect(known == sorted(set(known)), f"{kpi} of {period}: its versions were known at {known}")
        return found

    def changes(self, identity):
        """The changes of an alert by name, oldest first."""
        rows = read_state(self.folder, "SELECT change FROM transition WHERE alert = ? ORDER BY seq", identity)
        names = [json.loads(row[0]) if row[0].startswith(("{", '"')) else row[0] for row in rows]
        return [name if isinstance(name, str) else next(iter(name)) for name in names]

    def alert(self, identity):
        """The live alert as `vigie alerts` shows it, or none."""
        return next((each for each in self.objects("alerts") if each["identity"] == identity), None)

    def kpi(self, name):
        return next(each for each in self.objects("status") if each.get("kpi") == name)

    def shows(self, name, value):
        """`vigie status` shows that value, as soon as the daemon has computed it."""
        def is_shown():
            found = self.kpi(name)["value"]
            return found is not None and abs(found - float(value)) < 1e-9

        self.wait(f"{name} = {value} in `vigie status`", is_shown)

    def deliveries(self, which="1"):
        return read_state(self.folder, f"SELECT count(*) FROM delivery WHERE {which}")[0][0]

    # Mail.

    def came(self):
        """How many mails are whole; the server writes the receipt after the mail."""
        return len(self.sink.receipts())

    def next_mail(self, what):
        """Waits for the next mail, and until the daemon has noted it as sent; gives it and its text."""
        number = len(self.read)
        self.wait(f"mail {number + 1}, {what}", lambda: self.came() > number and self.deliveries("state = 'sent'") > number)
        mail = read_mail(self.sink.mails / "new" / f"{number + 1:04}")
        self.read.append(mail)
        said, page = (plain(mail.get_body(preferencelist=(kind,)).get_content()) for kind in ["plain", "html"])
        for part in re.findall(r"\d[\d ]*,\d\d €", said):
            expect(part in page, f"mail {number + 1}, {what}: the HTML part does not show {part}")
        return mail, said

    def mail(self, to, reason, subject, text=()):
        """Waits for the next mail, which must be this one; gives it and its text."""
        mail, said = self.next_mail(f"to {to}: {reason}")
        what = f"the mail of {mail['Date']} to {mail['To']}, {mail['X-Vigie-Reason']}, {mail['Subject']!r}"
        expect(to in mail["To"] and mail["X-Vigie-Reason"] == reason, f"{what} is not to {to} for {reason}:\n{said}")
        expect(mail["Subject"] == subject, f"{what} has not the subject {subject!r}")
        for part in text:
            expect(part in said, f"{what} does not say {part!r}:\n{said}")
        return mail, said

    def both_mails(self):
        """Waits for the next two: that to Claire and that to Omar, each with its text."""
        mails = sorted([self.next_mail(who) for who in ["of both", "of both"]], key=lambda each: each[0]["To"])
        expect(CLAIRE in mails[0][0]["To"] and OMAR in mails[1][0]["To"], "not each of both was told")
        return mails

    def nothing_new(self, when):
        """Nobody is told anything, nor is it decided; asked twice, so that what was begun is ended."""
        count = len(self.read)
        for _ in range(2):
            self.wait(when, lambda: True)
        decided = self.deliveries()
        expect(decided == count == self.came(), f"{when}: {decided} mails were decided, {self.came()} came, not {count}")

    def follows(self, mail, first):
        """The mail is in the thread of that first one."""
        root = first["Message-ID"]
        expect(mail["In-Reply-To"] == root and mail["References"] == root,
               f"{mail['Subject']!r} refers to {mail['In-Reply-To']}, {mail['References']}, not to {root}")
        expect(mail["Message-ID"] != root, "a follow-up with the Message-ID of the first")
        expect(mail["Subject"] == f"Re: {first['Subject']}", f"{mail['Subject']!r} follows {first['Subject']!r}")


def pull(company, kpi, first, last, *stored):
    """Has a span pulled; stored is so much of it, and of its period to date if it has one."""
    answer = company.objects("pull", kpi, "--from", first, "--to", last)
    expect([each["stored"] for each in answer] == list(stored), f"the pull of {kpi} from {first} answers {answer}, not {stored} stored")


def suspects(company, *more):
    return [(each["bucket"], each["value"], each["state"]) for each in company.objects("suspect", "list", *more)]


def is_held(company, kpi, day, value, alert=None):
    """The suspect value is shown as not judged; the alert that was firing fires on, frozen."""
    shown = company.kpi(kpi)["suspect"]
    expect(shown == [day], f"`vigie status` shows as suspect {shown}, not {day}")
    expect("not judged: 1 suspect value" in company.ask("status"), "`vigie status` does not say that the value is not judged")
    if alert:
        found = company.alert(alert)
        frozen = {"no_data": {"missing": {"suspect": {"day": day, "value": float(value)}}}}
        expect((found["state"], found["severity"], found["frozen"]) == ("firing", "warning", frozen), f"`vigie alerts`: {found}")
        expect("evaluation frozen" in company.ask("alerts"), "`vigie alerts` does not say that it is frozen")
        expect(company.changes(alert) == ["fired", "frozen"], f"{alert} while frozen: {company.changes(alert)}")


def settle(company, words, day, state, note):
    """Runs the command; the decision is recorded with its author and note, and its alert's end is told."""
    company.ask(*words, "--note", note)
    kept = next(each for each in company.objects("suspect", "list", "--all") if each["bucket"] == day)
    expect((kept["state"], kept["by"], kept["note"]) == (state, ME, note), f"of {day} is recorded {kept}")
    shown = company.ask("suspect", "list", "--all")
    expect(f"by {ME}" in shown and note in shown, f"the list shows no author or note:\n{shown}")
    return kept
