# SPDX-License-Identifier: Apache-2.0
"""The JSON schemas of the OCI runtime specification, from golang-github-opencontainers-specs-dev."""

import json
import os

import jsonschema

FOLDER = "/usr/share/gocode/src/github.com/opencontainers/runtime-spec/schema"

# Objects of other platforms and of virtual machine monitors: refused as a whole, not looked into.
FOREIGN = ("windows", "solaris", "zos", "freebsd", "vm")

# Fields that the specification has got since the packaged schemas (1.1 to 1.3).
NEWER = """
freebsd
process.scheduler process.scheduler.policy process.scheduler.nice process.scheduler.priority
process.scheduler.flags process.scheduler.runtime process.scheduler.deadline
process.scheduler.period
process.ioPriority process.ioPriority.class process.ioPriority.priority
process.execCPUAffinity process.execCPUAffinity.initial process.execCPUAffinity.final
linux.timeOffsets linux.timeOffsets.boottime linux.timeOffsets.monotonic
linux.timeOffsets.boottime.secs linux.timeOffsets.boottime.nanosecs
linux.timeOffsets.monotonic.secs linux.timeOffsets.monotonic.nanosecs
linux.netDevices linux.memoryPolicy linux.memoryPolicy.mode linux.memoryPolicy.nodes
linux.memoryPolicy.flags
linux.intelRdt.schemata linux.intelRdt.enableMonitoring
""".split()


def load(name):
    with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
        return json.load(file)


def validate(kind, document):
    """Raise jsonschema.ValidationError unless the document is a valid "config" or "state"."""
    name = f"{kind}-schema.json"
    resolver = jsonschema.RefResolver(f"file://{FOLDER}/{name}", load(name))
    jsonschema.Draft4Validator(load(name), resolver=resolver).validate(document)


def follow(node, file):
    """The node that a chain of references ends at, and the file that it is in."""
    while "$ref" in node:
        name, _, pointer = node["$ref"].partition("#")
        file = name or file
        node = load(file)
        for part in pointer.strip("/").split("/"):
            node = node[part] if part else node
    return node, file


def walk(node, file, path):
    node, file = follow(node, file)
    for group in ("anyOf", "allOf", "oneOf"):
        for member in node.get(group, []):
            yield from walk(member, file, path)
    if "items" in node:
        yield from walk(node["items"], file, path + "[]")
    if isinstance(node.get("additionalProperties"), dict):
        yield from walk(node["additionalProperties"], file, path + ".*")
    for name, member in node.get("properties", {}).items():
        field = f"{path}.{name}" if path else name
        yield field
        if field not in FOREIGN:
            yield from walk(member, file, field)


def config_fields():
    """Every field of config.json: members by name, elements as [], members of any name as *."""
    return sorted({*walk(load("config-schema.json"), "config-schema.json", ""), *NEWER})
