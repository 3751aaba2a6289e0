"""Servers of Debian on loopback, each with data, certificates and sockets of its own.

Both database servers take connections over TCP only when encrypted, by a certificate of the private authority `ca.pem`.
"""

import contextlib
import glob
import json
import os
import pathlib
import shutil
import subprocess
import urllib.request

from support import Child, answers, expect, free_port, program, wait_for

# It must not turn up in any output.
PASSWORD = "canary-9f/3:a@x"
PASSWORD_IN_URL = "canary-9f%2F3%3Aa%40x"
KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


def run(command, text=None, user=None):
    command = ["runuser", "-u", user, "--", *command] if user else command
    done = subprocess.run([str(part) for part in command], input=text, capture_output=True, text=True, check=False,
                          cwd="/")
    expect(done.returncode == 0, f"{command[0]} ended with {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout


def make_certificates(folder):
    """ca.pem signs server.pem for `localhost`; other-ca.pem signs nothing. Both hold for ten years."""
    folder.mkdir()
    openssl = program("openssl", "openssl")

    def call(*words):
        done = subprocess.run([openssl, *words], cwd=folder, capture_output=True, text=True, check=False)
        expect(done.returncode == 0, f"openssl {words[0]}: {done.stderr}")

    for name in ["ca", "other-ca"]:
        call("req", "-x509", *KEY, "-keyout", f"{name}.key", "-out", f"{name}.pem", "-days", "3650", "-subj",
             f"/CN=Vigie test {name}")
    call("req", *KEY, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
    (folder / "names.cnf").write_text("subjectAltName = DNS:localhost, IP:127.0.0.1\n")
    call("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "3650",
         "-extfile", "names.cnf", "-out", "server.pem")
    return folder


def open_to_all(folder):
    """Servers run as users of their own, who must be able to enter the folders above."""
    for above in [folder, *folder.parents]:
        mode = above.stat().st_mode
        if not mode & 0o001:
            above.chmod(mode | 0o011)


class Server:
    """One database server that can be stopped and started again, with a user `vigie` who may only read."""

    scheme = None
    child = None

    def start(self):
        self.child = Child(self.command(), self.folder / "server.log")
        self.child.name = self.scheme
        wait_for(f"{self.scheme} answers", 60, lambda: answers(self.port), self.child.ended)
        wait_for(f"{self.scheme} is ready", 60, self.is_ready, self.child.ended)

    def stop(self):
        if self.child:
            self.child.stop(40)
            self.child = None

    def url(self):
        return f"{self.scheme}://vigie:{PASSWORD_IN_URL}@localhost:{self.port}/shop"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.child:
            self.child.__exit__()


class Postgres(Server):
    scheme = "postgres"

    def __init__(self, folder, certificates):
        places = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
        program(places[-1] + "/initdb" if places else "initdb", "postgresql")
        expect(os.geteuid() == 0, "the database servers run as users of their own, so this check must run as root")
        self.bin, self.folder, self.port = pathlib.Path(places[-1]), pathlib.Path(folder), free_port()
        self.folder.mkdir()
        open_to_all(self.folder)
        shutil.chown(self.folder, "postgres")
        self.data = self.folder / "data"
        run([self.bin / "initdb", "--pgdata", self.data, "--auth=trust", "--encoding=UTF8", "--locale=C"], user="postgres")
        for name in ["server.pem", "server.key"]:
            shutil.copy(certificates / name, self.data / name)
            shutil.chown(self.data / name, "postgres")
            (self.data / name).chmod(0o600)
        (self.data / "pg_hba.conf").write_text("local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n")
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as file:
            file.write(
                f"listen_addresses = '127.0.0.1'\nport = {self.port}\nunix_socket_directories = '{self.folder}'\n"
                "ssl = on\nssl_cert_file = 'server.pem'\nssl_key_file = 'server.key'\nfsync = off\n"
                "timezone = 'America/New_York'\n"
            )
        self.start()
        self.sql("CREATE DATABASE shop", base="postgres")
        self.sql(f"CREATE USER vigie PASSWORD '{PASSWORD}'")

    def command(self):
        return ["runuser", "-u", "postgres", "--", self.bin / "postgres", "-D", self.data]

    def stop(self):
        # `runuser` passes SIGTERM on, which waits for clients; they are to be cut off.
        if self.child:
            run([self.bin / "pg_ctl", "stop", "-D", self.data, "-m", "fast", "-w"], user="postgres")
            self.child.process.wait(40)
            self.child = None

    def is_ready(self):
        command = [self.bin / "pg_isready", "-h", self.folder, "-p", self.port, "-q"]
        return subprocess.run([str(part) for part in command], check=False).returncode == 0

    def sql(self, text, base="shop"):
        command = [self.bin / "psql", "-h", self.folder, "-p", self.port, "-U", "postgres", "-d", base, "-qAt",
                   "-v", "ON_ERROR_STOP=1"]
        return run(command, text + ";\n")


class MariaDb(Server):
    scheme = "mysql"

    def __init__(self, folder, certificates):
        self.server = program("mariadbd", "mariadb-server")
        install, self.client = program("mariadb-install-db", "mariadb-server"), program("mariadb", "mariadb-client")
        zones = program("mariadb-tzinfo-to-sql", "mariadb-server")
        expect(os.geteuid() == 0, "the database servers run as users of their own, so this check must run as root")
        self.folder, self.port, self.certificates = pathlib.Path(folder), free_port(), certificates
        self.folder.mkdir()
        open_to_all(self.folder)
        shutil.chown(self.folder, "mysql")
        self.data, self.socket = self.folder / "data", self.folder / "s.sock"
        run([install, "--no-defaults", "--user=mysql", f"--datadir={self.data}", "--skip-test-db",
             "--auth-root-authentication-method=normal"])
        for name in ["ca.pem", "server.pem", "server.key"]:
            shutil.copy(certificates / name, self.data / name)
            shutil.chown(self.data / name, "mysql")
        self.start()
        self.sql("CREATE DATABASE shop", base="mysql")
        self.sql(f"CREATE USER vigie@localhost IDENTIFIED BY '{PASSWORD}'")
        self.sql("GRANT SELECT ON shop.* TO vigie@localhost")
        self.zones = run([zones, "/usr/share/zoneinfo/Europe/Paris", "Europe/Paris"])

    def command(self):
        return [self.server, "--no-defaults", "--user=mysql", f"--datadir={self.data}", f"--socket={self.socket}",
                f"--port={self.port}", "--bind-address=127.0.0.1", f"--ssl-ca={self.data}/ca.pem",
                f"--ssl-cert={self.data}/server.pem", f"--ssl-key={self.data}/server.key",
                "--require-secure-transport=ON", "--default-time-zone=-05:00", "--skip-log-bin",
                "--character-set-server=utf8mb4", "--innodb-flush-log-at-trx-commit=0"]

    def is_ready(self):
        command = [self.client, "--no-defaults", f"--socket={self.socket}", "-uroot", "-e", "SELECT 1"]
        return subprocess.run([str(part) for part in command], capture_output=True, check=False).returncode == 0

    def sql(self, text, base="shop"):
        command = [self.client, "--no-defaults", f"--socket={self.socket}", "-uroot", "-N", "-B", "-D", base]
        return run(command, text + ";\n")

    def load_zones(self):
        """Until then the server knows distances from UTC only."""
        self.sql(self.zones, base="mysql")


def write_blocks(samples, data, *options):
    """Makes the data of a Prometheus from OpenMetrics text."""
    command = [program("promtool", "prometheus"), "tsdb", "create-blocks-from", *options, "openmetrics", samples, data]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    expect(done.returncode == 0, f"promtool could not write the samples: {done.stderr}")


class Prometheus(Child):
    """A Prometheus that holds what `write_samples(path)` writes, if that is given; without settings it collects nothing."""

    def __init__(self, folder, write_samples, *options, settings=None):
        server = program("prometheus", "prometheus")
        folder.mkdir(exist_ok=True)
        if write_samples:
            samples = folder / "samples.txt"
            write_samples(samples)
            write_blocks(samples, folder / "data", *options)
        self.config = folder / "prometheus.yml"
        # JSON is YAML.
        self.config.write_text(json.dumps(settings or {}))
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        command = [server, f"--config.file={self.config}", f"--storage.tsdb.path={folder}/data"]
        command += [f"--web.listen-address=127.0.0.1:{self.port}", "--storage.tsdb.retention.time=400d"]
        super().__init__(command, folder / "prometheus.log")
        wait_for("prometheus is ready", 60, self.ready, self.ended)

    def ready(self):
        with contextlib.suppress(OSError):
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=2) as answer:
                return answer.status == 200
        return False
