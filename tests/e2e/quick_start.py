"""The README's own-numbers quick start, run as it stands in an empty home.

    quick_start.py --vigie BIN --readme README.md --dir DIR

`vigie run` is ended by SIGTERM once the mail has arrived; then `read_mail.py` finds the figures in it that Python
computes from the table.
"""

import argparse
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

from support import HERE, Child, expect, main, new_mails, wait_for

MARK = "<!-- quick start"


def quick_start(readme):
    """The shell block behind the mark, verbatim."""
    found = re.search(re.escape(MARK) + r"[^\n]*-->\n```sh\n(.*?)\n```", readme.read_text(), re.DOTALL)
    expect(found, f"{readme} has no ```sh block behind `{MARK} ... -->`")
    block = found.group(1)
    expect(block.rstrip().splitlines()[-1].startswith("vigie run"), "the quick start does not end with `vigie run`")
    return block


def child_named(parent, name):
    """Process id of a child by its program's name."""
    for status in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            head, _, rest = status.read_text().rpartition(")")
        except OSError:
            continue
        pid, _, comm = head.partition(" (")
        if comm == name and int(rest.split()[1]) == parent:
            return int(pid)
    return None


def run():
    parser = argparse.ArgumentParser()
    parser.add_argument("--vigie", type=pathlib.Path, required=True)
    parser.add_argument("--readme", type=pathlib.Path, required=True)
    parser.add_argument("--dir", type=pathlib.Path, required=True)
    options = parser.parse_args()
    tools, home = options.dir / "bin", options.dir / "home"
    tools.mkdir(parents=True)
    home.mkdir()
    (tools / "vigie").symlink_to(options.vigie.resolve())
    script = options.dir / "quick-start.sh"
    script.write_text(quick_start(options.readme))
    environment = {"HOME": str(home), "PATH": f"{tools}:{os.environ['PATH']}"}
    command = ["bash", "-euo", "pipefail", script.resolve()]
    with Child(command, options.dir / "output.log", cwd=home, env=environment) as shell:
        wait_for("a mail in mails/new", 60, lambda: new_mails(home / "mails"), shell.ended)
        # More mails would be too many.
        time.sleep(2)
        daemon = child_named(shell.process.pid, "vigie")
        expect(daemon, f"`vigie run` is no longer running:\n{shell.tail()}")
        os.kill(daemon, signal.SIGTERM)
        code = shell.process.wait(20)
        expect(code == 0, f"the quick start ended with {code} after SIGTERM:\n{shell.tail()}")
    mails = new_mails(home / "mails")
    expect(len(mails) == 1, f"the quick start gave {len(mails)} mails, not one")
    expect(not (home / ".config").exists(), "something was written outside the folder")
    reader = [sys.executable, HERE / "read_mail.py", mails[0], "--csv", home / "ventes.csv"]
    reader += ["--config", home / "vigie.yaml"]
    expect(subprocess.run(reader, check=False).returncode == 0, "the mail does not say what the table says")
    print("quick start: one mail, with the figures of the table")


if __name__ == "__main__":
    main(run)
