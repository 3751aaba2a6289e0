"""Figures that turn out to be others: a month that is restated, an invoice that is hard to believe, figures by hand.

    trust.py --vigie BIN --dir DIR

A company's invoices stand in PostgreSQL; the real daemon, its wall clock moved by libfaketime, pulls them each morning
and writes in French through a real mail server. An accountant restates a month that was told: one correction follows in
the same thread, with both figures, also when the daemon is killed while it is sent; the monthly
look at the past finds the next one. An invoice of fifty times the usual is asked for again, told to its owner, frozen,
accepted by the command that the mail prints, and judged; another one is corrected, until the source says otherwise.
Costs are entered by hand, and the margin is computed from both. Every figure is compared with what this script sums from
its own list of invoices; at the end every mail is accounted for.
"""

import argparse
import datetime
import decimal
import pathlib
import random
import re
import shlex
import signal
import time

from company import CLAIRE, ME, OMAR, Company, config, euros, is_held, milliseconds, pull, settle, suspects
from mail_tls import MailSink
from read_mail import facts
from season import EPOCH, read_state
from servers import Postgres, make_certificates
from support import expect, main

# Fourteen months up to the first start, and those that follow. The certificates hold for ten years from today.
FIRST_DAY, LAST_DAY = datetime.date(2028, 11, 1), datetime.date(2030, 5, 31)
START = "2030-01-15 12:00:00"
LOW_MONTHS = ["2030-01", "2030-03"]
MONTH_LIMIT, SLOW_LIMIT, BIG_LIMIT = 90_000, 1_700, 30_000


def sections(ca):
    by_column = "SELECT {} AS bucket, sum(amount) AS value FROM invoices WHERE issued >= :from_date AND issued < :to_date GROUP BY 1"
    return f"""sources:
  compta: {{sql: {{url: {{env: COMPTA_URL}}, tls: {{ca: {ca}}}}}}}
  saisie: {{manual: {{}}}}

kpis:
  invoiced:
    title: Facturation
    category: financial
    unit: EUR
    kind: flow
    grain: month
    source: compta
    query: {by_column.format("date_trunc('month', issued)::date")}
    schedule: daily 06:15
    settle: 5d
    recheck: monthly 400d
    owner: claire
  takings:
    title: Facturation du jour
    category: financial
    unit: EUR
    source: compta
    query: {by_column.format("issued")}
    schedule: daily 06:15
    recheck: monthly 400d
    quality: {{max_jump: 300 %}}
    owner: omar
  costs: {{title: Charges, category: financial, unit: EUR, better: lower, grain: month, source: saisie, owner: claire}}
  margin: {{title: Marge, category: financial, unit: ratio, grain: month, formula: (invoiced - costs) / invoiced}}

rules:
  low-month: {{script: signal/threshold, on: [invoiced], with: {{below: {MONTH_LIMIT}}}}}
  slow-day: {{script: signal/threshold, on: [takings], with: {{below: {SLOW_LIMIT}}}}}
  big-day: {{script: signal/threshold, on: [takings], with: {{above: {BIG_LIMIT}}}}}
"""


class Ledger:
    """The invoices: this script's own list, and the same rows in the database."""

    def __init__(self, base):
        self.base, self.rows = base, []
        base.sql("CREATE TABLE invoices (id int PRIMARY KEY, issued date NOT NULL, amount numeric(12,2) NOT NULL)")
        base.sql("GRANT SELECT ON invoices TO vigie")
        chance, day, rows = random.Random(2030), FIRST_DAY, []
        while day <= LAST_DAY:
            for _ in range(3 if f"{day:%Y-%m}" in LOW_MONTHS else 5):
                rows.append((day, decimal.Decimal(chance.randrange(60_000, 90_000)) / 100))
            day += datetime.timedelta(days=1)
        self.add(rows)

    def add(self, rows):
        """Invoices of (day, amount); gives the number of the last."""
        numbered = [[len(self.rows) + number, *row] for number, row in enumerate(rows)]
        self.rows += numbered
        values = ",".join(f"({number}, '{day}', {amount})" for number, day, amount in numbered)
        self.base.sql(f"INSERT INTO invoices VALUES {values}")
        return numbered[-1][0]

    def change(self, number, amount):
        self.rows[number][2] = decimal.Decimal(amount)
        self.base.sql(f"UPDATE invoices SET amount = {amount} WHERE id = {number}")

    def of(self, period):
        """The sum of a day or a month as its ISO date begins."""
        return sum(amount for _, day, amount in self.rows if str(day).startswith(period))

    def numbers(self, period):
        return [number for number, day, _ in self.rows if str(day).startswith(period)]


