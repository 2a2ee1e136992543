"""Jobs in the panel: seen in full, cancelled, retried, deleted; withheld ones covered."""

import re
import time

from factories import make_job
from playwright.sync_api import expect
from surfaces.web.conftest import nobody_renders, polled, sign_in, violations

from imgen.domain.ids import uuid_form
from imgen.domain.job import State
from imgen.records import jobs
from imgen.records.database import Database
from imgen.records.tables.jobs import jobs as job_rows


def test_a_job_in_full(web, made, admin):
    """Prompt parts, recipe, mark and credentials, which are read back from the file."""
    admin.goto(f"/panel/jobs/{made['lamp']['id']}")
    meta = web.status(made["lamp"])["meta"]
    for text in (str(meta["seed"]), meta["watermark_id"], meta["fingerprint"], "a green lamp <b>bold</b>"):
        expect(admin.get_by_text(text, exact=True).first).to_be_visible()
    expect(admin.locator(".picture img")).to_have_js_property("naturalWidth", 1344)
    expect(admin.get_by_text("Trusted")).to_be_visible(timeout=30_000)
    assert admin.locator("b", has_text="bold").count() == 0


def test_a_job_is_found_by_its_uuid(made, admin):
    """Forge's and Studio's callers know it by that."""
    admin.goto(f"/panel/jobs/{uuid_form(made['lamp']['id'])}")
    expect(admin.get_by_text("a green lamp <b>bold</b>", exact=True).first).to_be_visible()


def test_the_jobs_of_a_batch_stand_together(web, admin):
    """Each page lists them in their order with pictures and states, by keyboard too; a job alone has no such list."""
    answer = web.generate("a row of poplars", n=3)
    for job_id in answer["ids"]:
        web.wait({"id": job_id})
    admin.goto(f"/panel/jobs/{answer['ids'][1]}")
    batch = admin.get_by_role("list", name="Batch")
    links = batch.get_by_role("link")
    expect(links).to_have_text([re.compile(f"{place}\\s+completed") for place in (1, 2, 3)])
    expect(batch.locator("[aria-current=page]")).to_have_text(re.compile("2"))
    for link in links.all():
        expect(link.locator("img")).to_have_js_property("complete", value=True)
        assert link.locator("img").evaluate("image => image.naturalWidth") > 0
    assert violations(admin) == ""
    links.nth(2).focus()
    links.nth(2).press("Enter")
    expect(admin).to_have_url(re.compile(answer["ids"][2]))
    expect(batch.locator("[aria-current=page]")).to_have_text(re.compile("3"))
    alone = web.generate("a lone poplar")
    admin.goto(f"/panel/jobs/{alone['id']}")
    expect(batch).to_have_count(0)


def test_a_job_says_for_what_it_waits_and_why_it_failed(web, admin):
    """Part, since when and the next try of a job that waits; code and reason of one that failed."""
    now = time.time()
    wait = {
        "waiting_since": now - 60,
        "available_at": now + 3600,
        "deadline_at": now + 7200,
        "error_reason": "HTTP 503",
    }
    waiting = make_job(state=State.RENDERED, queue="finish", error_code="object_store_unavailable", **wait)
    failed = make_job(state=State.FAILED, error_code="worker_lost", error_reason="It ended three times", ended_at=now)
    database = Database(f"sqlite:///{web.data / 'imgen.db'}")
    with database.write() as connection:
        jobs.add(connection, waiting)
        jobs.add(connection, failed)
    database.close()
    admin.goto(f"/panel/jobs/{waiting.id}")
    told = admin.locator("#waits")
    for words in (
        "the object store",
        "object_store_unavailable",
        "HTTP 503",
        time.strftime("%H:%M", time.gmtime(now + 3600)),
    ):
        expect(told).to_contain_text(words)
    admin.goto("/panel/jobs?state=open")
    expect(admin.get_by_text("waits for the object store")).to_be_visible()
    admin.goto(f"/panel/jobs/{failed.id}")
    expect(admin.locator("#failure")).to_contain_text("worker_lost")
    expect(admin.locator("#failure")).to_contain_text("It ended three times")
    database = Database(f"sqlite:///{web.data / 'imgen.db'}")
    with database.write() as connection:
        connection.execute(job_rows.delete().where(job_rows.c.id.in_([waiting.id, failed.id])))
    database.close()


def test_a_withheld_picture_is_covered_until_asked_for_and_the_floor_shows_none(made, admin):
    """The rule stands beside it."""
    admin.goto("/panel/blocked")
    statue = admin.locator("article", has_text="nude bronze woman")
    expect(statue.get_by_text("sexual", exact=True)).to_be_visible()
    expect(statue.get_by_text("ruleset default: sexual")).to_be_visible()
    picture = statue.get_by_role("img")
    assert "blur" in picture.evaluate("one => getComputedStyle(one).filter")
    statue.get_by_role("button", name="Show the picture").click()
    expect(picture).to_have_css("filter", "none")
    floor = admin.locator("article", has_text="nude child in a niche")
    expect(floor.get_by_text("No picture: the floor")).to_be_visible()
    assert floor.locator("img").count() == 0
    admin.goto(f"/panel/jobs/{made['floor']['id']}")
    assert admin.locator("main img").count() == 0


