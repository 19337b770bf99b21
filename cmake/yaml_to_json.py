# SPDX-License-Identifier: Apache-2.0
"""yaml_to_json.py IN OUT: a YAML document as JSON, members in their order.

A key that stands twice is refused: merged by hand, two areas' schemas of one name would else lose one.
Times stay the text that they are.
"""
import json
import sys

import yaml


class Loader(yaml.SafeLoader):
    pass


def _mapping(loader, node):
    loader.flatten_mapping(node)
    out = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if key in out:
            sys.exit(f"{sys.argv[1]}:{key_node.start_mark.line + 1}: '{key}' stands here twice")
        out[key] = loader.construct_object(value_node, deep=True)
    return out


Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in rows if tag != "tag:yaml.org,2002:timestamp"]
    for first, rows in yaml.SafeLoader.yaml_implicit_resolvers.items()
}

with open(sys.argv[1], encoding="utf-8") as source:
    try:
        document = yaml.load(source, Loader)
    except yaml.YAMLError as error:
        sys.exit(f"{sys.argv[1]}: {error}")
with open(sys.argv[2], "w", encoding="utf-8") as out:
    json.dump(document, out, ensure_ascii=False, separators=(",", ":"))