class Invoicing(Company):
    """Invoices in PostgreSQL, costs by hand."""

    pulled = ["invoiced", "takings"]

    def __init__(self, vigie, folder, base, sink, ca):
        super().__init__(vigie, folder, sink, config(sink.ports["starttls"], ca, sections(ca)), COMPTA_URL=base.url())
        self.ledger = Ledger(base)


LOW_MONTH = "rule:low-month/invoiced#breach"
SLOW_DAY, BIG_DAY = "rule:slow-day/takings#breach", "rule:big-day/takings#breach"


def margin_of(invoiced, costs):
    return (float(invoiced) - float(costs)) / float(invoiced)


def says_correction(said, month, new, old):
    """Month and both figures, once; whether the new one crosses the limit, and no word of it where it doesn't."""
    line = f"Valeur corrigée ({month}) : {euros(new)} au lieu de {euros(old)}."
    expect(said.count(line) == 1, f"the mail does not say {line!r} once:\n{said}")
    expect(facts(said)["Valeur"] == euros(new), f"the mail's figure is {facts(said)['Valeur']}, not {euros(new)}")
    is_breach = new < MONTH_LIMIT
    expect((f"{euros(new)}, sous le seuil" in said) == is_breach, f"is {euros(new)} below {MONTH_LIMIT}?\n{said}")
    expect(("Ce n'est plus un dépassement" in said) != is_breach, f"is {euros(new)} no breach any more?\n{said}")


def entered_by_hand(company):
    """Costs of January, entered twice; the margin is that of both KPIs. Gives the costs, and the margins so far."""
    costs = [decimal.Decimal("41234.57"), decimal.Decimal("43011.29")]
    margins = [margin_of(company.ledger.of("2030-01"), each) for each in costs]
    company.ask("record", "costs", "2030-01", "41 234,57", "--note", "balance provisoire")
    company.shows("margin", margins[0])
    said = company.ask("record", "costs", "2030-01", "43011,29", "--note", "balance définitive")
    expect("€43,011.29" in said and "€41,234.57" in said, f"the second entry is answered by {said!r}")
    company.shows("margin", margins[1])
    company.holds("costs", "2030-01", *costs)
    company.holds("margin", "2030-01", *margins)
    listed = [(each["value"], each["by"], each["note"]) for each in company.objects("record", "--list", "costs")]
    wanted = [(float(costs[1]), ME, "balance définitive"), (float(costs[0]), ME, "balance provisoire")]
    expect(listed == wanted, f"`vigie record --list costs` shows {listed}, not {wanted}")
    print(f"by hand: costs of {euros(costs[0])}, then {euros(costs[1])}; the margin is that of both KPIs, "
          f"{margins[0]:.2%}, then {margins[1]:.2%}")
    return costs[1], margins


def low_month(company, day, month):
    """The morning on which a low month is final: it is told, with its figure. Gives the mail."""
    company.morning(day)
    company.go(f"{day} 06:16:00")
    low = company.ledger.of(month)
    expect(low < MONTH_LIMIT, f"{month} is not low: {low}")
    mail, said = company.mail(CLAIRE, "first", "[Vigie] Facturation", [f"Facturation : {euros(low)}, sous le seuil de"])
    expect(facts(said)["Valeur"] == euros(low), f"the figure of {month} is {facts(said)['Valeur']}, not {euros(low)}")
    expect(mail["In-Reply-To"] is None, "the first mail of an alert refers to another")
    return mail


def complete(ledger, month, parts):
    """An accountant adds what was missing of a month, on each of its days."""
    days = sorted({day for _, day, _ in ledger.rows if str(day).startswith(month)})
    ledger.add([(day, decimal.Decimal(parts + number) / 100) for number, day in enumerate(days)])


