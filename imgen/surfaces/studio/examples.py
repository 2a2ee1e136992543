"""Example requests and answers of Studio."""

from typing import Any

from imgen.surfaces.description import Schema

JOB_ID = "59fde0ab-4bfc-4721-9d6c-2d7509a2fb64"
SECOND_ID = "1c0e6c1e-9a55-4b0f-8b0a-6f0a2f6f3a11"
REQUEST_ID = "req_0f8e3c5a9d7b41f2a6c4e8b0d2f19375"
IMAGE_KEY = "up_5r3nT9wJ0aVq1LkXz8yB2c"
PROMPT = "watercolor, soft light"


def requests() -> dict[str, Schema]:
    """Returns the requests by operation and name, as OpenAPI has them."""
    return {
        "generate": {
            "style": {
                "summary": "Drawn anew by a prompt",
                "value": {"mode": "style", "imageKey": IMAGE_KEY, "prompt": PROMPT, "strength": 0.6},
            },
            "avatar": {
                "summary": "Five avatars of 4096 pixels",
                "value": {
                    "mode": "avatar",
                    "imageKey": IMAGE_KEY,
                    "preset": "anime",
                    "outputAspect": "1:1",
                    "exportSize": "4k",
                    "count": 5,
                },
            },
            "product": {
                "summary": "A product on another ground",
                "value": {"mode": "product", "imageKey": IMAGE_KEY, "prompt": "on a wooden table, morning light"},
            },
            "enhance": {
                "summary": "An earlier picture, improved and enlarged",
                "value": {"mode": "enhance", "sourceGenerationId": JOB_ID, "exportSize": "2k"},
            },
        },
        "image": {"json": {"summary": "In base64", "value": {"imageBase64": "iVBORw0KGgo="}}},
    }


def answers(url: str) -> dict[str, dict[int, Schema]]:
    """Returns an answer by operation and status; `url` is the server's own."""
    job = {"jobId": JOB_ID, "status": "succeeded", "requestId": REQUEST_ID}
    picture = {
        "downloadUrl": f"{url}/files/pictures/example.jpg?expires=1795600000&signature=0f8e",
        "width": 1024,
        "height": 1024,
        "contentType": "image/jpeg",
    }
    return {
        "generate": {
            202: {
                "jobId": JOB_ID,
                "status": "queued",
                "statusUrl": f"/api/v1/jobs/{JOB_ID}",
                "requestId": REQUEST_ID,
                "quota": _quota(charged=False),
                "rateLimit": {"remainingThisMinute": 29},
                "jobs": [{"jobId": one, "statusUrl": f"/api/v1/jobs/{one}"} for one in (JOB_ID, SECOND_ID)],
            }
        },
        "job": {200: job | {"quota": _quota(charged=True)} | picture},
        "cancel": {200: job | {"status": "canceled", "quota": _quota(charged=False)}},
        "image": {200: {"imageKey": IMAGE_KEY, "width": 1600, "height": 1200}},
    }


def _quota(*, charged: bool) -> dict[str, Any]:
    return {
        "source": "plan",
        "scope": "team",
        "remaining": 98,
        "charged": charged,
        "remainingAfterQueue": 98,
        "chargedOnSuccess": True,
    }
