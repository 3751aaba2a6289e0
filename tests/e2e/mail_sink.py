"""A mail server that speaks TLS, for `mail_tls.py`: aiosmtpd on Python's own TLS.

    mail_sink.py --dir DIR --cert PEM --key PEM --user NAME --password TEXT --smtps PORT --starttls PORT --anybody PORT

Three listeners on 127.0.0.1: TLS from the first byte with AUTH, STARTTLS with AUTH, STARTTLS for anybody. No mail is
taken in clear text, none without AUTH where it is asked for. Each mail becomes a file in DIR/new, and a line of
DIR/log.jsonl says how it came. OpenSMTPD would serve as well, were it not that the one of Debian 12 can't encrypt: its
signing process breaks with OpenSSL 3 (https://github.com/OpenSMTPD/OpenSMTPD/issues/1171).
"""

import argparse
import asyncio
import json
import pathlib
import ssl

from aiosmtpd.smtp import SMTP, AuthResult


class Taker:
    """Takes every mail of one listener and writes down how it came."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name

    async def handle_DATA(self, server, session, envelope):
        number = len(list((self.folder / "new").iterdir())) + 1
        (self.folder / "new" / f"{number:04}").write_bytes(envelope.content)
        encrypted = server.transport.get_extra_info("ssl_object")
        receipt = {
            "listener": self.name,
            "tls": encrypted.version() if encrypted else None,
            "user": session.auth_data,
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
        }
        with open(self.folder / "log.jsonl", "a", encoding="utf-8") as log:
            log.write(json.dumps(receipt) + "\n")
        return "250 2.0.0 taken"


async def serve(options):
    (options.dir / "new").mkdir(parents=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(options.cert, options.key)

    def authenticate(_server, _session, _envelope, _mechanism, data):
        login, password = data.login.decode(), data.password.decode()
        good = (login, password) == (options.user, options.password)
        return AuthResult(success=good, handled=False, auth_data=login)

    loop = asyncio.get_running_loop()

    async def listen(name, port, encryption, **settings):
        def talk():
            return SMTP(Taker(options.dir, name), loop=loop, authenticator=authenticate, **settings)

        return await loop.create_server(talk, "127.0.0.1", port, ssl=encryption)

    servers = [
        # The connection is encrypted already, which aiosmtpd knows of STARTTLS only.
        await listen("smtps", options.smtps, context, auth_required=True, auth_require_tls=False),
        await listen("starttls", options.starttls, None, tls_context=context, require_starttls=True, auth_required=True),
        await listen("anybody", options.anybody, None, tls_context=context, require_starttls=True),
    ]
    await asyncio.gather(*(server.serve_forever() for server in servers))


def run():
    parser = argparse.ArgumentParser()
    for name in ["--dir", "--cert", "--key"]:
        parser.add_argument(name, type=pathlib.Path, required=True)
    for name in ["--user", "--password"]:
        parser.add_argument(name, required=True)
    for name in ["--smtps", "--starttls", "--anybody"]:
        parser.add_argument(name, type=int, required=True)
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    run()
