"""Description of the events route for the reference."""

import json

from imgen.services.core import Core
from imgen.services.following import MOST_JOBS
from imgen.surfaces.acting import TENANT
from imgen.surfaces.action import answers, examples
from imgen.surfaces.description import REF, Schema, event_schema

SUMMARY = (
    "Or wait by events: `GET {url}/api/v2/events?id=<id>` sends each change as a server-sent event, up to the end."
)
STATUS_EVENT = "StatusEvent"
_ABOUT = f"""\
Server-sent events: an `event: status` at each change of a job and each 5 % of its progress; its `data` is the answer of \
`status` with the job's `id`. The stream ends when all named jobs have ended. Without `id` it has all jobs of your tenant as \
they change, and does not end. A comment comes every 15 seconds.

After a broken connection send the latest `id:` line as `Last-Event-ID` (or `last_event_id`, where a client cannot set \
headers): every change since comes, of progress the latest alone. Places are good for a day; with an older or unknown one the \
stream begins with the present state of the named jobs. 204: they have all ended, and you were told.

A stream counts as one request. At most {MOST_JOBS} ids; a signed-in browser may use its session instead of a key.
"""


def operation(core: Core, *, failures: Schema, headers: Schema) -> Schema:
    """Describes the route.

    Args:
        core: the core.
        failures: answers to requests that fail, by status.
        headers: those of every answer.
    """
    return {
        "operationId": "events",
        "tags": ["Action API"],
        "summary": "Follow jobs by server-sent events",
        "description": _ABOUT,
        "parameters": [
            _parameter(
                "id", "Job to follow; may be repeated. Left out: all of the tenant.", examples.JOB_ID, many=True
            ),
            _parameter("last_event_id", "The same as the header `Last-Event-ID`.", "41"),
            _parameter("Last-Event-ID", "Latest `id:` that you have.", "41", where="header"),
            _parameter(
                TENANT,
                "With a session, not a key: the tenant, if there are several.",
                "ten_5f2d9c3a1b7e8d04",
                where="header",
            ),
            _parameter("tenant", f"The same as the header `{TENANT}`.", "ten_5f2d9c3a1b7e8d04"),
        ],
        "responses": {
            "200": {
                "description": f"Events; the `data` of each is a `{STATUS_EVENT}`.",
                "content": {
                    "text/event-stream": {
                        "schema": event_schema("status", {"$ref": REF + STATUS_EVENT}),
                        "examples": _examples(core),
                    }
                },
                "headers": headers,
            },
            "204": {"description": "All named jobs have ended, and you were told.", "headers": headers},
            **failures,
        },
    }


def schemas() -> dict[str, Schema]:
    """Returns the schema of an event's data."""
    kinds = (answers.OpenAnswer, answers.CompletedAnswer, answers.BlockedAnswer, answers.EndedAnswer)
    return {
        STATUS_EVENT: {
            "title": STATUS_EVENT,
            "description": "Data of an event: the answer of `status`, with the job's id.",
            "type": "object",
            "required": ["id"],
            "properties": {"id": {"type": "string", "description": "Job id; beside it the fields of `status`."}},
            "anyOf": [{"$ref": REF + kind.__name__} for kind in kinds],
        }
    }


def _parameter(name: str, text: str, example: str, *, where: str = "query", many: bool = False) -> Schema:
    schema = {"type": "array", "items": {"type": "string"}, "maxItems": MOST_JOBS} if many else {"type": "string"}
    return {"name": name, "in": where, "description": text, "schema": schema, "example": [example] if many else example}


def _examples(core: Core) -> Schema:
    waiting, completed, *_ = examples.status(core).answers
    told = {"A job that waits": waiting, "Its end": completed}
    return {
        f"event_{number}": {
            "summary": summary,
            "value": {"event": "status", "id": str(number), "data": json.dumps({"id": examples.JOB_ID} | answer)},
        }
        for number, (summary, answer) in enumerate(told.items(), 41)
    }
