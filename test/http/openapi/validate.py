#!/usr/bin/python3
"""Reads {"document": …, "answers": [{"method", "path", "status", "body"}]} and prints a line of TAP for each check:
the document against the official schema of OpenAPI 3.1, its schemas against that of JSON Schema, its examples and the
answers that a server really gave against its schemas."""

import json
import os
import sys

from jsonschema import Draft202012Validator

count = 0
failed = 0


def check(name, errors):
    global count, failed
    count += 1
    failed += 1 if errors else 0
    print(f"{'not ok' if errors else 'ok'} {count} - {name}")
    for error in errors:
        print(f"# {error}")


def errors_of(schema, instance):
    errors = Draft202012Validator(schema).iter_errors(instance)
    return [f"at {'/'.join(map(str, error.absolute_path))}: {error.message[:500]}" for error in errors]


def resolve(reference):
    found = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def schema_of(schema):
    """A schema of the document, by itself: references into the components go on to work."""
    return {**schema, "components": document["components"]}


def media_types():
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for status, response in operation["responses"].items():
                for media in response.get("content", {}).values():
                    yield method, path, status, media


given = json.load(sys.stdin)
document = given["document"]
with open(os.path.join(os.path.dirname(__file__), "openapi-3.1.schema.json"), encoding="utf-8") as file:
    check("the document is OpenAPI 3.1", errors_of(json.load(file), document))
for name, schema in document["components"]["schemas"].items():
    check(f"schema {name} is one", errors_of(Draft202012Validator.META_SCHEMA, schema))

seen = set()
for method, path, status, media in media_types():
    for name, example in media.get("examples", {}).items():
        if example["$ref"] not in seen:
            seen.add(example["$ref"])
            check(f"example {name}", errors_of(schema_of(media["schema"]), resolve(example["$ref"])["value"]))
check("every example is used", sorted(
    name for name in document["components"]["examples"] if f"#/components/examples/{name}" not in seen))

ids = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
check("operations have ids of their own", sorted({id for id in ids if ids.count(id) > 1}))

for answer in given["answers"]:
    responses = document["paths"][answer["path"]][answer["method"]]["responses"]
    response = responses.get(str(answer["status"]), responses.get("default"))
    name = f"{answer['method']} {answer['path']}: a real {answer['status']}"
    if response is None:
        check(name, ["this status is not in the document"])
    elif "content" not in response:
        check(name, ["a body where the document has none"] if answer["body"] else [])
    else:
        check(name, errors_of(schema_of(response["content"]["application/json"]["schema"]), answer["body"]))
print(f"1..{count}")
sys.exit(1 if failed else 0)
