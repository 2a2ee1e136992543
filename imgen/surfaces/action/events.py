"""Events of webhooks for the reference: a path item and a schema for each type, made from the Structs of their data."""

from collections.abc import Mapping

from msgspec import Struct

from imgen.domain.webhook import EVENTS
from imgen.services.core import Core
from imgen.services.webhooks.body import MAX_BODY_BYTES
from imgen.surfaces.action import answers, examples
from imgen.surfaces.description import REF, Schema, json_content, schemas_of

DATA: Mapping[str, type[Struct]] = {
    "job.completed": answers.CompletedData,
    "job.blocked": answers.BlockedData,
    "job.failed": answers.EndedData,
    "job.cancelled": answers.EndedData,
}
WHEN = {
    "job.completed": "A picture is finished.",
    "job.blocked": "The review withheld a picture.",
    "job.failed": "A job failed or exceeded its time limit.",
    "job.cancelled": "A job was cancelled.",
}
_HEADERS = {
    "webhook-id": "Id of the event for this address, the same over all tries: ignore an id that you have seen.",
    "webhook-timestamp": "Time of this try, in seconds since the epoch. Refuse one that is more than five minutes off.",
    "webhook-signature": "`v1,` and the base64 of HMAC-SHA256 over `<webhook-id>.<webhook-timestamp>.<body>`; several, with "
    "spaces between them, while a secret is replaced.",
}


def event_items(core: Core) -> dict[str, Schema]:
    """Returns the path item of each event."""
    completed, blocked, ended = examples.status(core).answers[1:]
    of_data = {answers.CompletedData: completed, answers.BlockedData: blocked, answers.EndedData: ended}
    return {event: _item(event, of_data[DATA[event]]) for event in EVENTS}


def event_schemas() -> dict[str, Schema]:
    """Returns the schema of each event and of its data."""
    return schemas_of(dict.fromkeys(DATA.values())) | {_name(event): _schema(event) for event in EVENTS}


def _schema(event: str) -> Schema:
    return {
        "title": event,
        "type": "object",
        "required": ["type", "timestamp", "data"],
        "properties": {
            "type": {"type": "string", "const": event},
            "timestamp": {"type": "string", "format": "date-time", "description": "Time of the job's end."},
            "data": {"$ref": REF + DATA[event].__name__},
            "truncated": {
                "type": "boolean",
                "description": f"True if the longest texts of `data` are cut, so that the body stays below {MAX_BODY_BYTES:,} "
                "bytes; else absent.",
            },
        },
    }


def _item(event: str, example: Schema) -> Schema:
    status = {"job.cancelled": {"status": "CANCELLED", "error": "Cancelled", "code": "cancelled"}}.get(event, {})
    data = {"id": examples.JOB_ID, **example, **status}
    data.pop("unsafe_url", None)
    value = {"type": event, "timestamp": "2026-11-21T12:00:00.000Z", "data": data}
    return {
        "post": {
            "operationId": event.replace(".", "_"),
            "tags": ["Action API"],
            "summary": WHEN[event],
            "description": "Sent to the `webhook_url` of the request, and to the tenant's endpoints that want it.",
            "security": [],
            "parameters": [
                {"name": name, "in": "header", "required": True, "description": words, "schema": {"type": "string"}}
                for name, words in _HEADERS.items()
            ],
            "requestBody": {
                "required": True,
                "content": json_content({"$ref": REF + _name(event)}, {event: {"summary": event, "value": value}}),
            },
            "responses": {
                "2XX": {
                    "description": "Taken. Anything else, a redirect included, is tried again, ten times over three days."
                },
                "410": {"description": "The endpoint is switched off."},
            },
        }
    }


def _name(event: str) -> str:
    return "".join(part.capitalize() for part in event.split(".")) + "Event"
