"""The table of faults, from what the suite has shown: fault, what happens, how long until the service works again.

    fault_table.py --rows FILE [--write | --check]

Each script of the suite keeps its rows (`report_fault` in support.py) in the file that VIGIE_FAULT_ROWS names. `--write`
makes `contrib/faults.md` of them; a script without rows keeps what the document has. `--check` fails where the document
lacks a row, has one that its script no longer shows, or says other words. Times are of the run that wrote it, and not
compared.
"""

import argparse
import math
import pathlib
import re

from support import HERE, expect, main, read_lines

DOCUMENT = HERE.parent.parent / "contrib" / "faults.md"
HEAD = """# Faults

What happens when something breaks, as the end-to-end suite shows it, and how long after the mending the service is ready
and steps slots again (in a configuration with a slot each second). `tests/e2e/fault_table.py` writes this page from what
the suite has shown. Faults of a source are in `tests/e2e/faults.py`, their messages in `tests/e2e/golden`. `DIR`, `N`, `PORT`
and `TIME` stand for what differs from run to run.
"""
# Of the sections, in this order; others follow.
SCRIPTS = ["state_faults.py", "disk_full.py", "disk_error.py", "crash.py", "lifecycle.py", "hostile.py"]
COLUMNS = "| fault | what happens | recovery |\n|---|---|---|\n"


def code(line):
    """A line as code within a table's cell."""
    fence = "``" if "`" in line else "`"
    space = " " if "`" in line else ""
    return f"{fence}{space}{line}{space}{fence}".replace("|", "\\|")


def happens(row):
    lines = [line for line in row["message"].split("\n") if line.strip()]
    return "<br>".join([row["happens"].replace("|", "\\|"), *map(code, lines)])


def rounded(seconds):
    if seconds is None:
        return "nothing to mend"
    if seconds >= 3000:
        return f"{round(seconds / 3600)} h"
    if seconds >= 90:
        return f"{round(seconds / 60)} min"
    return f"{max(1, math.ceil(seconds - 0.5))} s"


def lines_of(rows):
    return [f"| {row['fault']} | {happens(row)} | {rounded(row['recovery_seconds'])} |" for row in rows]


def sections():
    """Lines of the document's tables by script."""
    found, script = {}, None
    for line in DOCUMENT.read_text().splitlines() if DOCUMENT.exists() else []:
        heading = re.fullmatch(r"## `tests/e2e/(.*)`", line)
        if heading:
            script = heading[1]
            found[script] = []
        elif script and line.startswith("| ") and line != COLUMNS.splitlines()[0]:
            found[script].append(line)
    return found


def without_time(line):
    return line.rpartition(" | ")[0]


def compare(shown, document):
    """What differs between what a script has shown and what its section says."""
    by_fault = {line.split(" | ")[0]: line for line in document}
    for line in shown:
        fault = line.split(" | ")[0]
        written = by_fault.pop(fault, None)
        if written is None:
            yield f"the document lacks the row {line}"
        elif without_time(written) != without_time(line):
            yield f"the document says\n  {written}\nwhere the suite shows\n  {line}"
    yield from (f"the document has a row that was not shown: {line}" for line in by_fault.values())


def run():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", required=True)
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--write", action="store_true")
    how.add_argument("--check", action="store_true")
    options = parser.parse_args()
    rows, by_script = read_lines(options.rows), {}
    expect(rows, f"{options.rows} holds no rows")
    for row in rows:
        # Of a script that was run twice the last run counts.
        by_script.setdefault(row["by"], {})[row["fault"]] = row
    shown = {script: lines_of(found.values()) for script, found in by_script.items()}
    document = sections()
    if options.check:
        wrong = [f"{script}: {each}" for script, lines in shown.items() for each in compare(lines, document.get(script, []))]
        expect(not wrong, "\n".join([*wrong, "write it anew: tests/e2e/fault_table.py --write"]))
        print(f"{DOCUMENT.name}: {sum(map(len, shown.values()))} rows are as shown")
        return
    document.update(shown)
    order = sorted(document, key=lambda script: (SCRIPTS.index(script) if script in SCRIPTS else len(SCRIPTS), script))
    tables = [f"\n## `tests/e2e/{script}`\n\n{COLUMNS}" + "".join(f"{line}\n" for line in document[script]) for script in order]
    DOCUMENT.write_text(HEAD + "".join(tables))
    print(f"{DOCUMENT.name}: {sum(map(len, document.values()))} rows")


if __name__ == "__main__":
    main(run)
