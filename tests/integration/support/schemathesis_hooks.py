# SPDX-License-Identifier: Apache-2.0
"""What schemathesis is told beside the description: things that are there, and how far to go to a limit."""
import json
import os
import uuid

import schemathesis
from schemathesis.generation import coverage

# Texts of exactly 4,096 characters are drawn character by character, again and again: the unit tests have those limits.
coverage.INTERNAL_BUFFER_SIZE = 300

_things = json.loads(os.environ["CONTRACT_THINGS"])
_members = {"channel_id": "channels", "media_id": "media", "assigned_to": "users", "message_id": "messages", "reply_to": "messages",
            "target_id": "messages", "assignee": "users"}  # fmt: skip


def _known(kind, value):
    """In place of every other UUID one of a thing that is there; the value itself where it is none."""
    try:
        n = uuid.UUID(value).int
    except (ValueError, AttributeError, TypeError):
        return value
    known = _things.get(kind)
    if not known or n % 2:
        return value
    return known[n // 2 % len(known)]


def _with_known(node):
    if isinstance(node, dict):
        return {key: _known(_members[key], sub) if key in _members else _with_known(sub) for key, sub in node.items()}
    return [_with_known(sub) for sub in node] if isinstance(node, list) else node


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    """A path's id. What is there stays there: only what a sequence of calls has made is deleted by it."""
    if path_parameters and "id" in path_parameters and context.operation.method != "delete":
        before = context.operation.path.partition("/{id}")[0].rpartition("/")[2]
        path_parameters["id"] = _known(before, path_parameters["id"])
    return path_parameters


@schemathesis.hook
def map_query(context, query):
    return _with_known(query)


@schemathesis.hook
def map_body(context, body):
    return _with_known(body)
