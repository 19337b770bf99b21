#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/providers.md says in one table what each provider supports, and names a test in each cell. Here is checked that
the test is there, and that it shows what the row says.

A cell is `01` (tests/golden/<provider>/01-*), `send/02` (tests/golden/<provider>/send/02-*) or the name of a unit test;
"no" before it: the network, or its API, has no such thing, and the test shows what happens instead; a dash: there is
nothing to show.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "tests" / "golden"
PAGE = ROOT / "docs" / "providers.md"
HEADING = "## What is supported"
PROVIDERS = ("unipile", "instagram", "messenger", "whatsapp", "telegram", "x")


def kind(name):
    return rf'"kind": "{name}"'


def part(name):
    return rf'"parts": \[[\s\S]*"type": "{name}"'


def outcome(name):
    return rf'"outcome": "{name}"'


REQUEST = '"request": '
# Row -> what must stand in the golden file's out.json, and (sending) in its in.json.
ROWS = {
    "text": kind("message") + r'[\s\S]*"text": "',
    "image": part("image"),
    "video": part("video"),
    "audio, voice": part("audio"),
    "document": part("file"),
    "sticker": part("sticker"),
    "location": part("location"),
    "contact": part("contact"),
    "story mention": part("story_mention"),
    "reply to a story": '"story_id"',
    "shared post": part("share"),
    "answer to a message": '"reply_to": "',
    "quick reply, button": '"payload": "',
    "choice of a list, form": '"payload": "',
    "postback": kind("postback"),
    "order": part("order"),
    "status of a template": kind("account_status") + r'[\s\S]*"provider_status": "APPROVED"',
    "reaction added": kind("reaction") + r'[\s\S]*"text": "',
    "reaction removed": kind("reaction") + r'(?![\s\S]*"text": ")',
    "edit": kind("edited"),
    "deletion": kind("deleted"),
    "echo of our side": kind("message") + r'[\s\S]*"direction": "out"',
    "sent": kind("sent"),
    "delivered": kind("delivered"),
    "read": kind("read"),
    "played": kind("played"),
    "failed, with the reason": kind("failed") + r'[\s\S]*"reason": "',
    "typing": kind("typing"),
    "message of a group": '"is_group": true',
    "referral": '"referral": "',
    "opt-in": kind("optin"),
    "comment": kind("comment"),
    "handover": kind("handover"),
    "system message": kind("system"),
    "account connected": kind("account_status") + r'[\s\S]*"status": "ok"',
    "credentials expired, permission revoked": kind("account_status") + r'[\s\S]*"status": "auth_required"',
    "account limited or blocked": kind("account_status") + r'[\s\S]*"(status|provider_status)": "',
    "unknown, kept whole": kind("unknown"),
    "several in one body": r'("kind": [\s\S]*){2}',
    "invalid UTF-8": "\ufffd",
    "NUL, lone surrogates": "\ufffd",
    "numbers as ids": r'"(sender|account|conversation|external_id)": "[-0-9:]+',
    "nested too deep": "64 levels",
    "duplicate keys": '"kind": ',
    "times to UTC milliseconds": r'"at_ms": [0-9]{13}',
    "phone number in E.164": r'phone"?: ?"\+[0-9]{8,15}"',
    "username": "handle",
    "send text": (REQUEST, "text"),
    "send an image, by address": (REQUEST, "image"),
    "send a video": (REQUEST, "video"),
    "send audio, voice": (REQUEST, "audio|voice"),
    "send a document": (REQUEST, "file"),
    "upload a file": (REQUEST, '"file": |"ref": '),
    "several files in one message": (REQUEST, r'("type": "(image|file|video)"[\s\S]*){2}'),
    "send a sticker": (REQUEST, "sticker"),
    "send a location": (REQUEST, '"location"'),
    "reply": (REQUEST, "reply_to"),
    "react": (REQUEST, '"reaction"'),
    "take a reaction away": (REQUEST, '"reaction"'),
    "mark as read": (REQUEST, '"read"'),
    "show typing": (REQUEST, '"typing"'),
    "quick replies, buttons": (REQUEST, '"choices"'),
    "a list, a link": (REQUEST, '"choices"'),
    "a template": (REQUEST, '"template"'),
    "write to a person first": (REQUEST, '"to"'),
    "private reply to a comment": (REQUEST, '"comment"'),
    "answer of a person after the window": (REQUEST, '"is_human_agent"'),
    "reference of ours that comes back": (REQUEST, '"client_ref"'),
    "judged: sent, with the id": outcome("sent"),
    "judged: rate limited": outcome("rate_limited"),
    "judged: and for how long": '"wait_ms": ',
    "judged: retry": outcome("retry"),
    "judged: auth": outcome("auth"),
    "judged: auth, its time is over": '"is_expired": true',
    "judged: outside the window": outcome("window"),
    "judged: permanent": outcome("permanent"),
    "judged: ambiguous": outcome("ambiguous"),
    "judged: error in a success": r'"outcome": "(?!sent)',
    "accounts listed": (REQUEST, '"discover": "list"'),
    "account validated": (REQUEST, '"discover": "validate"'),
    "challenge answered": None,
    "webhook made": (REQUEST, '"create"'),
    "webhook checked": (REQUEST, '"check"'),
    "messages of a conversation listed": (REQUEST, '"list"'),
}


