"""Figures that only their source can compute, two sources that should agree, a shop that comes no more.

    kinds.py --vigie BIN --dir DIR

Visits and orders stand in PostgreSQL, the accountant's books in a file, response times in Prometheus; the real daemon, its
wall clock moved by libfaketime, pulls them each morning over the end of summer time and of a month, and writes in French
through a real mail server. Different visitors of each day, and of each month to date, equal what this script counts from
its own list of visits, also after the past was revised; percentiles equal its own. A day of which shop and books say
otherwise is asked for again, told, frozen, and judged once they agree or somebody accepts it. A shop that comes no more
is told once, and when it comes again. What `vigie new kpi` proposes is pasted, checked and queried. At the end every mail
is accounted for.
"""

import argparse
import datetime
import decimal
import json
import pathlib
import random
import re
import shlex
import time

from company import CLAIRE, OMAR, Company, at, config, euros, is_held, pull, settle, suspects
from mail_tls import MailSink
from read_mail import facts, figure
from season import EPOCH, PARIS, read_state
from servers import Postgres, Prometheus, make_certificates
from support import expect, main

START = "2030-10-24 12:00:00"
HISTORY_DAYS = {"users": 26, "users@month": 26, "latency": 30, "sales": 60, "books": 60, "shops": 60, "shops-quiet": 60}
FIRST_DAY, LAST_DAY = datetime.date(2030, 8, 20), datetime.date(2030, 11, 12)
SHOPS = ["Lyon", "Nantes", "Paris"]
# The first and the last day without its orders.
LYON_IS_AWAY = "2030-10-31", "2030-11-04"
# From the one to the other only every third new visitor was counted at first.
LOST_DAYS = "2030-11-01", "2030-11-06"
SLOW_DAY, BIG_DAY, BIG_ORDER = "2030-10-28", "2030-11-03", decimal.Decimal("34567.89")
MISBOOKED_DAY = "2030-10-29"
# What the books say of a day, as a share of the sales; the others lie within 1.5 %.
BOOKED = {"2030-10-25": 1.019, MISBOOKED_DAY: 0.965, BIG_DAY: 0.94}
SLOW_LIMIT, BIG_LIMIT, MONTH_TARGET = 610, 30_000, 800
USERS = "SELECT count(DISTINCT visitor) AS value FROM visits WHERE at >= :from AND at < :to"
LATENCY = "quantile_over_time(0.9, latency[$window])"
SHOP_SALES = "SELECT sold AS bucket, shop, sum(amount) AS value FROM orders WHERE sold >= :from_date AND sold < :to_date GROUP BY 1, 2"
SALES = SHOP_SALES.replace(" shop,", "").replace("1, 2", "1")


def sections(ca, books, prometheus):
    def kpi(name, title, source, query, more):
        history = f"history: {HISTORY_DAYS[name]}d" if name in HISTORY_DAYS else ""
        return f"  {name}: {{title: {title}, category: operational, source: {source}, query: {json.dumps(query)}, {history}, {more}}}\n"

    return f"""sources:
  shop: {{sql: {{url: {{env: SHOP_URL}}, tls: {{ca: {ca}}}}}}}
  ledger: {{csv: {{path: {books}}}}}
  metrics: {{prometheus: {{url: "{prometheus.url}"}}}}

kpis:
{kpi("users", "Visiteurs", "shop", USERS, "kind: window, unit: visiteurs")
 + kpi("latency", "Temps de réponse", "metrics", LATENCY, "kind: window, unit: ms, better: lower")
 + kpi("sales", "Ventes", "shop", SALES, "unit: EUR, owner: omar, reconcile: {with: books, within: 2 %}")
 + kpi("books", "Comptabilité", "ledger", {"time": "jour", "value": "montant"}, "unit: EUR")
 + kpi("shops", "Ventes par boutique", "shop", SHOP_SALES, "unit: EUR, dimensions: [shop], empty: zero")
 + kpi("shops-quiet", "Boutiques", "shop", SHOP_SALES, "unit: EUR, dimensions: [shop], empty: zero, quality: {vanished: ignore}")}
objectives:
  audience:
    kpi: users
    statement: {MONTH_TARGET} visiteurs par mois
    reach: {MONTH_TARGET}
    period: month
    trajectory: linear

rules:
  behind: {{script: objective/off_trajectory, on: [users], for: 1 bucket}}
  slow-day: {{script: signal/threshold, on: [sales], with: {{below: {SLOW_LIMIT}}}}}
  big-day: {{script: signal/threshold, on: [sales], with: {{above: {BIG_LIMIT}}}}}
"""


