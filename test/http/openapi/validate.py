#!/usr/bin/python3
"""Reads {"document": …, "answers": [{"method", "path", "status", "headers", "body"}]} and prints a line of TAP for
each check: the document against the official schema of OpenAPI 3.1, its schemas against that of JSON Schema, its
examples and the answers that a server really gave against its schemas. An answer must be of a media type, and have no
headers and no error code, but those that the document tells of."""

import json
import os
import sys

from jsonschema import Draft202012Validator

# of the message as such, whatever it says
FRAMING = {"connection", "content-length", "content-type", "date", "transfer-encoding"}

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


def resolved(thing):
    return resolve(thing["$ref"]) if "$ref" in thing else thing


def operations():
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield method, path, operation


def responses():
    for _, _, operation in operations():
        yield from operation["responses"].values()
    yield from document["components"]["responses"].values()


def references(part):
    if isinstance(part, dict):
        yield from [part["$ref"]] if isinstance(part.get("$ref"), str) else []
        part = part.values()
    for inner in part if not isinstance(part, (str, int, float, type(None))) else ():
        yield from references(inner)


def header_errors(response, given):
    """What is given and not declared, or the other way round."""
    declared = {name.lower(): resolved(header) for name, header in response.get("headers", {}).items()}
    undeclared = set(given) - set(declared) - FRAMING
    missing = {name for name, header in declared.items() if header.get("required")} - set(given)
    return [f"header {name} is not in the document" for name in sorted(undeclared)] + [
        f"header {name} is not in the answer" for name in sorted(missing)]


def answer_errors(answer, response):
    """How an answer is not as the document says."""
    errors = header_errors(response, answer["headers"])
    if answer["method"] == "head" and "content" in response:
        errors.append("a body of HEAD is in the document")
    if answer["method"] == "head" or "content" not in response:
        return errors + (["a body where the document has none"] if answer["body"] else [])
    media_type = answer["headers"].get("content-type", "").split(";")[0]
    if media_type not in response["content"]:
        return errors + [f"media type {media_type} is not in the document"]
    media = response["content"][media_type]
    code = answer["body"].get("error", {}).get("code") if isinstance(answer["body"], dict) else None
    if code and code not in media["examples"]:
        errors.append(f"error {code} is not in the document")
    return errors + errors_of(schema_of(media["schema"]), answer["body"])


given = json.load(sys.stdin)
document = given["document"]
with open(os.path.join(os.path.dirname(__file__), "openapi-3.1.schema.json"), encoding="utf-8") as file:
    check("the document is OpenAPI 3.1", errors_of(json.load(file), document))
for name, schema in document["components"]["schemas"].items():
    check(f"schema {name} is one", errors_of(Draft202012Validator.META_SCHEMA, schema))

seen = set()
for media in (media for response in responses() for media in resolved(response).get("content", {}).values()):
    for name, example in media.get("examples", {}).items():
        if (example["$ref"], str(media["schema"])) not in seen:
            seen.add((example["$ref"], str(media["schema"])))
            check(f"example {name}", errors_of(schema_of(media["schema"]), resolve(example["$ref"])["value"]))
used = set(references(document))
check("every component is used", sorted(
    f"{kind}/{name}" for kind, named in document["components"].items() for name in named
    if kind not in ("responses", "securitySchemes") and f"#/components/{kind}/{name}" not in used))
check("every reference leads somewhere", [
    f"{reference}: {part}" for reference in used for part in [reference.rsplit("/", 1)]
    if part[1] not in resolve(part[0])])

ids = [operation["operationId"] for _, _, operation in operations()]
check("operations have ids of their own", sorted({id for id in ids if ids.count(id) > 1}))

for answer in given["answers"]:
    given_by = document["paths"][answer["path"]][answer["method"]]["responses"]
    response = given_by.get(str(answer["status"]), given_by.get("default"))
    check(f"{answer['method']} {answer['path']}: a real {answer['status']}",
          ["this status is not in the document"] if response is None else answer_errors(answer, resolved(response)))
print(f"1..{count}")
sys.exit(1 if failed else 0)