def restated_by_hand(company, first, costs, margins):
    """January is restated in February, and pulled when the accountant says so; the daemon is killed twice on the way."""
    ledger, january = company.ledger, ("2030-01-01", "2030-01-31")
    was = ledger.of("2030-01")
    complete(ledger, "2030-01", 88_123)
    is_ = ledger.of("2030-01")
    expect(was < MONTH_LIMIT < is_, f"January was {was}, is {is_}")
    company.go("2030-02-12 10:00:00")
    # The mail server hangs: the attempt is under way when the daemon is killed.
    company.sink.process.send_signal(signal.SIGSTOP)
    try:
        pull(company, "invoiced", *january, 1)
        begun = "SELECT count(*) FROM attempt WHERE outcome IS NULL"
        company.wait("an attempt to send the correction", lambda: read_state(company.folder, begun)[0][0] == 1)
        company.daemon.kill()
    finally:
        company.sink.process.send_signal(signal.SIGCONT)
    expect(company.came() == len(company.read), "a mail came from a server that was stopped")
    company.go("2030-02-12 10:02:00")
    company.start()
    mail, said = company.mail(CLAIRE, "correction", "Re: [Vigie] Facturation")
    says_correction(said, "janvier 2030", is_, was)
    company.follows(mail, first)
    held = company.holds("invoiced", "2030-01", was, is_)
    expect(held[0]["known_at"] < milliseconds("2030-02-12 10:00:00") <= held[1]["known_at"] < milliseconds("2030-02-12 10:02:00"),
           f"the versions of January were known at {[each['known_at'] for each in held]}")
    company.shows("margin", margin_of(is_, costs))
    # Once more, which changes nothing in the verdict: it is stored, whatever is killed, and nobody is told.
    number = ledger.numbers("2030-01")[-1]
    ledger.change(number, ledger.rows[number][2] - decimal.Decimal("312.54"))
    again, decided = ledger.of("2030-01"), company.deliveries()
    company.go("2030-02-12 10:03:00")
    pull(company, "invoiced", *january, 1)
    company.daemon.kill()
    expect(company.changes(LOW_MONTH) == ["fired", "corrected"], f"{LOW_MONTH}: {company.changes(LOW_MONTH)}")
    company.start()
    company.go("2030-02-12 10:09:00")
    company.wait("the service to answer again", company.answers)
    company.nothing_new("after a revision that leaves the verdict, and a restart")
    expect(company.deliveries() == decided, "a revision that leaves the verdict was told")
    # Asked again, nothing is new.
    for minute in [10, 20]:
        company.go(f"2030-02-12 10:{minute}:00")
        pull(company, "invoiced", *january, 0)
        company.nothing_new("after another pull of January")
    company.holds("invoiced", "2030-01", was, is_, again)
    company.shows("margin", margin_of(again, costs))
    company.holds("margin", "2030-01", *margins, *(margin_of(each, costs) for each in [is_, again]))
    expect(company.alert(LOW_MONTH)["state"] == "firing", "what was told is retracted before a new month has come")
    print(f"restated by hand: {euros(was)}, then {euros(is_)} (killed while it was sent): one correction, in the thread; then "
          f"{euros(again)}, which changes no verdict and is told to nobody; two more pulls stored nothing")