def days(first, last):
    """The days from the one to the other, both included."""
    first, last = (datetime.date.fromisoformat(str(day)) for day in [first, last])
    return [str(first + datetime.timedelta(days=ago)) for ago in range((last - first).days + 1)]


def begin(day):
    return int(at(f"{day} 00:00:00").timestamp())


def end(day):
    return begin(next_day(day))


def next_day(day):
    return days(day, LAST_DAY + datetime.timedelta(days=1))[1]


def month_to(day):
    """The days of its month up to that day."""
    return days(day[:8] + "01", day)


class Visits:
    """Who visited when: this script's own list, and the same rows in the database."""

    def __init__(self, base):
        self.base, self.rows, self.lost = base, [], []
        base.sql("CREATE TABLE visits (at timestamptz NOT NULL, visitor int NOT NULL)")
        base.sql("GRANT SELECT ON visits TO vigie")
        chance, new, rows = random.Random(7), 1_000, []
        for day in days(FIRST_DAY, LAST_DAY):
            def visits(visitor, count):
                return [(chance.randrange(begin(day), end(day)), visitor) for _ in range(count)]

            # One comes as the day begins.
            rows.append((begin(day), new))
            for place in range(1, chance.randrange(27, 36)):
                came = visits(new + place, chance.randrange(1, 4))
                is_lost = day in days(*LOST_DAYS) and place % 3 != 0
                (self.lost if is_lost else rows).extend(came)
            for regular in chance.sample(range(40), chance.randrange(8, 15)):
                rows += visits(regular, 2)
            new += 40
        self.add(rows)

    def add(self, rows):
        self.rows += rows
        values = ",".join(f"(to_timestamp({instant}), {visitor})" for instant, visitor in rows)
        self.base.sql(f"INSERT INTO visits VALUES {values}")

    def different(self, span):
        first, last = begin(span[0]), end(span[-1])
        return len({visitor for instant, visitor in self.rows if first <= instant < last})

    def by_kpi(self, kpi, day):
        return self.different(month_to(day) if kpi == "users@month" else [day])


class Orders:
    """What was sold, and what the books say of it."""

    def __init__(self, base, books):
        self.books, self.rows, self.booked = books, [], {}
        chance = random.Random(11)
        for day in days(FIRST_DAY, LAST_DAY):
            for shop in SHOPS:
                for _ in range(1 if day == SLOW_DAY else 4):
                    amount = decimal.Decimal(chance.randrange(8_000, 20_000)) / 100
                    if shop != "Lyon" or day not in days(*LYON_IS_AWAY):
                        self.rows.append((day, shop, amount))
            if day == BIG_DAY:
                self.rows.append((day, "Paris", BIG_ORDER))
            share = decimal.Decimal(BOOKED.get(day, chance.uniform(0.986, 1.014)))
            self.booked[day] = round(self.of(day) * share, 2)
        base.sql("CREATE TABLE orders (sold date NOT NULL, shop text NOT NULL, amount numeric(12,2) NOT NULL)")
        base.sql("GRANT SELECT ON orders TO vigie")
        base.sql("INSERT INTO orders VALUES " + ",".join(f"('{day}', '{shop}', {amount})" for day, shop, amount in self.rows))

    def of(self, day, shop=None):
        return sum(amount for sold, where, amount in self.rows if sold == day and shop in [where, None])

    def book(self, today):
        """The books as they are that morning."""
        lines = [f"{day};{amount}".replace(".", ",") for day, amount in self.booked.items() if day < today]
        own = self.books.with_suffix(".new")
        own.write_text("\n".join(["jour;montant", *lines]) + "\n")
        own.rename(self.books)


