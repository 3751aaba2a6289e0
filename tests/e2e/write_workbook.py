"""Writes workbooks as people export them, for `seasons.py`; needs Debian's python3-openpyxl.

    write_workbook.py PATH < rows.json

Each row is [number, local date and time, instant, channel, total, paid]; two lines stand above the names, a total below.
"""

import datetime
import json
import sys

import openpyxl


def main():
    rows = json.load(sys.stdin)
    book = openpyxl.Workbook(write_only=True)
    book.create_sheet("Lisez-moi").append(["Export des ventes"])
    sheet = book.create_sheet("Ventes")
    sheet.append(["Ventes par commande"])
    sheet.append([])
    sheet.append(["Numéro", "Date", "Instant", "channel", "Montant TTC", "Payé"])
    for number, local, instant, channel, total, is_paid in rows:
        day = datetime.datetime.fromisoformat(local)
        sheet.append([number, day, instant, channel, total, is_paid])
    book.save(sys.argv[1])


if __name__ == "__main__":
    main()
