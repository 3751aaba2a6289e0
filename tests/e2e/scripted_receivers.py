"""Receivers that do as they are told: a mail server and an HTTP server in this process, for `delivery_faults.py`.

What each is asked is judged by a function that the check sets; what was taken is kept in its order.
"""

import dataclasses
import email
import email.policy
import http.server
import json
import socketserver
import ssl
import threading
import time

from support import free_port

# What a judge answers to have the connection broken off.
DROP = "drop"


@dataclasses.dataclass
class Mail:
    recipient: str
    id: str = ""
    text: str = ""
    at: float = 0.0


class MailServer:
    """SMTP without encryption, for a client on this machine. `judge(stage, mail)` gives a refusal, DROP, or nothing.

    Stages: `hello`, `recipient`, `text` (the mail is whole, its final dot has come), `taken` (it is kept, not yet answered).
    """

    def __init__(self):
        self.port, self.judge = free_port(), lambda stage, mail: None
        self.tried, self.taken = [], []
        self.server = None

    def yaml(self):
        return {"from": "Vigie <vigie@example.test>", "smtp": {"host": "127.0.0.1", "port": self.port, "hello": "test.example"}}

    def start(self):
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                try:
                    outer.talk(self.rfile, self.wfile)
                except OSError:
                    # Whoever spoke has gone.
                    pass

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address, daemon_threads = True, True

        self.server = Server(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def talk(self, lines, out):
        def say(text):
            out.write(f"{text}\r\n".encode())

        def refused(stage, mail):
            verdict = self.judge(stage, mail)
            self.tried.append((stage, mail, verdict))
            if verdict == DROP:
                raise ConnectionAbortedError
            if verdict:
                say(verdict)
            return bool(verdict)

        if refused("hello", None):
            return
        say("220 test.example")
        mail = None
        while line := lines.readline():
            word = line.decode("latin-1").strip()
            command = word.upper()
            if command.startswith("RCPT TO:"):
                mail = Mail(word.partition("<")[2].partition(">")[0])
                if not refused("recipient", mail):
                    say("250 2.1.5 ok")
            elif command == "DATA":
                say("354 go on")
                text = b""
                while (line := lines.readline()) not in (b".\r\n", b""):
                    text += line
                parsed = email.message_from_bytes(text, policy=email.policy.default)
                mail.id, mail.text, mail.at = parsed["Message-ID"], parsed.get_body(("plain",)).get_content(), time.time()
                if not refused("text", mail):
                    self.taken.append(mail)
                    if not refused("taken", mail):
                        say("250 2.0.0 taken")
            elif command == "QUIT":
                say("221 bye")
                return
            else:
                say("250 ok")


class Hook:
    """A webhook. `judge(receipt)` gives (status, headers, body); one that gives none never answers."""

    def __init__(self, certificates=None):
        self.judge, self.tried, self.taken, self.over = lambda receipt: (200, {}, ""), [], [], threading.Event()
        outer, lock = self, threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # An answer in two packets would wait for the first to be acknowledged.
            wbufsize = -1
            disable_nagle_algorithm = True

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                receipt = {"at": time.time(), "key": self.headers.get("webhook-id"), "event": json.loads(body)}
                with lock:
                    outer.tried.append(receipt)
                verdict = outer.judge(receipt)
                if verdict is None:
                    outer.over.wait(100)
                    self.close_connection = True
                    return
                status, headers, text = verdict
                if status == 200:
                    with lock:
                        outer.taken.append(receipt)
                self.send_response(status)
                for name, value in {"Content-Length": str(len(text)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text.encode())

            def handle_one_request(self):
                try:
                    super().handle_one_request()
                except OSError:
                    # The sender was ended while it waited.
                    self.close_connection = True

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 256

        self.server = Server(("127.0.0.1", free_port()), Handler)
        self.port = self.server.server_address[1]
        if certificates:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def keys(self):
        return [receipt["key"] for receipt in self.taken]
