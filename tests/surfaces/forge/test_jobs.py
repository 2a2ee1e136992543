"""Polls, lists and cancelling of jobs, line by line of the contract's section, on both databases."""

from surfaces.forge.answered import FIELDS, failure, usage

from imgen.domain.ids import stored_id


def test_a_cancelled_job_is_failed_and_free(forge):
    """DELETE ends it; once more it stays as it is; an ended one does not change."""
    before, made = usage(forge), forge.generate()
    cancelled = forge.call("DELETE", f"/v2/jobs/{made['job_id']}")
    assert (cancelled.status_code, cancelled.json()["state"], cancelled.json()["error"]) == (200, "failed", "Cancelled")
    assert forge.call("DELETE", f"/v2/jobs/{made['job_id']}").json() == cancelled.json() == forge.job(made["job_id"])
    assert usage(forge)["pictures"] == before["pictures"]
    ended = forge.draw()
    assert forge.call("DELETE", f"/v2/jobs/{ended['job_id']}").json() == ended


def test_a_blocked_picture_is_failed_with_the_rules(forge):
    """No asset, and no more than the names of the rules."""
    made = forge.generate(prompt="a naked child")
    forge.work(stored_id(made["job_id"]))
    ended = forge.job(made["job_id"])
    assert (ended["state"], ended["asset_url"]) == ("failed", None)
    assert ended["error"].startswith("Content blocked — flagged for: ")


def test_jobs_are_listed_by_page(forge):
    """Newest first, in pages that a cursor joins; wrong limits and cursors are refused."""
    key = forge.new_key("pages")
    made = [forge.generate(key=key)["job_id"] for _ in range(5)]
    first = forge.call("GET", "/v2/jobs?limit=3", key=key).json()
    rest = forge.call("GET", f"/v2/jobs?limit=3&cursor={first['cursor']}", key=key).json()
    assert [job["job_id"] for job in first["jobs"] + rest["jobs"]] == made[::-1]
    assert rest["cursor"] is None
    assert list(first["jobs"][0]) == FIELDS
    for query, field in (
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("limit=1&limit=2", "limit"),
        ("cursor=x", "cursor"),
    ):
        assert failure(forge.call("GET", f"/v2/jobs?{query}", key=key)) == (400, "VALIDATION_ERROR", field)


def test_ids_of_the_action_api_are_taken(forge):
    """Both dialects know the same job by their own form of its id."""
    made = forge.draw()
    assert forge.job(stored_id(made["job_id"])) == made
    assert forge.api.post({"action": "status", "id": stored_id(made["job_id"])}).json()["status"] == "COMPLETED"


def test_unknown_jobs_and_paths_are_not_found(forge):
    """A well-formed id, a malformed one, and a path that is none."""
    for path in ("/v2/jobs/59fde0ab-4bfc-4721-9d6c-2d7509a2fb64", "/v2/jobs/x", "/v2/nothing", "/v2"):
        assert failure(forge.call("GET", path)) == (404, "NOT_FOUND", None)
    assert failure(forge.call("PUT", "/v2/jobs/x")) == (405, "METHOD_NOT_ALLOWED", None)
