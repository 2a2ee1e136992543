"""List of jobs in the panel: found by filters, page by page, by batch, and kept up to date."""

import re
import time

from factories import make_job, make_recipe
from playwright.sync_api import expect
from surfaces.web.conftest import nobody_renders, violations

from imgen.domain.job import State
from imgen.domain.recipe import PromptParts
from imgen.records import jobs
from imgen.records.database import Database

OPEN_MS, ENDED_MS = 2_000, 10_000
"""Time until the list asks for news, with an open job in it and without; the browser's clock is put forward by it."""


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

    def made_by(key):
        admin.goto("/panel/jobs")
        admin.get_by_role("combobox", name="Key").fill(key)
        admin.keyboard.press("Enter")
        admin.wait_for_url(re.compile("view="))
        return titles(admin)

    assert made_by("narrow") == ["a lone juniper"]
    assert "a playground juniper" in made_by("admin (playground)")
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
    expect(admin.get_by_text(re.compile(r", admin \(playground\)$"))).to_be_visible()
    admin.goto("/panel/usage?by=key")
    expect(admin.get_by_role("rowheader", name="admin (playground)")).to_be_visible()


def test_a_batch_is_shown_alone(web, admin):
    """From the list, a job's page and the playground; in its order; other filters keep to it, and any batch is one choice away."""
    answer = web.generate("a row of larches", n=3)
    for job_id in answer["ids"]:
        web.wait({"id": job_id})
    web.generate("a lone larch")

    def shown():
        return [link.get_attribute("href").rpartition("/")[2] for link in admin.locator("a[id^=job-]").all()]

    for view in ("gallery", "table"):
        admin.goto(f"/panel/jobs?words=larch&view={view}")
        links = admin.locator("#list").get_by_role("link", name="Batch of this picture: a row of larches")
        expect(links).to_have_count(3)
        links.first.click()
        expect(admin).to_have_url(re.compile(f"batch={answer['id']}"))
        assert shown() == answer["ids"]
        expect(links).to_have_count(0)
    assert violations(admin) == ""
    admin.get_by_role("combobox", name="State").select_option("failed")
    admin.wait_for_url(re.compile("state=failed"))
    expect(admin.get_by_text("No job fits.")).to_be_visible()
    admin.get_by_role("combobox", name="State").select_option("")
    admin.wait_for_url(re.compile("state=&"))
    assert shown() == answer["ids"]
    admin.get_by_role("combobox", name="Batch").select_option("any")
    admin.wait_for_url(re.compile("batch=&"))
    assert len(shown()) > 3
    for path in (f"/panel/jobs/{answer['ids'][1]}", f"/?job={answer['ids'][1]}"):
        admin.goto(path)
        admin.get_by_role("link", name=re.compile("in Jobs")).and_(admin.locator("[href*=batch]")).click()
        expect(admin).to_have_url(re.compile(f"batch={answer['id']}"))
        assert shown() == answer["ids"]
    for odd in ("nothing", "%25", "x'--"):
        admin.goto(f"/panel/jobs?batch={odd}")
        expect(admin.get_by_text("No job fits.")).to_be_visible()


def test_the_list_goes_on_behind_the_first_page(web, admin):
    """Older jobs, none twice."""
    for number in range(26):
        web.generate(f"pebble number {number}")
    admin.goto("/panel/jobs?words=pebble")
    first = titles(admin)
    assert len(first) == 24
    admin.get_by_role("button", name="Older jobs").click()
    assert len(set(first) | set(titles(admin))) == 26


def test_an_open_list_follows_what_happens_and_else_stays_as_it_is(web, admin):
    """New jobs appear, what has the focus keeps it, pictures stay, and nothing is sent where nothing changed."""
    fresh_s = 1800  # half of [objects] url_expires_s
    admin.clock.install()
    for view in ("gallery", "table"):
        while time.time() % fresh_s > fresh_s - 60:  # all pictures get new addresses soon
            time.sleep(1)
        with nobody_renders(web):
            first = web.generate(f"{view} heron one")
            admin.goto(f"/panel/jobs?words={view}+heron&view={view}")
            link = admin.locator("#list").get_by_role("link", name=f"{view} heron one")
            link.focus()
            with admin.expect_response(lambda answer: "shown=" in answer.url and answer.status == 204):
                admin.clock.fast_forward(OPEN_MS)
            second = web.generate(f"{view} heron two")
            admin.clock.fast_forward(OPEN_MS)
            expect(admin.get_by_text(f"{view} heron two", exact=True)).to_be_visible()
            expect(link).to_be_focused()
        web.wait(first)
        web.wait(second)
        admin.clock.fast_forward(OPEN_MS)
        expect(admin.locator("#list img")).to_have_count(2)
        admin.locator("#list img").first.evaluate("image => { image.isTheSame = true; }")
        web.generate(f"{view} heron three")
        admin.clock.fast_forward(ENDED_MS)
        expect(admin.get_by_text(f"{view} heron three", exact=True)).to_be_visible()
        assert (
            admin.locator("#list img[id^=picture]").evaluate_all("all => all.filter(one => one.isTheSame).length") == 1
        )
        expect(link).to_be_focused()
