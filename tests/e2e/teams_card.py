"""Cards for Microsoft Teams, posted by the daemon and by `vigie send` to a server on loopback.

    teams_card.py --vigie BIN --dir DIR

Twenty-three alerts whose names would be markup elsewhere arrive as one card in French and one in English; `card_schema.py`
judges them by Microsoft's schema and by a Markdown reader, and finds the names as they are. Addresses are asked exactly as
they are configured. What answers mean is told with its remedy, and nothing of an address but its server is shown anywhere,
though the servers quote it.
"""

import argparse
import contextlib
import datetime
import http.client
import http.server
import json
import os
import pathlib
import re
import subprocess
import threading
import time
import urllib.parse

from support import HERE, Daemon, expect, free_port, main, wait_for

# Holds what differs between what is written, what is meant, and what a program would write by itself.
CANARY = "canary7f"
QUERY = f"sp=%2ftriggers%2Fmanual%2Frun&api-version=1&sv=1.0&sig={CANARY}%2bQ~%2F%3D"
SHOPS = [
    "<script>alert(1)</script>", "**gras** _italique_", "[clic](javascript:alert(1))", "<at>Claire</at>", "<!channel> <@U123>", "# titre",
    "- point", "1. un", "`code` ~~non~~", "&lt;b&gt; AT&T", "https://evil.example.com/x", "www.evil.com, claire@evil.com", "a\u202eb",
    "{{DATE(2026-01-01T00:00:00Z)}}", "C:\\temp\\*", "> citation", "été 🔴 €",
] + [f"Boutique {number}" for number in range(5)]
# What each address answers, once or always.
ANSWERS = {
    "fr": [202], "en": [200], "gone": [404], "closed": [401], "refusing": [400], "large": [413], "moved": [307], "busy": [429, 202],
    "failing": [503, 202],
}
TOLD = {
    "gone": "make a new one and configure its address", "closed": "copy it anew from the flow", "refusing": "the flow does not take it",
    "large": "larger than Teams takes", "moved": "redirects are not followed",
}


class Flows:
    """A server that keeps what it is posted, and quotes the address in what it answers."""

    def __init__(self):
        posts = self.posts = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                name = self.path.split("/")[1]
                before = sum(post["name"] == name for post in posts)
                posts.append({"name": name, "target": self.path, "headers": dict(self.headers), "body": body, "at": time.time()})
                answers = ANSWERS.get(name, [404])
                status = answers[min(before, len(answers) - 1)]
                query = urllib.parse.urlsplit(self.path).query
                quoted = f"{dict(urllib.parse.parse_qsl(query)).get('sig')} {query.split('sig=')[-1]} {self.path}"
                text = b"" if status < 300 else json.dumps({"error": {"code": "Why", "message": quoted}}).encode()
                self.send_response(status)
                if status in (429, 503):
                    self.send_header("Retry-After", "2")
                if status == 307:
                    self.send_header("Location", f"/elsewhere?{query}")
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, name):
        return f"http://127.0.0.1:{self.port}/{name}/workflows/{CANARY}0123456789abcdef/triggers/manual/paths/invoke?{QUERY}"

    def of(self, name):
        return [post for post in self.posts if post["name"] == name]


def write_sales(path):
    today = datetime.datetime.now(datetime.timezone.utc).date()
    lines = ["date;boutique;total"]
    for ago in range(60, 0, -1):
        lines += [f'{today - datetime.timedelta(days=ago)};"{shop}";10,00' for shop in SHOPS]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def configuration(metrics):
    """One KPI for each address; those of the two languages have an alert for each shop and one for their objective."""
    today = datetime.datetime.now(datetime.timezone.utc).date()
    period = {"from": str(today - datetime.timedelta(days=30)), "to": str(today + datetime.timedelta(days=30))}
    kpi = {"category": "financial", "unit": "EUR", "source": "shops", "query": {"time": "date", "value": "total"}, "dimensions": ["boutique"]}
    kpis = {name: {**kpi, "title": f"Ventes _{name}_ <at>Claire</at>"} for name in ANSWERS}
    objective = {"statement": "Vendre [60 000](javascript:x)", "reach": 60000, "period": period, "trajectory": "linear",
                 "actions": [{"do": "Relancer <!channel> **tous** les paniers", "by": period["to"]}]}
    receivers = {name: {"teams": {"webhook": {"env": f"URL_{name.upper()}"}, "language": "en" if name == "en" else "fr"}} for name in ANSWERS}
    return {
        "timezone": "UTC", "language": "fr", "state": "sqlite:state.db", "control": "control.sock", "listen": f"127.0.0.1:{metrics}",
        "sources": {"shops": {"csv": {"path": "ventes.csv"}}}, "kpis": kpis,
        "objectives": {f"cible-{name}": {**objective, "kpi": name} for name in ANSWERS},
        "rules": {
            "trop-bas": {"script": "signal/threshold", "on": ["fr", "en"], "each": "boutique", "with": {"below": 100}},
            "hors-trajectoire": {"script": "objective/off_trajectory", "on": list(ANSWERS)},
        },
        "people": {"claire": {"mail": "claire@example.test"}},
        "receivers": {**receivers, "mails": {"maildir": {"path": "mails", "to": ["claire"]}}},
        "route": {"to": "mails", "group": {"by": ["kpi"], "wait": "2s"},
                  "routes": [{"match": {"kpi": [name]}, "to": name} for name in ANSWERS]},
    }


