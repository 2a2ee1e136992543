"""Parts of answers that several tests of Forge look at."""

FIELDS = [
    "job_id", "state", "original_prompt", "final_prompt", "enhancement_logic", "quality_tier", "model", "seed",
    "asset_url", "error", "created_at", "completed_at",
]  # fmt: skip


def failure(answer):
    """Status, code and field of a failure, whose form is checked."""
    error = answer.json()["error"]
    assert set(answer.json()) == {"error"}
    assert set(error) - {"field"} == {"code", "message"}
    assert error["message"]
    return answer.status_code, error["code"], error.get("field")


def usage(forge):
    """Counts of the first tenant in this month."""
    return forge.api.post({"action": "usage"}).json()["tenant"]["month"]
