"""What a reader sees of an alert about an objective: the delivered mail, drawn by a browser.

    alert_mail.py --vigie BIN --dir DIR [--write contrib/screenshots/alert-mail.png]

Two years of a shop's sales, then a November that falls behind. The real daemon, its wall clock moved by libfaketime, sends
the alert through a real mail server. Python takes the mail apart: text, HTML and the picture that the HTML names. Chromium
shows the HTML 600 pixels wide: the picture must load, nothing may stand beyond the edge, and what is shown must not be blank.
With `--write` that picture of the mail is kept: the README shows it.
"""

import argparse
import datetime
import functools
import http.server
import os
import pathlib
import random
import re
import struct
import subprocess
import threading
import zlib

from read_mail import facts, figure
from season import PARIS, MovedClock
from support import Daemon, MailServer, expect, main, new_mails, program, read_mail, text_part, wait_for

# A Thursday morning, and the first day of the sales.
NOW = datetime.datetime(2026, 11, 19, 6, 20, tzinfo=PARIS)
FIRST = datetime.date(2024, 11, 1)
# Of a usual day's sales; Sunday is the last.
WEEK = [1.0, 0.95, 1.0, 1.05, 1.2, 0.55, 0.2]
SHORTFALL_FROM = datetime.date(2026, 11, 6)
HOLIDAYS = {(1, 1), (5, 1), (5, 8), (7, 14), (8, 15), (11, 1), (11, 11), (12, 25)}
WIDTH, HEIGHT_MAX = 600, 4000
IMAGE_BYTES_MAX = 300_000


def sales():
    """Day by day up to yesterday: the season, the week, chance, and since the sixth some seven per cent less."""
    chance = random.Random(7)
    day, rows = FIRST, []
    while day < NOW.date():
        season = 1.12 if day.month in (11, 12) else 0.85 if day.month == 8 else 1.0
        usual = 16_000 * WEEK[day.weekday()] * season * (0.25 if (day.month, day.day) in HOLIDAYS else 1.0)
        late = 0.93 if day >= SHORTFALL_FROM else 1.0
        rows.append((day, round(usual * late * chance.gauss(1.0, 0.16), 2)))
        day += datetime.timedelta(days=1)
    return rows


def config(mail):
    return f"""timezone: Europe/Paris
language: fr
calendar: {{country: FR}}
state: sqlite:state.db
control: control.sock
{mail}
people:
  claire: {{name: Claire Morel, mail: claire@example.test, language: fr}}

sources:
  boutique: {{csv: {{path: ventes.csv}}}}

kpis:
  revenue:
    title: Chiffre d'affaires
    category: financial
    unit: EUR
    better: higher
    kind: flow
    grain: day
    source: boutique
    query: {{time: date, value: total}}
    schedule: daily 06:15
    settle: 0d
    history: 1000d
    empty: zero
    owner: claire

objectives:
  revenue-month:
    kpi: revenue
    statement: Porter le chiffre d'affaires mensuel à 400 000 €
    reach: 400000
    measure: sum
    period: month
    trajectory: learned
    owner: claire
    actions:
      - {{do: Relancer les paniers abandonnés, who: claire}}

events:
  black-friday: {{name: Black Friday, from: 2026-11-27}}

rules:
  revenue-at-risk:
    script: objective/at_risk
    on: [revenue]

receivers:
  direction: {{email: {{to: [claire]}}}}

route:
  to: direction
  group: {{wait: 0s}}
"""


def alert(vigie, folder):
    """The mail as the server holds it."""
    folder.mkdir()
    rows = sales()
    lines = "".join(f"{day};{total:.2f}\n".replace(".", ",") for day, total in rows)
    (folder / "ventes.csv").write_text("date;total\n" + lines)
    clock = MovedClock(folder)
    clock.set(NOW)
    with MailServer(folder / "server") as server:
        (folder / "vigie.yaml").write_text(config(server.yaml()))
        with Daemon(vigie, folder / "vigie.yaml", folder / "run.log", env={**os.environ, **clock.env}) as daemon:
            paths = wait_for("the alert's mail", 90, lambda: new_mails(server.mails), daemon.ended)
            expect(daemon.stop() == 0, f"the daemon did not end well:\n{daemon.tail()}")
    expect(len(paths) == 1, f"{len(paths)} mails")
    month = sum(total for day, total in rows if day >= NOW.date().replace(day=1))
    return read_mail(paths[0]), month


def parts(mail):
    """HTML and picture, as a mail reader finds them."""
    expect(mail.get_content_type() == "multipart/alternative", f"the mail is {mail.get_content_type()}")
    plain, related = mail.iter_parts()
    expect(plain.get_content_type() == "text/plain", f"the first part is {plain.get_content_type()}")
    expect(related.get_content_type() == "multipart/related", f"the second part is {related.get_content_type()}")
    html, *pictures = related.iter_parts()
    expect(html.get_content_type() == "text/html", f"first in the second part is {html.get_content_type()}")
    expect([each.get_content_type() for each in pictures] == ["image/png"], f"{len(pictures)} pictures")
    (picture,) = pictures
    expect(picture["Content-Disposition"].content_disposition == "inline", "the picture is no inline part")
    named = re.findall(r'src="cid:([^"]*)"', html.get_content())
    expect([f"<{name}>" for name in named] == [picture["Content-ID"]], f"HTML names {named}, the picture {picture['Content-ID']}")
    return html.get_content(), named[0], picture.get_content()


