"""One whole cycle of the daemon, for checks that break it off: values cross their limit, mail and webhook tell of it, the
values turn calm, and both tell of the end. Everything as in `crash.py`.
"""

import os
import pathlib
import random
import subprocess
import sys
import time

from check_deliveries import mail_receipts, webhook_receipts
from crash import ask, calm_down, config, open_attempts, wait_for_mail, write_record, write_values
from disk_full import page
from support import HERE, Daemon, MailServer, Sink, Traced, expect, free_port, wait_for

# Of each phase: start and telling, telling of the end, ending.
PHASE_S_MAX = 60
# From the start until the value crosses its limit, and from the decision to calm down until it does; the latter must
# reach the source before that second is asked for.
CROSSED_AFTER_S = 2
CALM_AFTER_S = 3
HORIZON_S = 4 * PHASE_S_MAX


class Cycle:
    """Servers, source and configuration of one cycle in a folder of its own; it can be played over several daemons."""

    def __init__(self, vigie, folder, servers, series=1):
        self.vigie, self.folder = vigie, pathlib.Path(folder)
        self.folder.mkdir(parents=True)
        self.state, self.listen, self.runs = self.folder / "state.db", free_port(), []
        self.mail = servers.enter_context(MailServer(self.folder / "smtp"))
        self.sink = servers.enter_context(Sink(self.folder))
        self.config = self.folder / "vigie.yaml"
        self.config.write_text(config(self.folder, self.mail, self.sink) + f"listen: 127.0.0.1:{self.listen}\n")
        self.start = int(time.time()) + 1
        crossed = self.start + CROSSED_AFTER_S
        self.stretches = {f"shop{number}": [[crossed, self.start + HORIZON_S]] for number in range(series)}
        write_values(self.folder / "values.db", random.Random(1), self.stretches, self.start - 60, self.start + HORIZON_S)

    def traced(self, what, calls="calls"):
        """A daemon under strace. Its tasks share one thread, so that strace, which counts for each thread, counts them all."""
        command = [self.vigie, "run", "--config", self.config]
        env = {**os.environ, "TOKIO_WORKER_THREADS": "1"}
        return self.take(Traced(command, self.folder / "vigie.log", self.folder / calls, what, cwd=self.folder, env=env))

    def plain(self):
        return self.take(Daemon(self.vigie, self.config, self.folder / "vigie.log", cwd=self.folder))

    def take(self, daemon):
        self.daemon, self.began = daemon, int(time.time() * 1000)
        return daemon

    def over(self, killed):
        """Notes that the daemon has ended."""
        run = {"start": self.began, "end": int(time.time() * 1000), "killed": killed}
        self.runs.append({**run, "open_attempts": open_attempts(self.state)})

    def told(self, state):
        """Both receivers know of it."""
        sinks = (webhook_receipts(self.folder), mail_receipts(self.folder))
        return all(any(state == said for each in sink for *_, said in each.alerts) for sink in sinks)

    def quiet(self):
        firing = ask(self.state, "SELECT count(*) FROM alert WHERE phase IN ('firing', 'pending')")
        queued = ask(self.state, "SELECT count(*) FROM delivery WHERE state = 'queued'")
        return firing == 0 and queued == 0

    def ready(self):
        return page(self.listen, "/readyz")[0] == 200

    def calm_down(self):
        calm = int(time.time()) + CALM_AFTER_S
        self.stretches = calm_down(self.folder / "values.db", self.stretches, calm)
        expect(time.time() < calm + 1, "the machine is too slow: the source changed after it may have been asked")

    def play(self, revive):
        """To its end; `revive()` is asked again and again, and says why not to go on, if so."""
        wait_for("both receivers are told of the firing", PHASE_S_MAX, lambda: self.told("firing"), revive)
        self.calm_down()
        wait_for("both receivers are told of the end", PHASE_S_MAX, lambda: self.told("resolved"), revive)
        wait_for("all outcomes are recorded", PHASE_S_MAX, self.quiet, revive)

    def judge(self):
        """Joins what everybody wrote; gives what the checker said."""
        wait_for_mail(self.folder, self.state, self.mail)
        write_record(self.folder, self.runs, self.start, self.stretches)
        checker = [sys.executable, "-B", HERE / "check_deliveries.py", self.folder]
        done = subprocess.run(checker, capture_output=True, text=True, timeout=PHASE_S_MAX, check=False)
        expect(done.returncode == 0, f"the checker found violations (folder {self.folder}):\n{done.stdout}{done.stderr}")
        expect(ask(self.state, "PRAGMA integrity_check") == "ok", f"the database is damaged (folder {self.folder})")
        return done.stdout
