"""Mail over TLS to a real mail server, with a certificate of a private authority.

    mail_tls.py --vigie BIN --dir DIR

The server of `mail_sink.py` listens with TLS from the first byte (AUTH required), with STARTTLS (AUTH required) and
with STARTTLS for anybody. Through each the mail arrives once, encrypted and by whom it should be. With another authority
nothing arrives, and `vigie deliveries` and `vigie check --connect` say that it is the certificate.
"""

import argparse
import datetime
import json
import os
import pathlib
import subprocess
import time

from support import HERE, INSTALL, Child, Daemon, answers, expect, free_port, main, new_mails, program, read_lines
from support import read_mail, text_part, wait_for

USER, PASSWORD = "vigie", "Tr0mpe-l-oeil"
KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
# Debian's own, which finds Debian's aiosmtpd.
PYTHON = "/usr/bin/python3"


def openssl(folder, *words):
    done = subprocess.run([program("openssl", "openssl"), *words], cwd=folder, capture_output=True, text=True, check=False)
    expect(done.returncode == 0, f"openssl {words[0]}: {done.stderr}")


def make_authority(folder, name):
    openssl(folder, "req", "-x509", *KEY, "-keyout", f"{name}.key", "-out", f"{name}.pem", "-days", "2",
            "-subj", f"/CN=Vigie test {name}")