class Asked:
    """Commands of Vigie beside the daemon, and all that they said."""

    def __init__(self, vigie, folder, env):
        self.vigie, self.folder, self.env, self.said = vigie, folder, env, []

    def __call__(self, *words, code=0):
        command = [self.vigie, *words, "--config", self.folder / "vigie.yaml"]
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, env=self.env, timeout=60, check=False)
        self.said.append(done.stdout + done.stderr)
        expect(done.returncode == code, f"`vigie {' '.join(words)}` ended with {done.returncode}: {self.said[-1]}")
        return [json.loads(line) for line in done.stdout.splitlines()] if "json" in words else done.stdout

    def deliveries(self):
        return {each["receiver"]: each for each in self("deliveries", "--format", "json")}


def judged(bodies):
    """What the texts of each body show."""
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "vigie-ci"
    python = cache / "cards" / "bin" / "python"
    expect(python.exists(), "what judges cards is not installed; run: bash -c '. .ci/lib.sh; step cards; card_checker'")
    done = subprocess.run([python, "-B", HERE / "card_schema.py"], input=b"\n".join(bodies), capture_output=True, timeout=120, check=False)
    expect(done.returncode == 0, done.stderr.decode(errors="replace"))
    return [json.loads(line) for line in done.stdout.splitlines()]


def check_request(post, flows):
    wanted = flows.url(post["name"]).split(str(flows.port), 1)[1]
    expect(post["target"] == wanted, f"{post['name']}: {post['target']} was asked, not {wanted}")
    expect(post["headers"]["host"] == f"127.0.0.1:{flows.port}", f"the port is not in {post['headers']['host']}")
    kind = post["headers"]["content-type"]
    expect(kind == "application/json; charset=utf-8", f"the body is said to be {kind}")


def check_card(texts, words, shops):
    """Each alert is named or counted, and so is each detail; names are as they are."""
    whole = "\n".join(texts)
    alerts = [text for text in texts if re.match("[🔴🟠🔵] Ventes", text)]
    named = [shop for shop in SHOPS if any(shop.replace("\u202e", "") in text for text in alerts)]
    more = re.search(rf"\+ (\d+) {words['alerts']}", whole)
    hidden = int(more.group(1)) if more else 0
    expect(len(alerts) + hidden == shops + 1, f"{len(alerts)} alerts are shown and {hidden} said to be left out, of {shops + 1}")
    expect(len(named) >= len(alerts) - 1, f"{len(alerts)} alerts, but only {named} are there as they are named")
    expect(any("[60 000](javascript:x)" in text for text in texts) or words["details"] in whole, "details are gone and not counted")
    expect("<at>Claire</at>" in whole and "Ventes _" in whole, "the title is not as it is written")
    return f"{len(alerts)} alerts shown, {hidden} counted"


def nothing_shown(folder, asked, metrics):
    """The daemon's log, state and pages and all that commands said hold no part of an address."""
    texts = {"commands": "\n".join(asked.said), "log": (folder / "vigie.log").read_text(), "metrics": metrics}
    for path in [*folder.glob("state.db*"), *[path for path in (folder / "mails").rglob("*") if path.is_file()]]:
        texts[path.name] = path.read_bytes().decode(errors="replace")
    for name, text in texts.items():
        for part in [CANARY, "sig=", "%2bQ~", "+Q~/="]:
            at = text.find(part)
            expect(at < 0, f"{name} shows part of an address: …{text[max(0, at - 200):at + 60]!r}…")
    return len(texts)