def table():
    """Row -> cells, out of the page."""
    text = PAGE.read_text(encoding="utf-8")
    section = text.partition(HEADING)[2].partition("\n## ")[0]
    rows = [[c.strip() for c in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("|")]
    return {row[0]: row[1:] for row in rows if row[0] not in ("", "what") and not set(row[0]) <= {"-"}}


def unit_tests():
    names = set()
    for path in (ROOT / "tests" / "unit").glob("*_test.c"):
        names.update(re.findall(r"static void (\w+)\(void \*\*state\)", path.read_text(encoding="utf-8")))
    return names


def wrong(row, provider, cell, units):
    """What is wrong with a cell; None: nothing."""
    refused, _, name = cell.rpartition(" ")
    name = name.strip("`")
    if cell == "–":
        return None
    if refused not in ("", "no"):
        return f"'{cell}' is no name of a test"
    if not re.fullmatch(r"(send/)?\d+", name):
        return None if name in units else f"there is no unit test {name}"
    folder, _, number = name.rpartition("/")
    found = list((GOLDEN / provider / folder).glob(f"{number}-*.out.json"))
    if len(found) != 1:
        return f"there is no case {name}"
    shows = found[0].read_text(encoding="utf-8")
    asks = found[0].with_name(found[0].name.replace(".out.", ".in.")).read_text(encoding="utf-8", errors="replace")
    want = ROWS[row]
    result, message = want if isinstance(want, tuple) else (want, "")
    if refused and isinstance(want, tuple):
        result = '"error": '  # a sentence for the person who wrote it
    elif refused:
        result = r'"events": \[\]' # known, and of no use to an inbox
    if not re.search(result, shows):
        return f"{found[0].name} does not show it"
    return None if re.search(message, asks) else f"{found[0].name} is not about it"


def main():
    rows, units, problems = table(), unit_tests(), []
    problems += [f"the row '{row}' is missing" for row in ROWS if row not in rows]
    for row, cells in rows.items():
        if row not in ROWS:
            problems.append(f"the row '{row}' has no check in tests/supported.py")
        elif len(cells) != len(PROVIDERS):
            problems.append(f"the row '{row}' has {len(cells)} cells")
        else:
            for provider, cell in zip(PROVIDERS, cells):
                found = wrong(row, provider, cell, units)
                problems += [f"{row}, {provider}: {found}"] if found else []
    for problem in problems:
        print(f"docs/providers.md: {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
