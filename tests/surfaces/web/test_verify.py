"""Page that tells whose a picture is, and the search by picture, in a real browser."""

import base64
import re

import pytest
from playwright.sync_api import expect
from surfaces.web.conftest import enter, violations
from surfaces.web.looked_up import nobodys, published, stripped

PHONE = {"width": 390, "height": 844}
DROP = """([type, base64]) => {
    const bytes = Uint8Array.from(atob(base64), one => one.charCodeAt(0));
    const files = new DataTransfer();
    files.items.add(new File([bytes], "sent.jpg", {type: "image/jpeg"}));
    const event = type === "paste" ? new ClipboardEvent(type, {clipboardData: files, bubbles: true})
                                   : new DragEvent(type, {dataTransfer: files, bubbles: true, cancelable: true});
    document.body.dispatchEvent(event);
}"""


@pytest.fixture(scope="module")
def ours(web):
    """A finished job, and its signed file."""
    job = web.generate("a harbour at noon", format="jpeg", seed=11)
    return job, published(web.wait(job))


def picture(body, name="sent.jpg", kind="image/jpeg"):
    return {"name": name, "mimeType": kind, "buffer": body}


def send(page, body, **options):
    """Once the answer is there."""
    with page.expect_response(lambda answer: answer.request.method == "POST"):
        page.get_by_label("Picture", exact=True).set_input_files(picture(body, **options))


def verdict(page):
    return page.locator("#verdict")


def test_a_picture_that_was_chosen_is_verified_beside_its_original(ours, admin):
    """At once; the verdict takes the focus, and so is read aloud; the record leads to its job."""
    job, body = ours
    admin.goto("/panel")
    admin.get_by_role("link", name="Verify", exact=True).click()
    send(admin, body)
    expect(verdict(admin)).to_have_text("Proven: this file was made here")
    expect(verdict(admin)).to_be_focused()
    expect(admin.get_by_alt_text("The picture that you chose")).to_be_visible()
    original = admin.get_by_alt_text("Original: a harbour at noon")
    expect(original).to_have_js_property("complete", True)
    assert original.evaluate("image => image.naturalWidth") > 0
    found = admin.locator("#found")
    for words in ("Trusted", "% confidence", "as it is", "eros", "1344 × 768"):
        expect(found).to_contain_text(words)
    expect(found).to_contain_text(re.compile(r"\D\d of 256 bits differ"))  # compression may turn a bit in doubt
    admin.get_by_role("link", name=job["gen_id"]).click()
    expect(admin.get_by_role("heading", name=job["gen_id"])).to_be_visible()


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_a_picture_is_dropped_or_pasted_anywhere(ours, admin, way):
    """Without its metadata it is ours, by watermark and look; what the form says of it is told at once."""
    admin.goto("/verify")
    sent = [way, base64.b64encode(stripped(ours[1])).decode()]
    with admin.expect_response(lambda answer: answer.request.method == "POST"):
        admin.evaluate(DROP, sent)
    expect(verdict(admin)).to_have_attribute("data-verdict", "ours")
    expect(admin.locator("#found")).to_contain_text("none in this file")
    expect(admin.locator("#busy")).to_be_empty()


@pytest.mark.parametrize(
    ("change", "told", "how"),
    [
        ({"size": (1008, 576)}, "ours", "restored to its size, scale 0.75"),
        ({"box": (101, 53, 901, 701)}, "likely", "in a part, grid at 3, 3"),
        ({"mode": "L"}, "likely", "No watermark of ours was read"),
    ],
)
def test_certainty_is_told_as_it_is(ours, admin, change, told, how):
    """By what was found, and how; a likeness is called no proof."""
    admin.goto("/verify")
    send(admin, stripped(ours[1], **change))
    expect(verdict(admin)).to_have_attribute("data-verdict", told)
    expect(admin.locator("#found")).to_contain_text(how)


def test_what_is_unknown_is_not_called_genuine(admin):
    """It says what that proves, which is nothing."""
    admin.goto("/verify")
    send(admin, nobodys())
    expect(verdict(admin)).to_have_attribute("data-verdict", "unknown")
    expect(admin.locator("#found")).to_contain_text("That proves nothing.")
    expect(admin.locator("#found")).to_contain_text("like none of the pictures that were looked up")