def figures_agree(mail, html, month):
    """Realised, landing and probability, in the text, the HTML and the picture's words."""
    lines = facts(text_part(mail))
    said = figure(lines["Réalisé"], "fr")
    expect(abs(float(said) - month) < 0.005, f"the mail says {said}, the table {month:.2f}")
    words = lines["Atterrissage"]
    shape = r"\d[\d\u202f]*\u202f€ \(entre \d[\d\u202f]*\u202f€ et \d[\d\u202f]*\u202f€, 8 fois sur 10\)"
    expect(re.fullmatch(shape, words), f"the landing reads {words!r}")
    landing, low, high = (int(each.replace("\u202f", "")) for each in re.findall(r"\d[\d\u202f]+(?=\u202f€)", words))
    expect(month < low < landing < high, f"landing {landing} between {low} and {high}, realised {month}")
    chance = lines["Probabilité d'atteindre la cible"]
    change = r"( \([+-]\d+\xa0points? en 7 jours\))?"
    expect(re.fullmatch(r"(moins de |plus de )?\d+\u202f%" + change, chance), f"the probability reads {chance!r}")
    basis = lines["Trajectoire"]
    expect(re.fullmatch(r"apprise sur \d+ périodes", basis), f"the trajectory reads {basis!r}")
    alt = re.search(r'alt="([^"]*)"', html).group(1)
    for shown in [lines["Réalisé"], lines["Cible"], words.split(" (")[0], chance]:
        expect(shown in alt and shown in text_part(mail), f"{shown!r} is not in {alt!r}")
    expect(len(html.encode()) < 80_000, f"{len(html.encode())} bytes of HTML")
    return landing, low, high, chance


SCRIPT = """<script>addEventListener("load", () => {
  const images = [...document.images].map(each => `${each.naturalWidth}x${each.naturalHeight}@${each.width}`);
  const root = document.documentElement;
  document.title = ["seen", root.scrollWidth, root.scrollHeight, images.join(",")].join("|");
})</script>"""


def chromium(folder, width, height, *words, dark=False):
    command = [program("chromium", "chromium"), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
               f"--user-data-dir={folder / 'browser'}", f"--window-size={width},{height}", "--virtual-time-budget=5000"]
    if dark:
        # As readers do that darken mails by themselves.
        command += ["--enable-features=WebContentsForceDark"]
    done = subprocess.run([*map(str, command), *map(str, words)], capture_output=True, text=True, timeout=120, check=False)
    expect(done.returncode == 0, f"chromium ended with {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout


def pixels(path):
    """Size and bytes of rows of an 8-bit RGB or RGBA picture, unfiltered enough to count colours."""
    data = path.read_bytes()
    expect(data[:8] == b"\x89PNG\r\n\x1a\n", f"{path} is no PNG")
    width, height = struct.unpack(">II", data[16:24])
    at, packed = 8, b""
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        packed += data[at + 8 : at + 8 + length] if kind == b"IDAT" else b""
        at += 12 + length
    return width, height, zlib.decompress(packed)


def shown(folder, html, name, picture):
    """Serves HTML and picture, shows them 600 pixels wide; gives the picture of the mail."""
    page = folder / "page"
    page.mkdir()
    (page / "chart.png").write_bytes(picture)
    html = html.replace(f"cid:{name}", "chart.png")
    (page / "mail.html").write_text(html)
    (page / "probe.html").write_text(html.replace("</body>", SCRIPT + "</body>"))
    handler = functools.partial(Quiet, directory=page)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        dom = chromium(folder, WIDTH, 800, "--dump-dom", f"{address}/probe.html")
        seen = re.search(r"<title>seen\|(\d+)\|(\d+)\|([^<]*)</title>", dom)
        expect(seen, f"the page told nothing of itself:\n{dom[:500]}")
        wide, high, images = int(seen.group(1)), int(seen.group(2)), seen.group(3)
        expect(wide <= WIDTH, f"the mail is {wide} pixels wide in a window of {WIDTH}")
        expect(re.fullmatch(r"1200x600@(5\d\d|600)", images), f"the picture is shown as {images}")
        expect(high < HEIGHT_MAX, f"the mail is {high} pixels high")
        drawn = []
        for dark in [False, True]:
            path = folder / ("dark.png" if dark else "light.png")
            chromium(folder, WIDTH, high, f"--screenshot={path}", f"{address}/mail.html", dark=dark)
            width, height, rows = pixels(path)
            expect((width, height) == (WIDTH, high), f"the picture of the mail has {width} by {height} pixels")
            expect(len(set(rows)) > 50, "the picture of the mail is blank")
            drawn.append(rows)
        expect(drawn[0] != drawn[1], "a reader that darkens mails changed nothing")
        server.shutdown()
    return folder / "light.png", high


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def run():
    parser = argparse.ArgumentParser()
    parser.add_argument("--vigie", type=pathlib.Path, required=True)
    parser.add_argument("--dir", type=pathlib.Path, required=True)
    parser.add_argument("--write", type=pathlib.Path)
    options = parser.parse_args()
    folder = options.dir.resolve() / "alert-mail"
    mail, month = alert(options.vigie, folder)
    html, name, picture = parts(mail)
    landing, low, high, chance = figures_agree(mail, html, month)
    path, height = shown(folder, html, name, picture)
    expect(path.stat().st_size < IMAGE_BYTES_MAX, f"the picture of the mail has {path.stat().st_size} bytes")
    if options.write:
        options.write.parent.mkdir(parents=True, exist_ok=True)
        options.write.write_bytes(path.read_bytes())
    print(f"alert mail: {landing} € between {low} and {high}, {chance.replace(chr(0x202f), ' ')}; picture {len(picture)} bytes, "
          f"HTML {len(html.encode())} bytes, {height} pixels high, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main(run)
