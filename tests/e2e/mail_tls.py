"""Mail over TLS to a real mail server, with a certificate of a private authority.

    mail_tls.py --vigie BIN --dir DIR

OpenSMTPD listens with TLS from the first byte (AUTH required), with STARTTLS (AUTH required) and with STARTTLS for
anybody. Through each the mail arrives once, and the server's own `Received` header says how it came. With another
authority nothing arrives, and `vigie deliveries` and `vigie check --connect` say that it is the certificate.
"""

import argparse
import datetime
import json
import os
import pathlib
import subprocess
import time

from support import Daemon, MailServer, expect, main, new_mails, program, read_mail, text_part, wait_for

USER, PASSWORD = "vigie", "Tr0mpe-l-oeil"
KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


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
    (folder / "server.key").chmod(0o600)
    return folder


def start_server(folder, certificates):
    hashed = subprocess.run([program("smtpctl", "opensmtpd"), "encrypt", PASSWORD], capture_output=True, text=True, check=True)
    before = (
        f'pki localhost cert "{certificates}/server.pem"\n'
        f'pki localhost key "{certificates}/server.key"\n'
        f'table users {{ {USER} = "{hashed.stdout.strip()}" }}\n'
    )
    listeners = ["smtps pki localhost auth <users>", "tls-require pki localhost auth <users>", "tls-require pki localhost"]
    return MailServer(folder, listeners, before)


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


def arrives_once(vigie, folder, mails, protocol):
    """The mail comes once, as the server itself says over TLS, and is counted as sent."""
    before = set(new_mails(mails))
    with start(vigie, folder) as daemon:
        wait_for("a mail over TLS", 60, lambda: set(new_mails(mails)) - before, daemon.ended)
        # More mails would be too many.
        time.sleep(2)
        code = daemon.stop()
        expect(code == 0, f"the daemon ended with {code} after SIGTERM:\n{daemon.tail()}")
    came = set(new_mails(mails)) - before
    expect(len(came) == 1, f"{folder.name}: {len(came)} mails came, not one")
    letter = read_mail(came.pop())
    expect("claire@example.test" in letter["To"], f"{folder.name}: the mail is to {letter['To']}")
    expect(letter["X-Vigie-State"] == "firing" and "Revenue" in letter["Subject"], f"unexpected: {letter['Subject']}")
    expect("Revenue" in text_part(letter), f"{folder.name}: the mail does not name the KPI")
    received = " ".join(letter["Received"].split())
    expect(f"with {protocol} (TLS" in received, f"{folder.name}: the server says it came as {received!r}")
    found = deliveries(vigie, folder)
    expect([each["state"] for each in found] == ["sent"], f"{folder.name}: deliveries are {found}")
    return received.split("(TLS")[1].split(":")[0]


def is_refused(vigie, folder, mails):
    """Nothing comes; the cause says certificate wherever it is asked for, and is not tried again at once."""
    before = new_mails(mails)
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
    expect(new_mails(mails) == before, f"{folder.name}: a mail came")
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
    with start_server(folder / "smtp", certificates) as server:
        smtps, starttls, anybody = server.ports
        versions = set()
        for name, port, tls, login, protocol in [
            ("smtps", smtps, "implicit", True, "ESMTPSA"),
            ("starttls", starttls, "starttls", True, "ESMTPSA"),
            ("anybody", anybody, "starttls", False, "ESMTPS"),
        ]:
            place = prepare(folder / name, port, tls, "ca.pem", login)
            probed = asked(vigie, place, "check", "--connect")
            expect(probed.returncode == 0, f"{name}: `vigie check --connect`: {probed.stdout}{probed.stderr}")
            versions.add(arrives_once(vigie, place, server.mails, protocol))
        for name, port, tls in [("wrong-smtps", smtps, "implicit"), ("wrong-starttls", starttls, "starttls")]:
            is_refused(vigie, prepare(folder / name, port, tls, "other-ca.pem", True), server.mails)
    print(f"mail over TLS: arrived once by each of three ways ({', '.join(sorted(versions))}), by none with another authority")


if __name__ == "__main__":
    main(run)
