"""Jobs in the panel: found by filters, seen in full, cancelled, retried, deleted; withheld ones covered."""

import re
import time

import pytest
from factories import make_job, make_recipe
from playwright.sync_api import expect
from surfaces.web.conftest import nobody_renders, sign_in, violations

from imgen.domain.job import State
from imgen.domain.recipe import PromptParts
from imgen.records import jobs
from imgen.records.database import Database
from imgen.records.tables.jobs import jobs as job_rows


@pytest.fixture(scope="module")
def made(web):
    """Jobs of prompts that no other test uses: two completed, one withheld with a picture, one by the floor."""
    jobs = {
        "lamp": web.generate("a green lamp <b>bold</b>", format="png"),
        "kite": web.generate("@aya a yellow kite"),
        "statue": web.generate("nude bronze woman in a niche"),
        "floor": web.generate("nude child in a niche"),
    }
    for job in jobs.values():
        web.wait(job)
    return jobs


def titles(page):
    return [one.inner_text() for one in page.locator(".caption").all()]


def test_jobs_are_found_by_state_words_and_character(made, admin):
    """Each filter narrows, together they narrow more; the address can be kept."""
    admin.goto("/panel/jobs?words=green+LAMP")
    assert titles(admin) == ["a green lamp <b>bold</b>"]
    admin.goto("/panel/jobs")
    admin.get_by_label("Character").select_option("aya")
    expect(admin).to_have_url(re.compile("character=aya"))
    assert "@aya a yellow kite" in titles(admin)
    assert "a green lamp <b>bold</b>" not in titles(admin)
    admin.goto("/panel/jobs?state=blocked&words=bronze")
    assert titles(admin) == ["nude bronze woman in a niche"]
    admin.goto("/panel/jobs?words=100%25_nothing")
    expect(admin.get_by_text("No job fits.")).to_be_visible()
    for odd in ("since=yesterday", "until=2026-13-45", "after=nonsense", "state=perhaps", "view=3d", "key=x'--"):
        assert admin.goto(f"/panel/jobs?{odd}").status == 200


def test_key_model_date_and_review_narrow_the_list(web, made, admin):
    """Each on its own, chosen as people do; those who make pictures in the playground are among the keys."""
    key = web.imgen("keys", "create", "narrow", "--tenant", "default")
    assert web.post({"action": "generate", "prompt": "a lone juniper"}, key=key).status_code == 200
    web.wait(web.generate("nude bronze man in a hall", compliance_ruleset="strict"))
    long_ago = time.time() - 40 * 86400
    words = PromptParts(prompt="an old juniper", original_prompt="an old juniper")
    database = Database(f"sqlite:///{web.data / 'imgen.db'}")
    with database.write() as connection:
        old = make_job(state=State.CANCELLED, recipe=make_recipe(model="gone", prompt_parts=words), created_at=long_ago)
        jobs.add(connection, old)
    database.close()
    admin.goto("/")
    admin.get_by_label("Prompt", exact=True).fill("a playground juniper")
    admin.get_by_role("button", name="Generate").click()
    admin.locator("#result figure img").wait_for()

    def listed(name, option):
        admin.goto("/panel/jobs")
        admin.get_by_role("combobox", name=name).select_option(option)
        admin.wait_for_url(re.compile("view="))
        return titles(admin)

    assert listed("Key", "narrow") == ["a lone juniper"]
    assert "a playground juniper" in listed("Key", "admin (playground)")
    assert "a lone juniper" not in titles(admin)
    admin.goto("/panel/jobs?words=juniper")
    assert titles(admin) == ["a playground juniper", "a lone juniper", "an old juniper"]
    admin.get_by_role("combobox", name="Model").select_option("eros")
    admin.wait_for_url(re.compile("model=eros"))
    assert titles(admin) == ["a playground juniper", "a lone juniper"]
    admin.goto("/panel/jobs?words=juniper")
    day = time.strftime("%Y-%m-%d", time.gmtime(long_ago))
    admin.get_by_label("To").fill(day)
    admin.get_by_role("button", name="Filter", exact=True).click()
    admin.wait_for_url(re.compile("until=2"))
    assert titles(admin) == ["an old juniper"]
    admin.goto(f"/panel/jobs?words=juniper&since={time.strftime('%Y-%m-%d', time.gmtime(long_ago + 86400))}")
    assert titles(admin) == ["a playground juniper", "a lone juniper"]

    safe, blocked = listed("Review", "safe"), listed("Review", "blocked")
    floored, strict = listed("Review", "withheld by the floor"), listed("Review", "blocked under strict")
    assert "a green lamp <b>bold</b>" in safe
    assert {"nude bronze woman in a niche", "nude child in a niche", "nude bronze man in a hall"} <= set(blocked)
    assert not set(safe) & set(blocked)
    assert "nude child in a niche" in floored
    assert not {"nude bronze woman in a niche", "a green lamp <b>bold</b>"} & set(floored)
    assert strict == ["nude bronze man in a hall"]

    admin.goto("/panel/jobs?view=table&words=playground+juniper")
    expect(admin.get_by_role("cell", name="admin (playground)")).to_be_visible()
    admin.get_by_role("link", name="a playground juniper").click()
    expect(admin.get_by_text("default, admin (playground)")).to_be_visible()
    admin.goto("/panel/usage?by=key")
    expect(admin.get_by_role("rowheader", name="admin (playground)")).to_be_visible()


