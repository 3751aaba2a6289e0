"""The crates that the program contains, with their licences: each text once, below those that it holds for.

    licences.py    (in the folder of Cargo.toml)

Crates that are only built with or tested with are left out, as are those for other machines.
"""

import json
import pathlib
import re
import subprocess

NAMES = re.compile(r"(un)?licen[cs]e|copying|notice|copyright", re.IGNORECASE)


def cargo(*words):
    return subprocess.run(["cargo", *words], check=True, stdout=subprocess.PIPE, text=True, timeout=120).stdout


def contained():
    """Name and version of each crate in the program."""
    tree = cargo("tree", "--locked", "--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}")
    found = set()
    for line in tree.splitlines():
        words = line.split()
        if words and words[0] != "vigie":
            found.add((words[0], words[1].removeprefix("v")))
    return found


def texts(folder):
    """What the files of a crate say of its licence."""
    paths = [path for path in sorted(folder.iterdir()) if path.is_file() and NAMES.match(path.name)]
    for path in paths:
        yield "\n".join(line.rstrip() for line in path.read_text(errors="replace").splitlines()).strip("\n")


def run():
    crates = contained()
    known = json.loads(cargo("metadata", "--locked", "--format-version", "1"))["packages"]
    packages = sorted(
        (package for package in known if (package["name"], package["version"]) in crates),
        key=lambda package: (package["name"], package["version"]),
    )
    assert len(packages) == len(crates) > 100, f"{len(packages)} of {len(crates)} crates are known"
    holders = {}
    print(f"The program contains {len(packages)} crates. Their licences, then the texts that come with them.\n")
    for package in packages:
        title = f"{package['name']} {package['version']}"
        print(f"{title}: {package['license'] or package['license_file']}")
        for text in texts(pathlib.Path(package["manifest_path"]).parent):
            holders.setdefault(text, []).append(title)
    for text, titles in sorted(holders.items(), key=lambda held: held[1]):
        print(f"\n{'=' * 80}\n{', '.join(titles)}\n\n{text}")


if __name__ == "__main__":
    run()