def test_retry_makes_the_same_picture_again_and_delete_takes_it_away(web, admin):
    """A new job of the same recipe and seed; deleted, neither page nor poll knows it."""
    job = web.generate("a wooden boat", use_cache=True)
    first = web.wait(job)["meta"]
    admin.goto(f"/panel/jobs/{job['id']}")
    admin.get_by_role("button", name="Retry").click()
    expect(admin.get_by_role("status")).to_have_text("Made a new job of the same recipe.")
    again = {"id": admin.url.rsplit("/", 1)[1]}
    assert again["id"] != job["id"]
    second = web.wait(again)["meta"]
    assert (second["seed"], second["prompt"]) == (first["seed"], first["prompt"])
    assert second["watermark_id"] != first["watermark_id"]
    folder = web.data / "objects" / "pictures"
    assert list(folder.rglob(f"*{second['gen_id']}*"))
    admin.goto(f"/panel/jobs/{again['id']}")
    admin.on("dialog", lambda dialog: dialog.accept())
    admin.get_by_role("button", name="Delete").click()
    expect(admin.get_by_role("status")).to_contain_text("are deleted")
    assert not list(folder.rglob(f"*{second['gen_id']}*"))
    assert web.post({"action": "status", "id": again["id"]}).status_code == 404
    admin.expected.append("404")
    assert admin.goto(f"/panel/jobs/{again['id']}").status == 404
    cached = {"action": "generate", "prompt": "a wooden boat", "use_cache": True, "cache_only": True}
    assert web.post(cached).status_code == 200
    admin.goto(f"/panel/jobs/{job['id']}")
    admin.get_by_role("button", name="Delete").click()
    expect(admin.get_by_role("status")).to_contain_text("are deleted")
    assert web.post(cached).status_code == 404


def test_a_question_that_is_denied_changes_nothing(web, admin):
    """A user who answers no keeps the job."""
    job = web.generate("a stone well")
    web.wait(job)
    admin.goto(f"/panel/jobs/{job['id']}")
    admin.on("dialog", lambda dialog: dialog.dismiss())
    admin.get_by_role("button", name="Delete").click()
    assert web.status(job)["status"] == "COMPLETED"


def test_a_member_sees_no_job_of_another_tenant(web, made, open_page):
    """Neither in the list nor by its address, and can do nothing to it."""
    web.imgen("keys", "create", "elsewhere", "--tenant", "elsewhere")
    web.imgen("users", "add", "lone", "--tenant", "elsewhere")
    web.imgen("users", "password", "lone", "--password", "a password of my own")
    page = sign_in(open_page(), "lone", "a password of my own")
    page.goto("/panel/jobs")
    expect(page.get_by_text("No job fits.")).to_be_visible()
    token = page.locator("input[name=csrftoken]").first.input_value()
    job = f"/panel/jobs/{made['lamp']['id']}"
    for path in (job, f"{job}/credentials"):
        assert page.request.get(path).status == 404
    for act in ("cancel", "retry", "delete"):
        assert page.request.post(f"{job}/{act}", form={"csrftoken": token}).status == 404
    assert web.status(made["lamp"])["status"] == "COMPLETED"


def test_a_job_is_opened_in_the_playground(web, made, admin):
    """Its words and settings are in the form, seed, quality and ruleset included, and in the request as code."""
    job = web.generate("a copper kettle", seed=77, quality=60, compliance_ruleset="strict")
    web.wait(job)
    admin.goto(f"/panel/jobs/{job['id']}")
    admin.get_by_role("button", name="Open in the playground").click()
    expect(admin.get_by_label("Seed")).to_have_value("77")
    expect(admin.get_by_label("Quality")).to_have_value("60")
    expect(admin.get_by_label("Ruleset")).to_have_value("strict")
    expect(admin.locator("#code-curl")).to_contain_text('"compliance_ruleset": "strict"')
    expect(admin.locator("#code-curl")).to_contain_text('"quality": 60')
    admin.get_by_role("button", name="Generate").click()
    admin.locator("#result figure img").wait_for()
    again = admin.get_by_role("button", name="Open in Jobs").get_attribute("href").rsplit("/", 1)[1]
    first, second = web.status(job)["meta"], web.status({"id": again})["meta"]
    for field in ("seed", "quality", "compliance_ruleset", "prompt", "width", "height", "format", "style"):
        assert first[field] == second[field]
    admin.goto(f"/panel/jobs/{made['kite']['id']}")
    admin.get_by_role("button", name="Open in the playground").click()
    expect(admin.get_by_label("Prompt", exact=True)).to_have_value("@aya a yellow kite")


def test_the_page_of_an_open_job_follows_it_and_keeps_what_is_unfolded(web, admin):
    """Its button keeps the focus while it waits; when it is done its picture is there by itself."""
    with nobody_renders(web):
        job = web.generate("a waiting heron")
        admin.goto(f"/panel/jobs/{job['id']}")
        admin.get_by_text("The whole recipe").click()
        admin.get_by_role("button", name="Cancel").focus()
        polled(admin, 204)
        expect(admin.get_by_role("button", name="Cancel")).to_be_focused()
    expect(admin.locator(".picture img")).to_be_visible()
    expect(admin.locator("#recipe")).to_have_attribute("open", "")


def test_only_what_was_cancelled_is_noted_as_cancelled(web, made, admin):
    """A job that had ended stays as it is, and the audit says nothing of it."""
    with nobody_renders(web):
        job = web.generate("a heron in vain")
        admin.goto(f"/panel/jobs/{job['id']}")
        admin.get_by_role("button", name="Cancel").click()
        expect(admin.get_by_role("status")).to_have_text("Cancelled.")
    expect(admin.get_by_text("admin cancelled job")).to_have_count(1)
    token = admin.locator("input[name=csrftoken]").first.input_value()
    for ended, news in ((job, "It had ended: cancelled."), (made["lamp"], "It had ended: completed.")):
        answer = admin.request.post(f"/panel/jobs/{ended['id']}/cancel", form={"csrftoken": token})
        assert news in answer.text()
        admin.goto(f"/panel/jobs/{ended['id']}")
        expect(admin.get_by_text("admin cancelled job")).to_have_count(1 if ended is job else 0)
