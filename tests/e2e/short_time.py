"""Alert rules of Prometheus in shortened time: ranges, ages and the time for which they must hold, and nothing else.

What is not known to keep its meaning is refused, and so is a rule file of another form: `rate`, `offset` or a bare number of
seconds would say something else in shortened time.
"""

import re

from support import Failed, expect

# An hour becomes 12 s, five minutes 1 s, and 14 days a little more than an hour: ranges still hold several scrapes.
FACTOR = 300
UNITS_MS = {"s": 1000, "m": 60_000, "h": 3_600_000}
# All that an expression may be made of besides durations and ages: none of it has a unit of time.
WORDS = {"absent", "up", "job", "or", "and", "increase", "sum", "by", "instance", "channel"}
NUMBERS = {"0", "1", "0.01"}
# How long something has lasted, or has left, against a number of seconds (`3600`, `14 * 86400`); nothing else is reckoned
# with either.
AGE = re.compile(
    r"((?:^|\(|\band|\bor) *(?:time\(\) - \w+|\w+ - time\(\)) [<>] )(\d+(?: \* \d+)*)(?= *(?:$|\)|and\b|or\b))"
)

ACCEPTED = {
    "increase(vigie_x[1h]) > 0": "increase(vigie_x[12000ms]) > 0",
    "time() - vigie_x > 3600 and vigie_y > 0": "time() - vigie_x > 12 and vigie_y > 0",
    "(vigie_x - time() < 14 * 86400)": "(vigie_x - time() < 4032)",
}
REFUSED = [
    "rate(vigie_x[1h]) > 0", "vigie_x offset 1h > 0", "increase(vigie_x[1h:1m]) > 0", "increase(vigie_x[1w]) > 0",
    "increase(vigie_x[7s]) > 0", "timestamp(vigie_x) > 0", "vigie_x > 3600", "time() > 1", "vigie_x - time()",
    "vigie_x < time() - 3600", "vigie_x - time() < 14 * vigie_y", "vigie_x - time() > 0.01 * 5",
    "vigie_x - time() < 14 * 86400 / 2", "vigie_x - time() < 60 + vigie_y", "vigie_y + vigie_x - time() < 60",
]


def shortened(duration):
    """`5m` as milliseconds in shortened time."""
    parts = re.fullmatch(r"(\d+)([smh])", duration)
    expect(parts, f"`{duration}` is no duration that this check knows to shorten")
    whole = int(parts[1]) * UNITS_MS[parts[2]]
    expect(whole % FACTOR == 0, f"`{duration}` can't be divided by {FACTOR}")
    return f"{whole // FACTOR}ms"


def shorten_seconds(text):
    """`14 * 86400` in shortened time."""
    seconds = 1
    for part in text.split(" * "):
        seconds *= int(part)
    return f"{seconds / FACTOR:g}"


def shorten_expression(text):
    """Ranges (`[1h]`) and ages in seconds are shortened; anything else must be free of time."""
    text = re.sub(r"\[([^]]*)\]", lambda found: f"[{shortened(found[1])}]", text)
    rest = re.sub(r"\[\d+ms\]", "", AGE.sub("(", text))
    for token in re.findall(r'"[^"]*"|[\w.]+|\S', rest):
        known = token in WORDS or token in NUMBERS or re.fullmatch(r'vigie_[a-z_]+|"[^"]*"|[(){}=><*+,]', token)
        expect(known, f"`{token}` in an expression is of no form that this check knows to shorten: {text.strip()}")
    return AGE.sub(lambda found: found[1] + shorten_seconds(found[2]), text)


def shorten(text):
    """The rule file in shortened time, and the names of its alerts. Line by line: what is not known is refused."""
    names, out, block = [], [], None
    for number, line in enumerate(text.splitlines(), 1):
        words, indent = line.strip(), len(line) - len(line.lstrip())
        if block and words and indent <= block[1]:
            block = None
        if block or not words or words.startswith("#"):
            out.append(shorten_expression(line) if block and block[0] == "expr" else line)
            continue
        key, _, value = words.removeprefix("- ").partition(":")
        value = value.strip()
        if key == "alert":
            names.append(value)
        elif key == "for":
            line = line.replace(value, shortened(value))
        elif key == "expr":
            line = line.replace(value, shorten_expression(value)) if value != "|" else line
            block = (key, indent)
        elif key == "annotations":
            block = (key, indent)
        else:
            known = words in ("groups:", "rules:") or key in ("name", "labels")
            expect(known, f"line {number}: this check does not know to shorten `{words}`")
        out.append(line)
    return "\n".join(out) + "\n", names


def prove():
    """What has a known form is shortened as written here, and what has none is refused."""
    for text, wanted in ACCEPTED.items():
        found = shorten_expression(text)
        expect(found == wanted, f"`{text}` is shortened to `{found}`, not to `{wanted}`")
    for text in REFUSED:
        try:
            found = shorten_expression(text)
        except Failed:
            continue
        raise Failed(f"`{text}` is shortened to `{found}`, though its meaning is not known")