class Latency:
    """A response time every ten minutes, off the full minute, so that none lies on the bound of a day."""

    def __init__(self):
        chance = random.Random(13)
        self.samples = [(instant, round(chance.lognormvariate(5, 0.6), 3))
                        for instant in range(begin(FIRST_DAY) + 30, end(LAST_DAY), 600)]

    def write(self, path):
        lines = "".join(f"latency {value} {instant}\n" for instant, value in self.samples)
        path.write_text(f"# TYPE latency gauge\n{lines}# EOF\n")

    def quantile(self, day, share=0.9):
        """Between the two values that lie around that share of them, as Prometheus does."""
        first, last = begin(day), end(day)
        values = sorted(value for instant, value in self.samples if first <= instant < last)
        rank = share * (len(values) - 1)
        low = int(rank)
        weight = rank - low
        return values[low] * (1 - weight) + values[min(low + 1, len(values) - 1)] * weight


class Shop(Company):
    """Visits and orders in PostgreSQL, books in a file, response times in Prometheus."""

    pulled = list(HISTORY_DAYS)

    def __init__(self, vigie, folder, sink, base, prometheus, latency, ca):
        books = folder / "books.csv"
        text = config(sink.ports["starttls"], ca, sections(ca, books, prometheus))
        super().__init__(vigie, folder, sink, text, SHOP_URL=base.url())
        self.visits, self.orders, self.latency = Visits(base), Orders(base, books), latency
        self.orders.book(START[:10])

    def morning(self, day, clock="06:15"):
        self.orders.book(day)
        super().morning(day, clock)

    def mornings(self, first, last):
        for day in days(first, last):
            self.morning(day)

    def values(self, kpi):
        """By shop (or none for all) and day."""
        sql = "SELECT labels, bucket, value FROM observation JOIN series ON series.id = series WHERE kpi = ?"
        rows = read_state(self.folder, sql, kpi)
        found = {(json.loads(labels).get("shop"), str(EPOCH + datetime.timedelta(days=bucket))): value for labels, bucket, value in rows}
        expect(len(found) == len(rows), f"{kpi}: a day is stored twice")
        return found

    def wanted(self, kpi, shop, day):
        if kpi == "latency":
            return self.latency.quantile(day)
        if kpi == "books":
            return float(self.orders.booked[day])
        return self.visits.by_kpi(kpi, day) if kpi.startswith("users") else float(self.orders.of(day, shop))

    def all_is_as_counted(self, today):
        """Every day from the first that was asked for up to yesterday: none is missing, none is of more; gives how many."""
        count = 0
        for kpi, history in HISTORY_DAYS.items():
            found = self.values(kpi)
            first = datetime.date.fromisoformat(START[:10]) - datetime.timedelta(days=history)
            for shop in [None, *SHOPS] if kpi.startswith("shops") else [None]:
                for day in days(first, today)[:-1]:
                    stored, wanted = found.pop((shop, day), None), self.wanted(kpi, shop, day)
                    is_same = stored is not None and abs(stored - wanted) <= 1e-9 * abs(wanted)
                    expect(is_same, f"{kpi} of {shop or 'all'} on {day}: stored {stored}, counted {wanted}")
                    count += 1
            expect(not found, f"{kpi} has days beyond the span: {list(found)[:3]}")
        return count


def told_again(mail):
    return f"Re: {mail['Subject']}"


# Two sources.

SLOW, BIG, CONTRADICTED = "rule:slow-day/sales#breach", "rule:big-day/sales#breach", "data:sales#suspect"
SALES_SUBJECT = "[Vigie] Ventes"


def agreeing_days_are_silent(company):
    company.mornings("2030-10-25", "2030-10-28")
    company.go("2030-10-28 08:00:00")
    company.nothing_new("while shop and books agree")
    expect(suspects(company, "--all") == [], f"suspect were {suspects(company, '--all')}")


def contradicted(company, day, frozen=None):
    """The morning after a day of which the books say otherwise: it is asked for again ten minutes later, told to ops once
    with both figures, shown, and not judged. Gives the mail and its text."""
    ours, theirs, morning = company.orders.of(day), company.orders.booked[day], next_day(day)
    company.morning(morning)
    company.go(f"{morning} 06:24:00")
    company.nothing_new(f"before {day} was asked for again")
    expect(suspects(company) == [(day, float(ours), "seen")], f"suspect are {suspects(company)}")
    company.morning(morning, "06:25")
    expect(suspects(company) == [(day, float(ours), "asked")], f"suspect are {suspects(company)}")
    company.go(f"{morning} 06:26:00")
    words = f"{euros(ours)}, alors que « Comptabilité » dit {euros(theirs)} (toléré"
    mail, said = company.mail(OMAR, "first", SALES_SUBJECT, ["Valeur suspecte", words, f"vigie suspect accept sales {day}"])
    company.go(f"{morning} 08:00:00")
    company.nothing_new("while shop and books say otherwise")
    is_held(company, "sales", day, ours, frozen)
    beside = company.objects("suspect", "list")[0]["beside"]
    expect(beside == {"kpi": "books", "value": float(theirs)}, f"`vigie suspect list` shows it beside {beside}")
    shown = company.ask("suspect", "list")
    expect(f"€{ours:,}" in shown and f"€{theirs:,} of books" in shown, f"`vigie suspect list` shows:\n{shown}")
    return mail, said