def test_a_job_in_full(web, made, admin):
    """Prompt parts, recipe, mark and credentials, which are read back from the file."""
    admin.goto(f"/panel/jobs/{made['lamp']['id']}")
    meta = web.status(made["lamp"])["meta"]
    for text in (str(meta["seed"]), meta["watermark_id"], meta["fingerprint"], "a green lamp <b>bold</b>"):
        expect(admin.get_by_text(text, exact=True).first).to_be_visible()
    expect(admin.locator(".picture img")).to_have_js_property("naturalWidth", 1344)
    expect(admin.get_by_text("Trusted")).to_be_visible(timeout=30_000)
    assert admin.locator("b", has_text="bold").count() == 0


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


def test_the_list_goes_on_behind_the_first_page(web, admin):
    """Older jobs, none twice."""
    for number in range(26):
        web.generate(f"pebble number {number}")
    admin.goto("/panel/jobs?words=pebble")
    first = titles(admin)
    assert len(first) == 24
    admin.get_by_role("button", name="Older jobs").click()
    assert len(set(first) | set(titles(admin))) == 26


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


def polled(page, status):
    """Once the open page has asked whether anything changed."""
    with page.expect_response(lambda answer: "shown=" in answer.url and answer.status == status):
        pass


def test_an_open_list_follows_what_happens_and_else_stays_as_it_is(web, admin):
    """New jobs appear, what has the focus keeps it, pictures stay, and nothing is sent where nothing changed."""
    fresh_s = 1800  # half of [objects] url_expires_s
    for view in ("gallery", "table"):
        while time.time() % fresh_s > fresh_s - 60:  # all pictures get new addresses soon
            time.sleep(1)
        with nobody_renders(web):
            first = web.generate(f"{view} heron one")
            admin.goto(f"/panel/jobs?words={view}+heron&view={view}")
            link = admin.locator("#list").get_by_role("link", name=f"{view} heron one")
            link.focus()
            polled(admin, 204)
            second = web.generate(f"{view} heron two")
            expect(admin.get_by_text(f"{view} heron two", exact=True)).to_be_visible()
            expect(link).to_be_focused()
        web.wait(first)
        web.wait(second)
        expect(admin.locator("#list img")).to_have_count(2)
        admin.locator("#list img").first.evaluate("image => { image.isTheSame = true; }")
        web.generate(f"{view} heron three")
        expect(admin.get_by_text(f"{view} heron three", exact=True)).to_be_visible(timeout=15_000)  # nothing was open
        assert (
            admin.locator("#list img[id^=picture]").evaluate_all("all => all.filter(one => one.isTheSame).length") == 1
        )
        expect(link).to_be_focused()


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
