"""Parts of the OpenAPI document, and checks of values against it."""

from jsonschema import Draft202012Validator


def call(document):
    return document["paths"]["/api/v2"]["post"]


def sent_examples(document):
    return {
        name: example["value"]
        for name, example in call(document)["requestBody"]["content"]["application/json"]["examples"].items()
    }


def told_examples(document, status="200"):
    content = call(document)["responses"][status]["content"]["application/json"]
    return {name: example["value"] for name, example in content["examples"].items()}


def closed(schema):
    """The schema as one that no unknown field passes."""
    if isinstance(schema, dict):
        made = {key: closed(value) for key, value in schema.items()}
        return made | ({"additionalProperties": False} if isinstance(schema.get("properties"), dict) else {})
    return [closed(part) for part in schema] if isinstance(schema, list) else schema


def check(document, name, value, *, strict=True):
    """Holds a value to a component; `strict`: no field may be there that the document does not name."""
    schemas = document["components"]["schemas"]
    root = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": closed(schemas) if strict else schemas}}
    Draft202012Validator(root).validate(value)