def mended(company):
    """A slow day was told; of the next the books lack an invoice, until the accountant adds it."""
    company.morning(next_day(SLOW_DAY))
    company.go(f"{next_day(SLOW_DAY)} 06:16:00")
    told, _ = company.mail(CLAIRE, "first", SALES_SUBJECT, [f"{euros(company.orders.of(SLOW_DAY))}, sous le seuil de"])
    asked, _ = contradicted(company, MISBOOKED_DAY, frozen=SLOW)
    company.morning("2030-10-31")
    company.go("2030-10-31 10:00:00")
    company.nothing_new("on the second morning of a contradiction")
    company.orders.booked[MISBOOKED_DAY] = company.orders.of(MISBOOKED_DAY)
    company.orders.book("2030-10-31")
    pull(company, "books", MISBOOKED_DAY, MISBOOKED_DAY, 1)
    company.go("2030-10-31 10:01:00")
    (to_claire, _), (to_omar, said) = company.both_mails()
    company.follows(to_claire, told)
    company.follows(to_omar, asked)
    expect("Les deux sources concordent de nouveau" in said, f"the end does not say that both agree:\n{said}")
    states = {to_claire["X-Vigie-State"], to_omar["X-Vigie-State"]}
    expect(states == {"resolved"}, f"after both agreed the mails say {states}")
    was = company.objects("suspect", "list", "--all")[0]
    expect((was["bucket"], was["state"]) == (MISBOOKED_DAY, "agreed"), f"of {MISBOOKED_DAY} is kept {was}")
    expect(company.changes(SLOW) == ["fired", "frozen", "unfrozen", "resolved"], f"{SLOW}: {company.changes(SLOW)}")
    expect(company.changes(CONTRADICTED) == ["fired", "resolved"], f"{CONTRADICTED}: {company.changes(CONTRADICTED)}")
    print(f"books: {MISBOOKED_DAY} was asked for again, frozen, told once, and judged once the accountant had mended it")


def accepted(company):
    """A big day that the books have only in part: somebody accepts it, and it is judged."""
    asked, said = contradicted(company, BIG_DAY)
    expect(company.changes(BIG) == [], f"what is suspect was judged: {company.changes(BIG)}")
    morning = next_day(BIG_DAY)
    command = shlex.split(re.search(r"vigie suspect accept \S+ \S+", said).group())[1:]
    settle(company, command, BIG_DAY, "accepted", "facture en attente chez le comptable")
    company.go(f"{morning} 08:01:00")
    (to_claire, judged), (to_omar, said) = company.both_mails()
    company.follows(to_omar, asked)
    expect("facture en attente chez le comptable" in said, f"the end does not say why:\n{said}")
    big = euros(company.orders.of(BIG_DAY))
    expect(to_claire["X-Vigie-State"] == "firing" and f"{big}, au-dessus du seuil de" in judged, f"the verdict lacks {big}:\n{judged}")
    # The books stay with what they say.
    company.go(f"{morning} 09:00:00")
    pull(company, "books", BIG_DAY, BIG_DAY, 0)
    pull(company, "sales", BIG_DAY, BIG_DAY, 0)
    company.go(f"{morning} 10:00:00")
    company.nothing_new("after another look at a day that was accepted")
    expect(suspects(company) == [] and company.kpi("sales")["suspect"] == [], f"suspect are {suspects(company)}")
    company.morning(next_day(morning))
    company.go(f"{next_day(morning)} 06:16:00")
    mail, _ = company.mail(CLAIRE, "resolved", told_again(to_claire))
    company.follows(mail, to_claire)
    expect(company.changes(BIG) == ["fired", "resolved"], f"{BIG}: {company.changes(BIG)}")
    print(f"accepted: {big} on {BIG_DAY}, of which the books had {euros(company.orders.booked[BIG_DAY])}, was judged by the "
          "mail's own command")