def restated_and_found(company):
    """What was restated unasked is found by the look at the past on the first of a month."""
    ledger = company.ledger
    # Of a month that nobody was told of, nobody hears.
    november = ledger.of("2029-11")
    number = ledger.numbers("2029-11")[7]
    day = str(ledger.rows[number][1])
    takings = ledger.of(day)
    company.morning("2030-02-28")
    ledger.change(number, ledger.rows[number][2] + decimal.Decimal("433.33"))
    company.morning("2030-03-01")
    for kpi, period, before in [("invoiced", "2029-11", november), ("takings", day, takings)]:
        known = company.holds(kpi, period, before, ledger.of(period))[1]["known_at"]
        expect(milliseconds("2030-03-01 06:15:00") <= known < milliseconds("2030-03-01 06:20:00"), f"{kpi} of {period}: known at {known}")
    company.nothing_new("after November was restated")
    # February ends the alert of January.
    company.morning("2030-03-06")
    mail, said = company.mail(CLAIRE, "resolved", "Re: [Vigie] Facturation")
    expect(facts(said)["Valeur"] == euros(ledger.of("2030-02")), f"the end tells {facts(said)['Valeur']}")
    company.follows(mail, company.read[0])
    expect(company.changes(LOW_MONTH)[-1] == "resolved" and company.alert(LOW_MONTH) is None, "the alert did not end")
    # March is low, told, and restated unasked.
    first = low_month(company, "2030-04-06", "2030-03")
    company.morning("2030-04-30")
    was = ledger.of("2030-03")
    complete(ledger, "2030-03", 91_457)
    is_ = ledger.of("2030-03")
    company.nothing_new("before anybody has looked")
    company.holds("invoiced", "2030-03", was)
    company.morning("2030-05-01")
    mail, said = company.mail(CLAIRE, "correction", "Re: [Vigie] Facturation")
    says_correction(said, "mars 2030", is_, was)
    company.follows(mail, first)
    known = company.holds("invoiced", "2030-03", was, is_)[1]["known_at"]
    expect(milliseconds("2030-05-01 06:15:00") <= known < milliseconds("2030-05-01 06:20:00"), f"March was known again at {known}")
    company.go("2030-05-01 06:30:00")
    pull(company, "invoiced", "2029-03-01", "2030-03-31", 0)
    company.nothing_new("after a pull of the year")
    company.morning("2030-05-06")
    mail, said = company.mail(CLAIRE, "resolved", "Re: [Vigie] Facturation")
    company.follows(mail, first)
    expect(facts(said)["Valeur"] == euros(ledger.of("2030-04")), f"the end tells {facts(said)['Valeur']}")
    print(f"restated unasked: {euros(was)} became {euros(is_)} on the first of the month, one correction in the thread; "
          "November, of which nobody was told, is held in both versions and told to nobody")


def range_before(ledger, day):
    """The least and the greatest of the 28 days before."""
    day = datetime.date.fromisoformat(day)
    found = [ledger.of(str(day - datetime.timedelta(days=ago))) for ago in range(1, 29)]
    return min(found), max(found)


def taken_back(company):
    """What the source takes back within ten minutes is told to nobody."""
    ledger = company.ledger
    number = ledger.add([(datetime.date(2030, 5, 9), decimal.Decimal("87654.32"))])
    wrong = ledger.of("2030-05-09")
    company.morning("2030-05-10")
    expect(suspects(company) == [("2030-05-09", float(wrong), "seen")], f"suspect are {suspects(company)}")
    ledger.change(number, "876.51")
    company.morning("2030-05-10", "06:25")
    company.go("2030-05-10 06:40:00")
    company.nothing_new("after the source took a value back")
    company.holds("takings", "2030-05-09", wrong, ledger.of("2030-05-09"))
    found = suspects(company, "--all")
    expect(found == [("2030-05-09", float(wrong), "withdrawn")], f"suspect were {found}")


def stays(company, day, wrong):
    """The morning after that day: its value is suspect, nobody hears of it, ten minutes later its owner does. Gives what
    the mail says."""
    ledger, morning = company.ledger, str(datetime.date.fromisoformat(day) + datetime.timedelta(days=1))
    low, high = range_before(ledger, day)
    expect(wrong > 4 * high, f"{wrong} is not beyond 300 % of {high}")
    company.morning(morning)
    # A daemon that is killed knows afterwards what it is still to ask.
    company.daemon.kill()
    company.go(f"{morning} 06:24:00")
    company.start()
    company.nothing_new(f"after the first pull of {day}")
    expect(suspects(company) == [(day, float(wrong), "seen")], f"suspect are {suspects(company)}")
    company.morning(morning, "06:25")
    expect(suspects(company) == [(day, float(wrong), "asked")], f"suspect are {suspects(company)}")
    company.go(f"{morning} 06:26:00")
    words = f"{day[8:].lstrip('0')} mai 2030 : {euros(wrong)}, alors que les valeurs précédentes vont de {euros(low)} à {euros(high)}."
    _, said = company.mail(OMAR, "first", "[Vigie] Facturation du jour", ["Valeur suspecte", words])
    expect(said.count("vigie suspect ") == 1, f"the mail prints not one command:\n{said}")
    company.go(f"{morning} 08:00:00")
    company.nothing_new("while a value is suspect")
    return said