def make_certificates(folder):
    """ca.pem signs server.pem for `localhost`; other-ca.pem signs nothing."""
    folder.mkdir()
    make_authority(folder, "ca")
    make_authority(folder, "other-ca")
    openssl(folder, "req", *KEY, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
    (folder / "names.cnf").write_text("subjectAltName = DNS:localhost\n")
    openssl(folder, "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-days", "2", "-extfile", "names.cnf", "-out", "server.pem")
    return folder


class MailSink(Child):
    """The mail server of `mail_sink.py`, its ports by name."""

    def __init__(self, folder, certificates):
        self.folder, self.mails = folder, folder / "mails"
        folder.mkdir()
        known = subprocess.run([PYTHON, "-c", "import aiosmtpd"], capture_output=True, check=False)
        expect(known.returncode == 0, f"aiosmtpd is not installed; run: {INSTALL} python3-aiosmtpd")
        self.ports = {name: free_port() for name in ["smtps", "starttls", "anybody"]}
        command = [PYTHON, "-B", HERE / "mail_sink.py", "--dir", self.mails, "--user", USER, "--password", PASSWORD]
        command += ["--cert", certificates / "server.pem", "--key", certificates / "server.key"]
        for name, port in self.ports.items():
            command += [f"--{name}", port]
        super().__init__(command, folder / "sink.log")
        wait_for("the mail server answers", 20, lambda: all(map(answers, self.ports.values())), self.ended)

    def receipts(self):
        return read_lines(self.mails / "log.jsonl")


def configuration(port, tls, ca, login):
    login = f", user: {USER}, password: {{env: MAIL_PASSWORD}}" if login else ""
    today = datetime.datetime.now(datetime.timezone.utc).date()
    first, last = today - datetime.timedelta(days=30), today + datetime.timedelta(days=30)
    return f"""timezone: UTC
language: en
state: sqlite:state.db
control: control.sock

mail:
  from: Vigie <vigie@example.test>
  # Relative to this file.
  smtp: {{host: localhost, port: {port}, tls: {tls}, ca: ../certificates/{ca}{login}}}

people:
  claire: {{mail: claire@example.test}}

sources:
  sales: {{csv: {{path: ventes.csv}}}}

kpis:
  revenue:
    title: Revenue
    category: financial
    unit: EUR
    source: sales
    query: {{time: date, value: total}}

objectives:
  sales-drive:
    kpi: revenue
    statement: Sell for 60,000 euros
    reach: 60000
    period: {{from: {first}, to: {last}}}
    trajectory: linear

rules:
  off-trajectory:
    script: objective/off_trajectory
    on: [revenue]

receivers:
  claire: {{email: {{to: [claire]}}}}

route:
  to: claire
  group: {{wait: 0s}}
"""


def prepare(folder, *settings):
    """A configuration's folder with sixty days of sales that are far from their objective."""
    folder.mkdir()
    today = datetime.datetime.now(datetime.timezone.utc).date()
    days = [today - datetime.timedelta(days=ago) for ago in range(60, 0, -1)]
    (folder / "ventes.csv").write_text("date;total\n" + "".join(f"{day};500,00\n" for day in days))
    (folder / "vigie.yaml").write_text(configuration(*settings))
    return folder


ENVIRONMENT = {**os.environ, "MAIL_PASSWORD": PASSWORD}


def asked(vigie, folder, *words):
    """What a command of Vigie prints; started elsewhere, so that relative paths must not depend on it."""
    command = [vigie, *words, "--config", folder / "vigie.yaml"]
    return subprocess.run(command, cwd="/", env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False)


def deliveries(vigie, folder):
    done = asked(vigie, folder, "deliveries", "--format", "json")
    if done.returncode != 0:
        return []
    return [json.loads(line) for line in done.stdout.splitlines()]


def start(vigie, folder):
    return Daemon(vigie, folder / "vigie.yaml", folder / "vigie.log", cwd="/", env=ENVIRONMENT)


def arrives_once(vigie, folder, server, user):
    """The mail comes once, over TLS and by that user, and is counted as sent."""
    before = new_mails(server.mails)
    with start(vigie, folder) as daemon:
        wait_for("a mail over TLS", 60, lambda: len(new_mails(server.mails)) > len(before), daemon.ended)
        # More mails would be too many.
        time.sleep(2)
        code = daemon.stop()
        expect(code == 0, f"the daemon ended with {code} after SIGTERM:\n{daemon.tail()}")
    came = [path for path in new_mails(server.mails) if path not in before]
    expect(len(came) == 1, f"{folder.name}: {len(came)} mails came, not one")
    letter = read_mail(came[0])
    expect("claire@example.test" in letter["To"], f"{folder.name}: the mail is to {letter['To']}")
    expect(letter["X-Vigie-State"] == "firing" and "Revenue" in letter["Subject"], f"unexpected: {letter['Subject']}")
    expect("Revenue" in text_part(letter), f"{folder.name}: the mail does not name the KPI")
    receipt = server.receipts()[-1]
    version = receipt.pop("tls")
    expect(version in ("TLSv1.2", "TLSv1.3"), f"{folder.name}: the mail came with {version}")
    wanted = {"listener": folder.name, "user": user, "from": "vigie@example.test", "to": ["claire@example.test"]}
    expect(receipt == wanted, f"{folder.name}: the mail came as {receipt}")
    found = deliveries(vigie, folder)
    expect([each["state"] for each in found] == ["sent"], f"{folder.name}: deliveries are {found}")
    return version


def is_refused(vigie, folder, server):
    """Nothing comes; the cause says certificate wherever it is asked for, and is not tried again at once."""
    before = server.receipts()
    with start(vigie, folder) as daemon:
        tried = lambda: [each for each in deliveries(vigie, folder) if each["attempts"] and each["note"]]
        found = wait_for("a delivery that failed", 60, tried, daemon.ended)
        time.sleep(2)
        again = deliveries(vigie, folder)
        shown = asked(vigie, folder, "deliveries").stdout
        expect(daemon.stop() == 0, f"the daemon did not end in order:\n{daemon.tail()}")
    note = found[0]["note"]
    for part in ["mail server localhost:", "certificate is signed by an authority that is not trusted", "mail.smtp.ca"]:
        expect(part in note, f"{folder.name}: the cause lacks {part!r}: {note}")
    expect("certificate" in shown, f"{folder.name}: `vigie deliveries` does not say why:\n{shown}")
    expect(PASSWORD not in shown + daemon.log.read_text(), f"{folder.name}: the password is shown")
    states = [(each["state"], each["attempts"]) for each in again]
    expect(states == [("queued", 1)], f"{folder.name}: deliveries are {states}, not one that waits after one try")
    expect(server.receipts() == before and len(new_mails(server.mails)) == len(before), f"{folder.name}: a mail came")
    probed = asked(vigie, folder, "check", "--connect")
    expect(probed.returncode == 1, f"{folder.name}: `vigie check --connect` ended with {probed.returncode}")
    expect("certificate" in probed.stdout, f"{folder.name}: `vigie check --connect` says {probed.stdout}")


def run():
    parser = argparse.ArgumentParser()
    parser.add_argument("--vigie", type=pathlib.Path, required=True)
    parser.add_argument("--dir", type=pathlib.Path, required=True)
    options = parser.parse_args()
    vigie, folder = options.vigie.resolve(), options.dir.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    certificates = make_certificates(folder / "certificates")
    with MailSink(folder / "smtp", certificates) as server:
        versions = set()
        for name, tls, login in [("smtps", "implicit", True), ("starttls", "starttls", True), ("anybody", "starttls", False)]:
            place = prepare(folder / name, server.ports[name], tls, "ca.pem", login)
            probed = asked(vigie, place, "check", "--connect")
            expect(probed.returncode == 0, f"{name}: `vigie check --connect`: {probed.stdout}{probed.stderr}")
            versions.add(arrives_once(vigie, place, server, USER if login else None))
        for name, tls in [("smtps", "implicit"), ("starttls", "starttls")]:
            place = prepare(folder / f"wrong-{name}", server.ports[name], tls, "other-ca.pem", True)
            is_refused(vigie, place, server)
    print(f"mail over TLS: once by each of three ways ({', '.join(sorted(versions))}), by none with another authority")


if __name__ == "__main__":
    main(run)