# A shop.

AWAY, AWAY_QUIET = "data:shops#no_data", "data:shops-quiet#no_data"


def lyon_is_gone(company):
    """On the third day without it; gives the mail."""
    company.mornings("2030-11-01", "2030-11-02")
    company.go("2030-11-02 08:00:00")
    company.nothing_new("after two days without a shop")
    company.morning("2030-11-03")
    company.go("2030-11-03 06:16:00")
    words = "Ne donne plus de valeurs, alors que le reste arrive : shop « Lyon » (dernière valeur : 30 octobre 2030)."
    mail, _ = company.mail(OMAR, "first", "[Vigie] Ventes par boutique", [words])
    expect("“Lyon” (last value: 30 October 2030)" in company.ask("alerts"), "`vigie alerts` does not name the shop")
    return mail


def lyon_is_back(company, told):
    company.morning("2030-11-06")
    company.go("2030-11-06 06:16:00")
    mail, _ = company.mail(OMAR, "resolved", told_again(told))
    company.follows(mail, told)
    expect(company.changes(AWAY) == ["fired", "resolved"], f"{AWAY}: {company.changes(AWAY)}")
    expect(company.changes(AWAY_QUIET) == [], f"values that may come and go: {company.changes(AWAY_QUIET)}")
    print("Lyon: told on the third day without it, told again when it came; not told where values come and go")


# Visitors.

BEHIND = "rule:behind/users@month/audience@2030-11-01#breach"


def queried(company, name, *words):
    """What `vigie query` prints of the total, by day."""
    def day(row):
        return str(datetime.datetime.fromisoformat(row["start"].replace("Z", "+00:00")).astimezone(PARIS).date())

    rows = company.objects("query", name, *words)
    return {day(row): row["value"] for row in rows if row["type"] == "observation" and not row["labels"]}


def behind(company):
    """A month to date that is behind, as visits were lost; they are found, and both figures are corrected. Gives what the
    correction says, with the figure that it corrects and the one that it is now."""
    visits, (first, last) = company.visits, LOST_DAYS
    company.morning("2030-11-07")
    company.go("2030-11-07 06:16:00")
    was = {(kpi, day): visits.by_kpi(kpi, day) for kpi in ["users", "users@month"] for day in days(*LOST_DAYS)}
    to_date = was["users@month", last]
    told, said = company.mail(CLAIRE, "first", "[Vigie] Visiteurs – objectif")
    shown = facts(said)
    expect(figure(shown["Réalisé"], "fr") == to_date, f"the mail tells {shown['Réalisé']}, not {to_date}:\n{said}")
    before = visits.different(days("2030-10-01", "2030-10-06"))
    words = f"du 1er au 6 octobre 2030 ({to_date} visiteurs contre {before} visiteurs)"
    expect(words in said, f"the mail does not say {words!r}:\n{said}")
    expect(company.alert(BEHIND)["actual"] == to_date, f"`vigie alerts`: {company.alert(BEHIND)}")
    expect(company.kpi("users@month")["value"] == to_date, f"`vigie status`: {company.kpi('users@month')}")
    asked = queried(company, "users@month", "--from", "2030-10-31", "--to", last)
    counted = {day: visits.by_kpi("users@month", day) for day in days("2030-10-31", last)}
    expect(asked == counted, f"`vigie query users@month` shows {asked}, counted are {counted}")
    # What was lost is found again.
    visits.add(visits.lost)
    company.go("2030-11-07 10:00:00")
    pull(company, "users", first, last, len(days(*LOST_DAYS)), len(days(*LOST_DAYS)))
    for (kpi, day), value in was.items():
        expect(value < visits.by_kpi(kpi, day), f"nothing was lost of {kpi} on {day}")
        company.holds(kpi, day, value, visits.by_kpi(kpi, day))
    company.go("2030-11-07 10:06:00")
    is_ = visits.by_kpi("users@month", last)
    mail, corrected = company.mail(CLAIRE, "correction", told_again(told), ["Ce n'est plus un dépassement"])
    company.follows(mail, told)
    shown = facts(corrected)
    expect(figure(shown["Réalisé"], "fr") == is_, f"the correction tells {shown['Réalisé']}, not {is_}:\n{corrected}")
    pull(company, "users", first, last, 0, 0)
    again = "SELECT count(*) FROM observation_version JOIN series ON series.id = series WHERE kpi IN ('users', 'users@month')"
    expect(read_state(company.folder, again) == [(len(was),)], "other days than those that were revised were stored anew")
    company.morning("2030-11-08")
    company.go("2030-11-08 06:16:00")
    mail, _ = company.mail(CLAIRE, "resolved", told_again(told))
    company.follows(mail, told)
    expect(company.changes(BEHIND) == ["fired", "corrected", "resolved"], f"{BEHIND}: {company.changes(BEHIND)}")
    print(f"visitors: {to_date} in November to date were behind, {is_} after what was lost had been found and pulled")
    return corrected, to_date, is_


