"""An HTTP API of orders over TLS, with four ways of paging, bearer tokens and OAuth 2.0 (client credentials).

Where a page of a cursor or of next links has nothing to show it is empty and points on, as filtering servers do it. A token
holds for a few requests only.
"""

import contextlib
import datetime
import http.server
import json
import secrets
import socket
import ssl
import threading
import urllib.parse
import zoneinfo

from support import free_port

PARIS = zoneinfo.ZoneInfo("Europe/Paris")
PAGE = 250
TOKEN_USES = 9
# Parts that web libraries and proxies treat differently.
CLIENT_SECRET = "canary-oauth/+%&=é"
BEARER = "canary-bearer-8f.~+/Zz=="


class ShopApi:
    """The server; `orders` are [instant, channel, total, paid] and may be changed while it runs."""

    def __init__(self, certificates):
        self.certificates, self.port = certificates, free_port()
        self.orders, self.tokens, self.served, self.server, self.open = [], {}, {}, None, set()
        self.lock = threading.Lock()
        self.start()

    def start(self):
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 20

            def setup(self):
                super().setup()
                api.open.add(self.connection)

            def do_GET(self):
                self.send(*api.answer(self.path, self.headers))

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                self.send(*api.token(self.path, body.decode()))

            def send(self, status, found, headers=()):
                body = json.dumps(found).encode()
                self.send_response(status)
                for name, value in [("Content-Type", "application/json"), ("Content-Length", len(body)), *headers]:
                    self.send_header(name, str(value))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                """Clients may go whenever they like."""

        self.server = Server(("127.0.0.1", self.port), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificates / "server.pem", self.certificates / "server.key")
        # The handshake is done by the connection's own thread.
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        # Those that are kept open for the next request too.
        for connection in self.open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.open.clear()

    def token(self, path, body):
        form = {name: values[0] for name, values in urllib.parse.parse_qs(body).items()}
        wanted = {"grant_type": "client_credentials", "client_id": "vigie", "client_secret": CLIENT_SECRET, "scope": "orders.read"}
        if path != "/oauth/token" or form != wanted:
            return 401, {"error": "invalid_client", "error_description": "unknown client"}
        given = "canary-token-" + secrets.token_urlsafe(24)
        with self.lock:
            self.tokens[given] = TOKEN_USES
            self.served["token"] = self.served.get("token", 0) + 1
        return 200, {"access_token": given, "token_type": "Bearer", "expires_in": 3600}

    def is_allowed(self, path, given):
        if path.startswith("/desk/"):
            return given == f"Bearer {BEARER}"
        with self.lock:
            left = self.tokens.get(given.removeprefix("Bearer "), 0)
            if left:
                self.tokens[given.removeprefix("Bearer ")] = left - 1
            return left > 0

    def answer(self, target, headers):
        url = urllib.parse.urlsplit(target)
        asked = dict(urllib.parse.parse_qsl(url.query))
        if not self.is_allowed(url.path, headers.get("Authorization", "")):
            return 401, {"error": "token expired"}
        ways = {"/v1/orders": self.by_cursor, "/v1/payments": self.by_page, "/desk/visits": self.by_link, "/desk/receipts": self.by_offset}
        if url.path not in ways:
            return 404, {"error": f"no {url.path}"}
        with self.lock:
            self.served[url.path] = self.served.get(url.path, 0) + 1
        return ways[url.path](asked)

    def between(self, first, last):
        return [order for order in self.orders if first <= order[0].timestamp() < last]

    def by_cursor(self, asked):
        first, last = (datetime.datetime.fromisoformat(asked[key].replace("Z", "+00:00")).timestamp() for key in ["from", "to"])
        at = int(asked.get("after", "c0").removeprefix("c"))
        found, at, more = page_of(self.between(first, last), at)
        items = [{"at": at.isoformat(), "channel": channel, "total": float(total)} for at, channel, total, _ in found]
        return 200, {"items": items, "meta": {"cursor": f"c{at}" if more else None}}

    def by_link(self, asked):
        first, last = int(asked["since_ms"]) / 1000, int(asked["until_ms"]) / 1000
        at = int(asked.get("at", 0))
        found, at, more = page_of(self.between(first, last), at)
        link = "visits?" + urllib.parse.urlencode({**asked, "at": at}) if more else ""
        return 200, {"data": [{"t": int(order[0].timestamp() * 1000)} for order in found], "links": {"next": link}}

    def by_page(self, asked):
        def midnight(day, after=0):
            date = datetime.date.fromisoformat(day) + datetime.timedelta(days=after)
            return datetime.datetime.combine(date, datetime.time(), PARIS).timestamp()

        found = self.between(midnight(asked["first_day"]), midnight(asked["last_day"], 1))
        days = {}
        for at, _, _, is_paid in found:
            good, all_ = days.get(day := str(at.astimezone(PARIS).date()), (0, 0))
            days[day] = (good + is_paid, all_ + 1)
        # Two rows a day, so that ratios have to be pooled.
        rows = [{"day": day, "paid": part, "orders": of} for day, (good, all_) in sorted(days.items())
                for part, of in [(good, all_ - 1), (0, 1)]]
        first = (int(asked["page"]) - 1) * 20
        return 200, rows[first : first + 20]

    def by_offset(self, asked):
        first, size = int(asked["skip"]), int(asked["limit"])
        found = self.between(int(asked["since"]), int(asked["until"]))[first : first + size]
        return 200, {"result": {"rows": [{"time": int(order[0].timestamp()), "n": "1.0"} for order in found]}}


def page_of(found, at):
    """The rows from a place on, the next place, and whether there is more; every third page is empty and points on."""
    if at % (3 * PAGE) == PAGE * 2 and at < len(found):
        # Asked again one further on, it shows what it has.
        return [], at + 1, True
    size = PAGE if at % PAGE == 0 else PAGE - at % PAGE
    rows = found[at - (at % PAGE == 1) :][: size + (at % PAGE == 1)]
    at += size
    return rows, at, at < len(found)
