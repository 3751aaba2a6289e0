"""Plays the faults of a source on loopback, for `faults.py`.

    fault_server.py --log FILE --certificates DIR --port N --tls N --expired N --misnamed N --other N
                    [--freeze N:TARGET] [--cut N:TARGET] [--mute N]

Over HTTP the first part of the path names the fault; each request is logged with its headers before it is answered. `--other`
is another host by its port: nobody should come there. `--freeze` and `--cut` pass TCP on to a database until so much of its
answer has come, then they say nothing more, or end; `--mute` accepts and never speaks.
"""

import argparse
import base64
import gzip
import json
import pathlib
import socket
import ssl
import struct
import threading
import time
import urllib.parse

MIB = 1024 * 1024
# 256 MiB of zeros by node's zlib.brotliCompressSync at quality 11, window 24.
BROTLI_ZEROS = base64.b64decode(
    "z///f/gnAOKxQCD3/p/////wTwDEYQGA7v0/////4Z8AiMMiAN37f/7//8M/ARCHBQC69//8//+HfwIgDgsAdO//+f//D/8EQBwWAOje//P//x/+"
    "CYA4LADQvf/n//8//BMAcVgAoHv/z///f/gnAOKwAED3/p/////wTwDEYQGA7v0/////4Z8AiMMCAN37f/7//8M/ARCHBQC69//8//+HfwIgDgsA"
    "dO//+f//D/8EQBwWAOje//P//x/+CYA4LADQvf/P//9//BMAcVgAoHv/Dw=="
)
# Of a database's answer: more than the greeting and the session's settings take.
PASSED_BYTES = 60_000
LOCK = threading.Lock()


def row(total="1"):
    return '{"at": "%s", "shop": "x", "total": ' + total + "}"


class Exchange:
    """One request and what is sent for it."""

    def __init__(self, connection, options, target, headers, body):
        self.connection, self.options, self.target, self.headers, self.body = connection, options, target, headers, body
        url = urllib.parse.urlsplit(target)
        self.parts = url.path.strip("/").split("/")
        self.asked = dict(urllib.parse.parse_qsl(url.query))
        self.origin = f"http://127.0.0.1:{options.port}"

    def send(self, data):
        self.connection.sendall(data if isinstance(data, bytes) else data.encode())

    def head(self, status="200 OK", kind="application/json", **headers):
        lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.send("\r\n".join(lines) + "\r\n\r\n")

    def answer(self, body, status="200 OK", kind="application/json", **headers):
        body = body if isinstance(body, bytes) else body.encode()
        self.head(status, kind, Content_Length=len(body), **headers)
        self.send(body)

    def rows(self, *texts):
        """An answer of such rows, of the first day asked for."""
        day = self.asked.get("from", "2026-01-01T00:00:00Z")
        self.answer('{"items": [' + ",".join(text.replace("%s", day) for text in texts) + "]}")

    def reset(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def forever(self, piece, pause=0.0):
        # Ended by whoever has had enough.
        while True:
            self.send(piece)
            if pause:
                time.sleep(pause)


def zstd_zeros(blocks):
    """A frame of blocks that each repeat one byte 128 KiB times."""
    one = (1 | 1 << 1 | (128 * 1024) << 3).to_bytes(3, "little") + b"\0"
    last = (1 << 1 | (128 * 1024) << 3).to_bytes(3, "little") + b"\0"
    return b"\x28\xb5\x2f\xfd\x00\x58" + last * (blocks - 1) + one


def credentials_of(exchange):
    return exchange.headers.get("authorization", "").split(" ")[-1]


def refuse_token(exchange):
    """A server that writes down what it was sent: plain, as in a form, and as PHP writes JSON."""
    form = urllib.parse.parse_qs(exchange.body.decode())
    secret = form.get("client_secret", [""])[0]
    said = f"bad secret {secret} {urllib.parse.quote(secret, safe='')} {urllib.parse.quote_plus(secret)}"
    exchange.answer(json.dumps({"error": "invalid_client", "error_description": said}), "401 Unauthorized")


def prometheus(text):
    return lambda exchange: exchange.answer(text)


def series(points, count=1):
    def play(exchange):
        form = {name: values[0] for name, values in urllib.parse.parse_qs(exchange.body.decode()).items()}
        at = float(form.get("start") or form.get("time"))
        result = [{"metric": {"shop": f"s{number}"} if count > 1 else {}, "values": [[at, points]]} for number in range(count)]
        exchange.answer(json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}}))

    return play


def echo_php(exchange):
    token = credentials_of(exchange)
    exchange.answer(json.dumps({"error": "no such token: " + token}).replace("/", "\\/"), "500 Oops")


def echo_cut(exchange):
    """Where a message is cut, the token stands across."""
    exchange.answer("x" * 105 + " " + credentials_of(exchange) + " y" * 100, "500 Oops", "text/plain")


