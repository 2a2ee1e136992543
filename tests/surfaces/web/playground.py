"""Steps of a user in the playground."""

import time

from surfaces.web.conftest import sign_in


def enter(page, name="admin"):
    """The playground as somebody sees it who has just signed in."""
    sign_in(page, name)
    page.goto("/")
    return page


def generate(page, prompt):
    page.get_by_label("Prompt", exact=True).fill(prompt)
    page.get_by_role("button", name="Generate").click()


def until(holds, within_s=15):
    """Waits; the browser itself may not: its pages allow no eval."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def drawn(image):
    """Once the picture is there and its bytes are one."""
    image.wait_for()
    until(lambda: image.evaluate("image => image.naturalWidth > 0"))
    return image


def picture(page):
    """The picture that was made."""
    return drawn(page.locator("#result figure img"))


def refused(page, status, words):
    """The one sentence beside the form, while the browser notes the status."""
    page.expected.append(f"status of {status}")
    page.get_by_role("button", name="Generate").click()
    page.locator("#problem .problem", has_text=words).wait_for()