def test_a_tombstone_is_told_as_such(web, admin):
    """The picture was deleted on request: its dates are told, and no picture, model or link."""
    job = web.generate("a harbour at dusk", format="jpeg")
    sent = stripped(published(web.wait(job)))
    admin.goto(f"/panel/jobs/{job['id']}")
    admin.once("dialog", lambda dialog: dialog.accept())
    admin.get_by_role("button", name="Delete").click()
    expect(admin.get_by_role("status")).to_contain_text("are deleted")
    admin.goto("/verify")
    send(admin, sent)
    found = admin.locator("#found")
    expect(found).to_contain_text("Likely: its watermark is ours")
    expect(found).to_contain_text("on request. Only its digest, its watermark and these dates are kept.")
    expect(found.get_by_role("link")).to_have_count(0)
    expect(found.locator("img")).to_have_count(0)
    admin.goto("/panel/pictures")
    send(admin, sent)
    expect(admin.locator("#found")).to_contain_text("deleted on request")


def test_what_cannot_be_read_is_told_in_a_sentence(admin, tmp_path):
    """Nothing, no picture, one that is too large; the next one is read as ever."""
    admin.expected.append("400")
    admin.goto("/verify")
    send(admin, b"no picture")
    alert = admin.get_by_role("alert")
    expect(alert).to_contain_text("This is no picture that can be read. Choose a PNG, JPEG, WebP or AVIF")
    admin.get_by_label("Picture", exact=True).set_input_files([])
    admin.locator("#picture").evaluate("input => { input.required = false; input.form.requestSubmit(); }")
    expect(alert).to_contain_text("Choose a picture first")
    large = tmp_path / "large.jpg"  # the browser opens it: bytes would go to it as text
    large.write_bytes(bytes((32 << 20) + 1))
    admin.get_by_label("Picture", exact=True).set_input_files(large)
    expect(alert).to_contain_text("of at most 32 MiB")
    send(admin, nobodys())
    expect(alert).to_have_count(0)
    expect(verdict(admin)).to_have_attribute("data-verdict", "unknown")


def test_everything_works_without_scripts(ours, open_page, admin):
    """The form sends the file and the page is the answer, with its errors."""
    page = open_page(java_script_enabled=False)
    enter(page, path="/verify")
    page.expected.append("400")
    for path, button in (("/verify", "Verify"), ("/panel/pictures", "Find")):
        page.goto(path)
        page.get_by_label("Picture", exact=True).set_input_files(picture(stripped(ours[1])))
        page.get_by_role("button", name=button).click()
        expect(verdict(page)).to_be_visible()
        page.goto(path)
        page.get_by_label("Picture", exact=True).set_input_files(picture(b"x"))
        page.get_by_role("button", name=button).click()
        expect(page.get_by_role("alert")).to_contain_text("This is no picture that can be read.")


def test_jobs_are_found_by_a_picture(web, ours, admin):
    """From their list; the marked one first, then those that look alike by their distance; nothing for a stranger's picture."""
    job, body = ours
    twin = web.generate("a harbour at noon", format="jpeg", seed=11)
    web.wait(twin)
    admin.goto("/panel/jobs")
    admin.get_by_role("button", name="Find by picture").click()
    send(admin, stripped(body))
    expect(verdict(admin)).to_have_text("2 pictures fit")
    tiles = admin.locator("#found .tile")
    expect(tiles.nth(0)).to_contain_text("bits apart by its watermark and its look")
    expect(tiles.nth(1)).to_contain_text("bits apart by its look")
    assert tiles.nth(0).get_by_role("link").get_attribute("href") == f"/panel/jobs/{job['id']}"
    assert tiles.nth(1).get_by_role("link").get_attribute("href") == f"/panel/jobs/{twin['id']}"
    send(admin, nobodys())
    expect(verdict(admin)).to_have_text("No picture fits")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_findings_are_accessible_and_fit_a_phone(ours, open_page, scheme):
    """In both schemes, with everything that they may show."""
    page = open_page(color_scheme=scheme)
    enter(page, path="/verify")
    for path, sent in (("/verify", ours[1]), ("/verify", nobodys()), ("/panel/pictures", ours[1])):
        page.goto(path)
        send(page, sent)
        expect(verdict(page)).to_be_visible()
        assert violations(page) == "", path
        page.set_viewport_size(PHONE)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], path
        page.set_viewport_size({"width": 1280, "height": 900})