def play(options, folder, flows, env):
    metrics = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    write_sales(folder / "ventes.csv")
    (folder / "vigie.yaml").write_text(json.dumps(configuration(metrics)))
    asked = Asked(options.vigie, folder, env)
    asked("check")
    with Daemon(options.vigie, folder / "vigie.yaml", folder / "vigie.log", env=env) as daemon:
        wanted = {name: len(answers) for name, answers in ANSWERS.items()}
        wait_for("every flow is posted to", 90, lambda: all(len(flows.of(name)) >= count for name, count in wanted.items()), daemon.ended)
        settled = lambda: all(each["state"] in ("sent", "dead") for name, each in asked.deliveries().items() if name in ANSWERS)
        wait_for("every delivery has an end", 60, settled, daemon.ended)
        found = asked.deliveries()
        for receiver, code in [("fr", 0), ("en", 0), ("gone", 1)]:
            drill = asked("send", receiver, "--format", "json", code=code)
            expect([each["sent"] for each in drill] == [code == 0], f"the drill to {receiver} is {drill}")
            words = TOLD.get(receiver, "accepted, whether it is displayed is not told")
            expect(words in drill[0]["detail"], f"the drill to {receiver} says {drill[0]['detail']}")
        alert = asked("alerts", "--format", "json")[0]["id"]
        asked("send", "fr", "--alert", alert)
        for words in [["status"], ["alerts"], ["deliveries"], ["explain", "hors-trajectoire", "fr"]]:
            asked(*words)
        before = len(flows.posts)
        expect(asked("check", "--connect").count("nothing was posted") == len(ANSWERS), f"`check --connect`: {asked.said[-1]}")
        expect(len(flows.posts) == before, "`vigie check --connect` posted a card")
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", metrics, timeout=5)) as page:
            page.request("GET", "/metrics")
            shown = page.getresponse().read().decode()
        expect(daemon.stop() == 0, f"the daemon did not end in order:\n{daemon.tail()}")
    places = nothing_shown(folder, asked, shown)
    return found, places


def check_outcomes(found, flows):
    for name, answers in ANSWERS.items():
        each, posts = found[name], flows.of(name)
        ok = answers[-1] < 300
        expect(each["state"] == ("sent" if ok else "dead"), f"{name}: the delivery is {each['state']}: {each['note']}")
        expect(each["attempts"] == len(answers), f"{name}: {each['attempts']} attempts, not {len(answers)}")
        if name in TOLD:
            for part in [f"teams webhook at http://127.0.0.1:{flows.port} answered {answers[0]}", "Why", TOLD[name]]:
                expect(part in each["note"], f"{name}: the cause lacks {part!r}: {each['note']}")
        elif len(answers) == 2:
            waited = posts[1]["at"] - posts[0]["at"]
            expect(waited >= 2, f"{name}: tried again after {waited:.1f} s, though the server asked for 2")
            expect(posts[0]["body"] == posts[1]["body"], f"{name}: another card was posted the second time")
    expect(not flows.of("elsewhere"), "a redirect was followed")


def run():
    parser = argparse.ArgumentParser()
    parser.add_argument("--vigie", type=lambda path: pathlib.Path(path).resolve(), required=True)
    parser.add_argument("--dir", type=pathlib.Path, required=True)
    options = parser.parse_args()
    folder = options.dir.resolve() / "teams"
    flows = Flows()
    env = {**os.environ, **{f"URL_{name.upper()}": flows.url(name) for name in ANSWERS}}
    found, places = play(options, folder, flows, env)
    for post in flows.posts:
        check_request(post, flows)
    check_outcomes(found, flows)
    texts = judged([post["body"] for post in flows.posts])
    cards = {}
    for post, shown in zip(flows.posts, texts):
        cards.setdefault(post["name"], []).append(shown)
    languages = {"fr": {"alerts": "autres alertes", "details": "autres détails"}, "en": {"alerts": "more alerts", "details": "more details"}}
    counts = {name: check_card(cards[name][0], words, len(SHOPS)) for name, words in languages.items()}
    expect(any("Ceci est un essai" in text for text in cards["fr"][1]), f"the drill does not say so: {cards['fr'][1]}")
    expect(len(cards["fr"]) == 3 and len(cards["en"]) == 2, "not one card for each message")
    largest = max(len(post["body"]) for post in flows.posts)
    print(f"{len(texts)} cards hold to Microsoft's schema and show texts only, of at most {largest} bytes; French: {counts['fr']}, "
          f"English: {counts['en']}; {len(TOLD)} refusals told with their remedies, no address in {places} places")


if __name__ == "__main__":
    main(run)
