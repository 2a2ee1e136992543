"""Chosen pictures: by mouse and keyboard, by the dozen; starred, downloaded, compared and deleted."""

import io
import re
import zipfile

import pytest
from playwright.sync_api import expect
from surfaces.web.conftest import nobody_renders, sign_in, violations

from imgen.surfaces.web.job_list import MAX_CHOSEN


@pytest.fixture(scope="module")
def finches(web):
    """Five pictures of this module, and one that was withheld."""
    jobs = [web.generate(f"finch number {number}", seed=number) for number in range(5)]
    withheld = web.generate("nude finch woman in a niche")
    for job in (*jobs, withheld):
        web.wait(job)
    return {"jobs": jobs, "withheld": withheld}


@pytest.fixture
def page(finches, admin):
    """The list of these pictures, the newest first."""
    admin.goto("/panel/jobs?words=finch+number")
    expect(admin.locator(".tile")).to_have_count(5)
    return admin


def box(page, number):
    return page.get_by_role("checkbox", name=f"Choose: finch number {number}")


def bar(page):
    return page.get_by_role("form", name="Chosen pictures")


def chosen(page):
    return page.locator("#list .choose :checked").evaluate_all("all => all.map(one => one.value)")


def post(page, action, **form):
    """A request past the page's own buttons."""
    token = page.locator("input[name=csrftoken]").first.input_value()
    return page.request.post(f"/panel/chosen/{action}", form={"csrftoken": token, **form}, max_redirects=0)


def test_pictures_are_chosen_by_mouse_and_in_ranges(page):
    """Shift takes all from the last one; the bar counts without moving anything, and Escape or None lets all go."""
    expect(bar(page)).to_be_hidden()
    place = page.locator(".tile").first.bounding_box()
    box(page, 4).click()
    expect(bar(page)).to_be_visible()
    assert page.locator(".tile").first.bounding_box() == place
    box(page, 1).click(modifiers=["Shift"])
    expect(page.locator("#count")).to_have_text("4 chosen")
    assert violations(page) == ""
    box(page, 3).click()
    expect(page.locator("#count")).to_have_text("3 chosen")
    page.keyboard.press("Escape")
    expect(bar(page)).to_be_hidden()
    box(page, 2).click()
    page.get_by_role("button", name="All on this page").click()
    expect(page.locator("#count")).to_have_text("5 chosen")
    page.get_by_role("button", name="None").click()
    assert chosen(page) == []


def test_pictures_are_chosen_by_keyboard(page):
    """Space chooses, Shift and Space a range, Tab leads on to the bar."""
    box(page, 4).focus()
    page.keyboard.press("Space")
    box(page, 2).focus()
    page.keyboard.press("Shift+Space")
    expect(page.locator("#count")).to_have_text("3 chosen")
    page.get_by_role("button", name="Star", exact=True).focus()
    page.keyboard.press("Escape")
    assert chosen(page) == []


def test_the_choice_outlives_updates_and_other_pages(page, web):
    """A new picture in the open list, the table of the same and a reload keep it; other filters begin without one."""
    page.clock.install()
    page.reload()
    box(page, 3).click()
    web.wait(web.generate("finch number 9"))
    page.clock.fast_forward(10_000)  # the list asks for news
    expect(page.locator(".tile")).to_have_count(6)
    expect(box(page, 3)).to_be_checked()
    page.get_by_role("button", name="As a table").click()
    expect(box(page, 3)).to_be_checked()
    page.goto("/panel/jobs?words=finch+number+1")
    expect(bar(page)).to_be_hidden()
    page.goto("/panel/jobs?words=finch+number")
    expect(page.locator("#count")).to_have_text("1 chosen")
    page.get_by_role("button", name="None").click()
    page.on("dialog", lambda dialog: dialog.accept())
    box(page, 9).click()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("status")).to_have_text("1 job and its files are deleted.")