def real_invoice(company):
    """An invoice of fifty times the usual that is real, after a slow day that was told."""
    ledger = company.ledger
    for number in ledger.numbers("2030-05-11")[1:]:
        ledger.change(number, "212.34")
    slow = ledger.of("2030-05-11")
    expect(slow < SLOW_LIMIT, f"11 May is not slow: {slow}")
    company.morning("2030-05-12")
    company.go("2030-05-12 06:16:00")
    told, _ = company.mail(CLAIRE, "first", "[Vigie] Facturation du jour", [f"{euros(slow)}, sous le seuil de"])
    usual = sorted(amount for _, _, amount in ledger.rows)[len(ledger.rows) // 2]
    ledger.add([(datetime.date(2030, 5, 12), 50 * usual + decimal.Decimal("0.04"))])
    big = ledger.of("2030-05-12")
    expect(big > BIG_LIMIT, f"12 May is not big: {big}")
    said = stays(company, "2030-05-12", big)
    asked = company.read[-1]
    # The alert that was firing fires on, and the other has not begun.
    is_held(company, "takings", "2030-05-12", big, SLOW_DAY)
    expect(company.changes(BIG_DAY) == [], f"what is suspect was judged: {company.changes(BIG_DAY)}")
    suspect = "data:takings@2030-05-12#suspect"
    expect(company.alert(suspect)["value"] == float(big) and company.alert(suspect)["about"] == "data", "no alert about the value")
    # Word for word what the mail prints.
    command = re.search(r"vigie suspect accept \S+ \S+", said).group()
    company.go("2030-05-13 08:30:00")
    settle(company, shlex.split(command)[1:], "2030-05-12", "accepted", "commande Acme, vue avec le client")
    expect(suspects(company) == [], f"suspect are {suspects(company)}")
    company.go("2030-05-13 08:31:00")
    (to_claire, said_to_claire), (to_omar, said_to_omar) = company.both_mails()
    company.follows(to_claire, told)
    big_part, end_part = said_to_claire.split("Rétabli", 1)
    expect(f"{euros(big)}, au-dessus du seuil de" in big_part, f"the manager's mail lacks the figure:\n{said_to_claire}")
    expect("slow-day" in end_part and "big-day" in big_part, f"the manager's mail lacks a rule:\n{said_to_claire}")
    company.follows(to_omar, asked)
    for part in [f"Valeur acceptée ({ME}). commande Acme, vue avec le client", euros(big)]:
        expect(part in said_to_omar, f"the end lacks {part!r}:\n{said_to_omar}")
    expect(to_omar["X-Vigie-State"] == "resolved", "the end of the suspicion is none")
    expect(company.changes(SLOW_DAY)[-1] == "resolved" and company.changes(BIG_DAY) == ["fired"],
           f"after it was accepted: {company.changes(SLOW_DAY)}, {company.changes(BIG_DAY)}")
    company.holds("takings", "2030-05-12", big)
    company.morning("2030-05-14")
    _, said = company.mail(CLAIRE, "resolved", "Re: [Vigie] Facturation du jour")
    expect(facts(said)["Valeur"] == euros(ledger.of("2030-05-13")), f"the end tells {facts(said)['Valeur']}")
    print(f"a real invoice: {euros(big)} was asked for again, frozen, told to its owner, accepted by the mail's own command "
          "and judged")


def wrong_invoice(company):
    """Cents for euros: corrected by hand, which stands until the source says something else."""
    ledger, day, span = company.ledger, "2030-05-20", ("2030-05-14", "2030-05-20")
    number = ledger.numbers(day)[2]
    meant, others = ledger.rows[number][2], ledger.of(day) - ledger.rows[number][2]
    ledger.change(number, 400 * meant)
    wrong, true = ledger.of(day), others + meant
    said = stays(company, day, wrong)
    asked = company.read[-1]
    company.go("2030-05-21 08:30:00")
    command = re.search(r"vigie suspect accept \S+ \S+", said).group().replace("accept", "correct").split()[1:]
    kept = settle(company, [*command, str(true)], day, "corrected", "facture saisie en centimes")
    expect(kept["corrected_to"] == float(true), f"in its place stands {kept['corrected_to']}, not {true}")
    company.go("2030-05-21 08:31:00")
    mail, said = company.mail(OMAR, "resolved", "Re: [Vigie] Facturation du jour", [euros(true), "facture saisie en centimes"])
    company.follows(mail, asked)
    company.shows("takings", true)
    # The source goes on with its own figure.
    for morning in ["2030-05-22", "2030-05-23", "2030-05-24"]:
        pull(company, "takings", *span, 0)
        company.morning(morning)
    company.holds("takings", day, wrong, true)
    company.nothing_new("while the source goes on with its wrong figure")
    # It is mended, to neither of both.
    ledger.change(number, meant + decimal.Decimal("55.55"))
    pull(company, "takings", *span, 1)
    company.holds("takings", day, wrong, true, ledger.of(day))
    expect(suspects(company) == [], f"suspect are {suspects(company)}")
    kept = next(each for each in company.objects("suspect", "list", "--all") if each["bucket"] == day)
    expect(kept["state"] == "corrected" and kept["superseded_at"] and kept["note"] == "facture saisie en centimes",
           f"of the decision is kept {kept}")
    company.go("2030-05-24 07:00:00")
    company.nothing_new("after the source was mended")
    expect(company.changes(BIG_DAY) == ["fired", "resolved"], f"a wrong figure was judged: {company.changes(BIG_DAY)}")
    print(f"a wrong invoice: {euros(wrong)} was corrected to {euros(true)}, which stood over three pulls, until the source "
          f"said {euros(ledger.of(day))}; the decision is kept")


def all_is_as_summed(company):
    """Every bucket that is stored of both KPIs."""
    sql = "SELECT bucket, value FROM observation JOIN series ON series.id = series WHERE kpi = ?"
    days = read_state(company.folder, sql, "takings")
    for bucket, value in days:
        day = str(EPOCH + datetime.timedelta(days=bucket))
        expect(abs(value - float(company.ledger.of(day))) < 1e-6, f"takings of {day}: {value}, not {company.ledger.of(day)}")
    months = read_state(company.folder, sql, "invoiced")
    for bucket, value in months:
        month = f"{1970 + bucket // 12}-{bucket % 12 + 1:02}"
        if month < "2030-05":
            expect(abs(value - float(company.ledger.of(month))) < 1e-6, f"invoiced of {month}: {value}, not {company.ledger.of(month)}")
    expect(len(days) > 470 and len(months) > 15, f"only {len(days)} days and {len(months)} months are stored")
    return len(days) + len(months)


def play(company):
    company.first_pulls()
    company.nothing_new("after the first pull, of good months")
    first = low_month(company, "2030-02-06", "2030-01")
    restated_by_hand(company, first, *entered_by_hand(company))
    restated_and_found(company)
    taken_back(company)
    real_invoice(company)
    wrong_invoice(company)


def run():
    parser = argparse.ArgumentParser()
    parser.add_argument("--vigie", required=True, type=lambda path: str(pathlib.Path(path).resolve()))
    parser.add_argument("--dir", required=True, type=pathlib.Path)
    options = parser.parse_args()
    folder = options.dir.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    certificates = make_certificates(folder / "certificates")
    began = time.monotonic()
    with Postgres(folder / "postgres", certificates) as base, MailSink(folder / "smtp", certificates) as sink:
        company = Invoicing(options.vigie, folder, base, sink, certificates / "ca.pem")
        company.run(START, play)
        checked = all_is_as_summed(company)
    print(f"trust: {len(company.read)} mails, each awaited; {checked} buckets equal; {company.commands} commands; "
          f"{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main(run)