FAULTS = {
    "hang": lambda x: time.sleep(600),
    "drip": lambda x: (x.head(Content_Length=1000), x.forever(" ", 1)),
    "drip-head": lambda x: (x.send("HTTP/1.1 200 OK\r\nX: "), x.forever("a", 1)),
    "long-body": lambda x: (x.head(Content_Length=10 * 1024 * MIB), x.forever(" " * MIB)),
    "long-head": lambda x: (x.send("HTTP/1.1 200 OK\r\n"), x.forever("X-More: " + "a" * 8000 + "\r\n")),
    "endless-chunks": lambda x: (x.head(Transfer_Encoding="chunked"), x.forever("4000\r\n" + " " * 0x4000 + "\r\n")),
    "broken-chunks": lambda x: (x.head(Transfer_Encoding="chunked"), x.send("5\r\n12345\r\nzz\r\n")),
    # Ten members of 1 GiB.
    "gzip-bomb": lambda x: (x.head(Content_Encoding="gzip"), x.forever(gzip.compress(bytes(64 * MIB), 9) * 16)),
    "brotli-bomb": lambda x: x.answer(BROTLI_ZEROS, Content_Encoding="br"),
    "zstd-bomb": lambda x: x.answer(zstd_zeros(80_000), Content_Encoding="zstd"),
    "broken-gzip": lambda x: x.answer(b"\x1f\x8b\x08\x00 not gzip", Content_Encoding="gzip"),
    "reset": lambda x: (x.head(Content_Length=1000), x.send('{"items": ['), time.sleep(0.1), x.reset()),
    "cut-short": lambda x: (x.head(Content_Length=1000), x.send('{"items": [')),
    "no-answer": lambda x: None,
    "no-http": lambda x: x.send("SSH-2.0-OpenSSH_9.2\r\n"),
    "nan": lambda x: x.rows(row("NaN")),
    "infinity": lambda x: x.rows(row("-Infinity")),
    "overflow": lambda x: x.rows(row("1e400")),
    "duplicate-keys": lambda x: x.rows('{"at": "%s", "total": 1, "total": 2}'),
    "bad-utf8": lambda x: x.answer(b'{"items": [{"at": "2026-01-01", "shop": "caf\xe9", "total": 1}]}'),
    "deep": lambda x: x.answer("[" * 100_000 + "]" * 100_000),
    "deep-maps": lambda x: x.answer('{"a":' * 100_000 + "1" + "}" * 100_000),
    "trailing": lambda x: x.answer('{"items": []} <!-- cached -->'),
    "text-number": lambda x: x.rows(row('"12,50"')),
    "no-rows": lambda x: x.answer('{"data": []}'),
    "many-rows": lambda x: x.rows(*[row()] * 100_001),
    "many-series": lambda x: x.rows(*[row().replace('"x"', f'"x{n}"') for n in range(100_000)]),
    "redirect-loop": lambda x: x.answer("", "302 Found", Location=x.target),
    "redirect-on": lambda x: x.answer("", "302 Found", Location=x.target + "/a"),
    "redirect-port": lambda x: x.answer("", "302 Found", Location=f"http://127.0.0.1:{x.options.other}/take"),
    "redirect-name": lambda x: x.answer("", "307 Elsewhere", Location=f"http://localhost:{x.options.other}/take"),
    "redirect-plain": lambda x: x.answer("", "301 Moved", Location=f"http://localhost:{x.options.other}/take"),
    "redirect-guarded": lambda x: x.answer("", "302 Found", Location="http://169.254.169.254/latest/meta-data/"),
    "link-elsewhere": lambda x: x.answer(json.dumps({"items": [], "next": f"http://127.0.0.1:{x.options.other}/take"})),
    "link-loop": lambda x: x.answer(json.dumps({"items": [{"at": "2026-01-01", "total": 1}], "next": x.target})),
    "pages": lambda x: x.answer(json.dumps({"items": [], "next": f"?page={int(x.asked.get('page', 0)) + 1}"})),
    "throttled": lambda x: x.answer("slow down", "429 Too Many Requests", "text/plain", Retry_After="99999999"),
    "throttled-date": lambda x: x.answer("", "429 Too Many Requests", Retry_After="Thu, 31 Dec 2099 23:59:59 GMT"),
    "throttled-plain": lambda x: x.answer("", "429 Too Many Requests"),
    "unavailable": lambda x: x.answer("<html><h1>503 Service Unavailable</h1>No server is available.</html>",
                                      "503 Service Unavailable", "text/html"),
    "unauthorized": lambda x: x.answer('{"error": "token expired"}', "401 Unauthorized"),
    "forbidden": lambda x: x.answer('{"error": "scope"}', "403 Forbidden"),
    "not-found": lambda x: x.answer('{"error": "no such path"}', "404 Not Found"),
    "unprocessable": lambda x: x.answer('{"error": "unknown parameter since"}', "422 Unprocessable"),
    "login-page": lambda x: x.answer("<html><title>Sign in</title><form>Password</form></html>", kind="text/html; charset=utf-8"),
    "empty": lambda x: x.answer(""),
    "echo": lambda x: x.answer("no such token: " + credentials_of(x), "401 Unauthorized", "text/plain"),
    "echo-json": echo_php,
    "echo-cut": echo_cut,
    "echo-page": lambda x: x.answer("you sent " + credentials_of(x), kind="text/plain"),
    "echo-label": lambda x: x.rows('{"at": "%s", "total": "' + credentials_of(x) + '"}'),
    "token-refused": refuse_token,
    "token-page": lambda x: x.answer("<html>login</html>", kind="text/html"),
    "token-hangs": lambda x: time.sleep(600),
    "prom-page": lambda x: x.answer(f"<html><title>Sign in</title>{credentials_of(x)}</html>", kind="text/html"),
    "prom-no-number": series("NaN"),
    "prom-infinite": series("+Inf"),
    "prom-overflow": series("1e400"),
    "prom-word": series("twelve"),
    "prom-many": series("1", 100_000),
    "prom-refused": lambda x: x.answer('{"status":"error","errorType":"bad_data","error":"parse error: unexpected character"}',
                                       "400 Bad Request"),
    "prom-too-long": lambda x: x.answer('{"status":"error","errorType":"timeout","error":"query timed out in expression evaluation"}',
                                        "503 Service Unavailable"),
    "prom-utf8": lambda x: x.answer(b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"a":"\xe9"},"values":[]}]}}'),
    "prom-deep": lambda x: x.answer('{"status":"success","data":{"resultType":"matrix","result":' + "[" * 100_000),
    "prom-echo": lambda x: x.answer(json.dumps({"status": "error", "errorType": "bad_data", "error": "you are " + credentials_of(x)}),
                                    "400 Bad Request"),
    "prom-echo-warning": lambda x: x.answer(json.dumps({"status": "success", "data": {"resultType": "matrix", "result": []},
                                                        "warnings": ["from " + credentials_of(x)]})),
    "prom-drip": lambda x: (x.head(), x.forever(" ", 1)),
    "take": lambda x: x.answer('{"items": []}'),
}


