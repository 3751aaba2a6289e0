"""Finds in a mail the value and the drift that Python computes from the table by itself.

    read_mail.py MAIL --csv ventes.csv --config vigie.yaml
"""

import argparse
import csv
import datetime
import decimal
import re

from support import expect, main, read_mail, text_part

# After midnight, as a KPI by the day has it where it says nothing else.
SLOT = datetime.timedelta(hours=6, minutes=15)
# No-break spaces between digits and units.
BLANKS = re.compile(r"[\s\u00a0\u202f]")
NUMBER = re.compile(r"[-+\u2212]?[€$£]?\d[\d.,\u00a0\u202f ]*")


def figure(text, language):
    """The first number in a text as French (`1 234,56`) or English (`1,234.56`) writes it, sign included."""
    found = NUMBER.search(text)
    expect(found, f"no number in {text!r}")
    digits = BLANKS.sub("", found.group()).replace("\u2212", "-").strip("€$£").replace("€", "").replace("$", "")
    digits = digits.replace(",", ".") if language == "fr" else digits.replace(",", "")
    return decimal.Decimal(digits.rstrip("."))


def facts(text):
    """Labels and values of a mail's aligned lines."""
    found = {}
    for line in text.splitlines():
        parts = re.match(r"  (\S.*?) {2,}(\S.*)$", line)
        if parts:
            found.setdefault(parts.group(1), parts.group(2))
    return found


def expected_figures(table, config, today):
    """Actual and expected amount of the quick start's objective, from the table and the settings alone."""
    period = re.search(r"period: \{from: (\S+), to: (\S+)\}", config)
    target = decimal.Decimal(re.search(r"reach: (\d+)", config).group(1))
    first, last = (datetime.date.fromisoformat(day) for day in period.groups())
    with open(table, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    days = {datetime.date.fromisoformat(row["date"]): decimal.Decimal(row["total"].replace(",", ".")) for row in rows}
    actual = sum(total for day, total in days.items() if first <= day < today)
    expected = target * (today - first).days / ((last - first).days + 1)
    return actual, expected


def run():
    parser = argparse.ArgumentParser()
    parser.add_argument("mail")
    parser.add_argument("--csv", required=True)
    parser.add_argument("--config", required=True)
    options = parser.parse_args()
    with open(options.config, encoding="utf-8") as file:
        config = file.read()
    mail = read_mail(options.mail)
    text = text_part(mail)
    # The figures are those of the newest slot: before a day's own, those of the day before.
    sent = mail["Date"].datetime.astimezone(datetime.timezone.utc)
    today = (sent - SLOT).date()
    actual, expected = expected_figures(options.csv, config, today)
    cents = decimal.Decimal("0.01")
    drift, ratio = actual - expected, (actual - expected) / expected * 100
    lines = facts(text)
    for label, wanted in [("Actual", actual), ("Expected to date", expected), ("Drift", drift)]:
        expect(label in lines, f"no line `{label}` in the mail:\n{text}")
        said = figure(lines[label], "en")
        expect(abs(said - wanted) <= cents, f"the mail says {label} {said}, the table {wanted:.2f}:\n{text}")
    share = re.search(r"\(([^)]*%)\)", lines["Drift"])
    expect(share, f"the drift has no share: {lines['Drift']}")
    said = figure(share.group(1), "en")
    expect(abs(said - ratio) <= decimal.Decimal("0.1"), f"the mail says a drift of {said} %, the table {ratio:.2f} %")
    html = mail.get_body(preferencelist=("html",))
    expect(html is not None, "the mail has no HTML part")
    expect(lines["Actual"] in html.get_content(), f"the HTML part does not show {lines['Actual']}")
    expect(mail["X-Vigie-State"] == "firing", f"the mail's state is {mail['X-Vigie-State']}")
    print(f"mail read: actual {actual}, expected {expected:.2f}, drift {drift:.2f} ({ratio:.1f} %)")


if __name__ == "__main__":
    main(run)