def test_the_choice_goes_on_over_the_pages_of_the_list(web, admin):
    """A choice made on another page is counted and sent with the rest."""
    for number in range(26):
        web.generate(f"sparrow {number}")
    admin.goto("/panel/jobs?words=sparrow")
    admin.locator("#list .choose input").first.click()
    admin.get_by_role("button", name="Older jobs").click()
    admin.locator("#list .choose input").first.click()
    expect(admin.locator("#count")).to_have_text("2 chosen, 1 of them on other pages")
    admin.get_by_role("button", name="Star", exact=True).click()
    expect(admin.get_by_role("status")).to_have_text("2 jobs starred.")
    admin.goto("/panel/jobs?words=sparrow&starred=yes")
    expect(admin.locator(".tile")).to_have_count(2)


def test_stars_are_set_at_the_picture_and_found_by_the_filter(page, finches, web):
    """One click at a picture and one in the bar; the filter shows them, and the job's page knows."""
    star = page.get_by_role("button", name="Star: finch number 2")
    star.focus()
    page.keyboard.press("Enter")
    expect(star).to_have_attribute("aria-pressed", "true")
    expect(star).to_be_focused()
    box(page, 1).click()
    page.get_by_role("button", name="Star", exact=True).click()
    expect(page.get_by_role("status")).to_have_text("1 job starred.")
    expect(page).to_have_url(re.compile(r"words=finch"))
    page.get_by_role("combobox", name="Starred").select_option("starred by you")
    page.wait_for_url(re.compile("starred=yes"))
    expect(page.locator(".caption")).to_have_text(["finch number 2", "finch number 1"])
    page.goto(f"/panel/jobs/{finches['jobs'][2]['id']}")
    page.get_by_role("button", name="Star: finch number 2").click()
    expect(page.get_by_role("button", name="Star: finch number 2")).to_have_attribute("aria-pressed", "false")
    page.goto("/panel/jobs?words=finch+number&starred=yes")
    expect(page.locator(".caption")).to_have_text(["finch number 1"])
    box(page, 1).click()
    page.get_by_role("button", name="Unstar").click()
    expect(page.get_by_text("No job fits.")).to_be_visible()


def test_chosen_pictures_are_downloaded_as_signed(page, finches, web):
    """The archive has exactly their files, byte for byte as the API gives them."""
    for number in (0, 2):
        box(page, number).click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert re.fullmatch(r"pictures-\d{4}-\d\d-\d\d\.zip", download.value.suggested_filename)
    with zipfile.ZipFile(download.value.path()) as archive:
        assert archive.testzip() is None
        got = {name: archive.read(name) for name in archive.namelist()}
    signed = [web.status(finches["jobs"][number])["meta"]["images"][0] for number in (0, 2)]
    assert got == {one["filename"]: page.request.get(one["url"]).body() for one in signed}
    expect(page.locator("#count")).to_have_text("2 chosen")


def test_withheld_pictures_are_neither_packed_nor_compared(page, finches):
    """Alone they are refused, among others they are left out, and the comparison shows none."""
    withheld, good = finches["withheld"]["id"], [job["id"] for job in finches["jobs"][:2]]
    assert post(page, "download", job=withheld).status == 400
    token = page.locator("input[name=csrftoken]").first.input_value()
    body = f"csrftoken={token}&job={withheld}&job={good[0]}"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = page.request.post("/panel/chosen/download", data=body, headers=headers)
    with zipfile.ZipFile(io.BytesIO(answer.body())) as archive:
        assert len(archive.namelist()) == 1
    page.expected.append("400")
    assert page.goto(f"/panel/compare?job={withheld}&job={good[0]}").status == 400
    page.goto(f"/panel/compare?job={withheld}&job={good[0]}&job={good[1]}&left={withheld}")
    assert page.locator("main img").count() == 2
    assert withheld not in page.content()