def serve(connection, options, where):
    connection.settimeout(700)
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        body += connection.recv(65536)
    exchange = Exchange(connection, options, first.split(" ")[1], headers, body)
    with LOCK, open(options.log, "a", encoding="utf-8") as log:
        log.write(json.dumps({"at": time.time(), "where": where, "line": first, "headers": headers}) + "\n")
    FAULTS[exchange.parts[0]](exchange)


def listen(port, work):
    server = socket.create_server(("127.0.0.1", port), backlog=256)

    def one(connection):
        try:
            with connection:
                work(connection)
        except (OSError, ValueError):
            # Whoever asked has gone, or never spoke HTTP.
            pass

    def accept():
        while True:
            connection, _ = server.accept()
            threading.Thread(target=one, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def encrypted(certificates, name):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / f"{name}.pem", certificates / f"{name}.key")
    return context


def passed_on(target, is_cut):
    """TCP passed on until so much has come back, then silence or the end."""

    def work(client):
        with socket.create_connection(("127.0.0.1", target)) as server:
            def up():
                while piece := client.recv(65536):
                    server.sendall(piece)

            threading.Thread(target=lambda: quietly(up), daemon=True).start()
            passed = 0
            while passed < PASSED_BYTES:
                piece = server.recv(4096)
                if not piece:
                    return
                client.sendall(piece)
                passed += len(piece)
            if is_cut:
                # The other thread still reads from it, which a mere close would wait for.
                client.shutdown(socket.SHUT_RDWR)
                return
            time.sleep(600)

    return work


def quietly(work):
    try:
        work()
    except OSError:
        pass


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--log", required=True)
    parser.add_argument("--certificates", required=True, type=pathlib.Path)
    for name in ["port", "tls", "expired", "misnamed", "other"]:
        parser.add_argument(f"--{name}", required=True, type=int)
    parser.add_argument("--freeze", action="append", default=[])
    parser.add_argument("--cut", action="append", default=[])
    parser.add_argument("--mute", type=int)
    options = parser.parse_args()
    listen(options.port, lambda connection: serve(connection, options, "port"))
    listen(options.other, lambda connection: serve(connection, options, "other"))
    for name, certificate in [("tls", "server"), ("expired", "expired"), ("misnamed", "misnamed")]:
        context = encrypted(options.certificates, certificate)

        def work(connection, context=context, name=name):
            with context.wrap_socket(connection, server_side=True) as own:
                serve(own, options, name)

        listen(getattr(options, name), work)
    for pairs, is_cut in [(options.freeze, False), (options.cut, True)]:
        for pair in pairs:
            port, target = map(int, pair.split(":"))
            listen(port, passed_on(target, is_cut))
    if options.mute:
        listen(options.mute, lambda connection: time.sleep(600))
    threading.Event().wait()


if __name__ == "__main__":
    main()
