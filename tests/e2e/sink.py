"""A webhook that writes each receipt to disk before it answers.

    sink.py --port PORT --log FILE [--seed N] [--delay-ms MAX] [--refuse SHARE]

Answers come after a random delay, so that a crash of the sender often falls between receipt and answer. A refused
request gets 503 and is logged as such: it is no receipt.
"""

import argparse
import http.server
import json
import os
import random
import threading
import time

LOCK = threading.Lock()


def handler(log, chance, options):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            with LOCK:
                refused = chance.random() < options.refuse
                delay = chance.uniform(0, options.delay_ms) / 1000
                receipt = {
                    "at": int(time.time() * 1000),
                    "key": self.headers.get("webhook-id"),
                    "attempt": int(self.headers.get("x-vigie-attempt", 0)),
                    "refused": refused,
                    "event": json.loads(body),
                }
                log.write(json.dumps(receipt) + "\n")
                log.flush()
                os.fsync(log.fileno())
            time.sleep(delay)
            self.send_response(503 if refused else 200)
            self.send_header("content-length", "0")
            if refused:
                self.send_header("retry-after", "1")
            self.end_headers()

        def handle_one_request(self):
            try:
                super().handle_one_request()
            except (BrokenPipeError, ConnectionResetError):
                # The sender was killed while it waited; the receipt stays.
                self.close_connection = True

        def log_message(self, *_):
            pass

    return Handler


def run():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--log", required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--delay-ms", type=float, default=0)
    parser.add_argument("--refuse", type=float, default=0.0)
    options = parser.parse_args()
    with open(options.log, "a", encoding="utf-8") as log:
        kind = handler(log, random.Random(options.seed), options)
        http.server.ThreadingHTTPServer(("127.0.0.1", options.port), kind).serve_forever()


if __name__ == "__main__":
    run()