def test_pictures_are_compared_two_by_two(page, finches):
    """Side by side with their settings; a third one takes the place of either."""
    for number in (0, 1, 2):
        box(page, number).click()
    page.get_by_role("button", name="Compare").click()
    left, right = (page.get_by_role("region", name=side) for side in ("Left", "Right"))
    expect(left.locator("figure img")).to_have_attribute("alt", "finch number 2")
    expect(right.locator("figure img")).to_have_attribute("alt", "finch number 1")
    settings = page.get_by_role("region", name="Settings")
    expect(settings.get_by_role("row").filter(has_text="Seed")).to_contain_text("differs")
    expect(settings.get_by_role("row").filter(has_text="Model")).not_to_contain_text("differs")
    expect(settings.get_by_role("row").filter(has_text="PDQ distance")).to_contain_text("of 256 bits")
    assert violations(page) == ""
    right.get_by_role("link", name="finch number 0, seed 0").click()
    expect(right.locator("figure img")).to_have_attribute("alt", "finch number 0")
    expect(left.locator("figure img")).to_have_attribute("alt", "finch number 2")
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert violations(page) == ""


def test_chosen_jobs_are_deleted_and_open_ones_stay(web, admin):
    """After a question that says how many; each has its row in the audit, and a job that waits is told and kept."""
    ended = [web.generate(f"wren {number}") for number in range(2)]
    for job in ended:
        web.wait(job)
    with nobody_renders(web):
        waiting = web.generate("wren 2")
        admin.goto("/panel/jobs?words=wren")
        expect(admin.locator(".tile")).to_have_count(3)
        admin.locator("#list .choose input").first.click()
        admin.get_by_role("button", name="All on this page").click()
        asked = []
        admin.once("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
        admin.get_by_role("button", name="Delete").click()
        expect(admin.locator("#count")).to_have_text("3 chosen")
        admin.once("dialog", lambda dialog: dialog.accept())
        admin.get_by_role("button", name="Delete").click()
        expect(admin.get_by_role("status")).to_have_text(
            "2 jobs and their files are deleted. 1 job is still open: cancel first."
        )
    assert asked == ["Delete 3 jobs and their files for good?"]
    assert [web.post({"action": "status", "id": job["id"]}).status_code for job in (*ended, waiting)] == [404, 404, 200]
    assert not list((web.data / "objects" / "pictures").rglob(f"*{ended[0]['gen_id']}*"))
    admin.goto(f"/panel/audit?words={ended[0]['id']}")
    expect(admin.locator("tbody tr td:nth-child(3)")).to_have_text(["deleted job"])


def test_a_member_does_nothing_to_other_tenants_pictures(web, finches, open_page):
    """Their ids in a forged form are passed over: no star, no file, no comparison, no deletion."""
    web.imgen("keys", "create", "strange", "--tenant", "strange")
    web.imgen("users", "add", "stranger", "--tenant", "strange")
    web.imgen("users", "password", "stranger", "--password", "a password of my own")
    page = sign_in(open_page(), "stranger", "a password of my own")
    page.goto("/panel/jobs")
    job = finches["jobs"][0]["id"]
    assert post(page, "star", job=job).status == 303
    assert post(page, "delete", job=job).status == 303
    assert post(page, "download", job=job).status == 400
    assert page.request.get(f"/panel/compare?job={job}&job={finches['jobs'][1]['id']}").status == 400
    assert web.status(finches["jobs"][0])["status"] == "COMPLETED"
    assert "finch" not in page.request.get("/panel/jobs?starred=yes").text()


def test_too_many_none_and_odd_choices_are_refused(page):
    """With one sentence; where to go back to is a list of this server."""
    assert post(page, "delete").status == 400
    token = page.locator("input[name=csrftoken]").first.input_value()
    body = f"csrftoken={token}" + "".join(f"&job=run_{number}" for number in range(MAX_CHOSEN + 1))
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    many = page.request.post("/panel/chosen/delete", data=body, headers=headers)
    assert (many.status, f"at most {MAX_CHOSEN}" in many.text()) == (400, True)
    for back in ("https://elsewhere.example/", "//elsewhere.example/panel/jobs", "/sign-out"):
        assert post(page, "star", job="run_x", back=back).headers["location"] == "/panel/jobs"
    assert page.request.post("/panel/chosen/delete", form={"job": "run_x"}).status == 403