def the_correction_names_the_figure_that_was_told(said, was, is_):
    line = f"Valeur corrigée (6 novembre 2030) : {is_} visiteurs au lieu de {was} visiteurs."
    expect(line in said, f"the correction does not say {line!r}:\n{said}")


# What is proposed.

def proposed(company, name, source, query, *more):
    """What `vigie new kpi` proposes is pasted into the section `kpis`, and holds; gives the file."""
    said = company.ask("new", "kpi", name, "--source", source, "--query", query, *more)
    lines = said[said.index("\nkpis:\n"):].splitlines()[2:]
    block = "\n".join(lines[: lines.index("")])
    path = company.folder / f"with-{name}.yaml"
    path.write_text(company.config.read_text().replace("\nkpis:\n", f"\nkpis:\n{block}\n"))
    company.ask("check", "--config", str(path))
    return path


def proposals_hold(company):
    span = days("2030-10-26", "2030-11-07")
    for name, source, query, more, wanted in [
        ("turnover", "shop", SHOP_SALES, ["--unit", "EUR"], lambda day: float(company.orders.of(day))),
        ("visitors", "shop", USERS, ["--kind", "window", "--days", "14"], lambda day: company.visits.by_kpi("users", day)),
        ("slowest", "metrics", LATENCY, ["--kind", "window", "--unit", "ms"], company.latency.quantile),
        # Of the last 24 hours, also of a day of 25.
        ("answers", "metrics", "count_over_time(latency[1d])", [], lambda _: 144),
    ]:
        path = proposed(company, name, source, query, *more)
        found = queried(company, name, "--from", span[0], "--to", span[-1], "--config", str(path))
        expect(list(found) == span, f"`vigie query {name}` shows {list(found)}")
        for day, value in found.items():
            expect(abs(value - wanted(day)) <= 1e-9 * value, f"{name} of {day}: {value}, not {wanted(day)}")
    print("new kpi: four proposals were pasted, checked and queried")


def a_window_is_proposed_where_the_query_can_be_nothing_else(company):
    path = proposed(company, "p90", "metrics", LATENCY, "--days", "20")
    expect("    kind: window " in path.read_text(), f"of {LATENCY} is proposed:\n{path.read_text()}")


def play(company):
    company.first_pulls()
    company.nothing_new("after the first pull")
    company.all_is_as_counted(START[:10])
    agreeing_days_are_silent(company)
    mended(company)
    told = lyon_is_gone(company)
    accepted(company)
    lyon_is_back(company, told)
    correction = behind(company)
    checked = company.all_is_as_counted("2030-11-08")
    proposals_hold(company)
    a_window_is_proposed_where_the_query_can_be_nothing_else(company)
    the_correction_names_the_figure_that_was_told(*correction)
    return checked


def run():
    parser = argparse.ArgumentParser()
    parser.add_argument("--vigie", required=True, type=lambda path: str(pathlib.Path(path).resolve()))
    parser.add_argument("--dir", required=True, type=pathlib.Path)
    options = parser.parse_args()
    folder = options.dir.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    certificates = make_certificates(folder / "certificates")
    began, latency = time.monotonic(), Latency()
    with (
        Postgres(folder / "postgres", certificates) as base,
        Prometheus(folder / "prometheus", latency.write, "--max-block-duration=486h") as prometheus,
        MailSink(folder / "smtp", certificates) as sink,
    ):
        company = Shop(options.vigie, folder, sink, base, prometheus, latency, certificates / "ca.pem")
        checked = company.run(START, play)
    print(f"kinds: {len(company.read)} mails, each awaited; {checked} days equal; {company.commands} commands; "
          f"{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main(run)
