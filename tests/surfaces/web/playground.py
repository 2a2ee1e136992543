"""Steps of a user in the playground."""

import base64
import contextlib
import io
import json
import sqlite3
import time

import numpy as np
from PIL import Image


def generate(page, prompt):
    """Once the page shows the new job: that of before, and its picture, stay until it is made."""
    before = shown_job(page)
    page.get_by_label("Prompt", exact=True).fill(prompt)
    page.get_by_role("button", name="Generate").click()
    until(lambda: shown_job(page) not in ("", before), within_s=60)


def shown_job(page):
    """Id of the job that is shown, empty without one."""
    return page.locator("#result").evaluate("result => result.querySelector('#job')?.dataset.job ?? ''")


def until(holds, within_s=60):
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


def choose(page, path):
    """The picture as source, once it is shown."""
    page.locator("#start > summary").click()
    page.get_by_label("Source", exact=True).set_input_files(path)
    canvas = page.get_by_label("Source and mask")
    canvas.wait_for()
    return canvas


def choose_again(page, path):
    """The picture as source in place of another one or of none, once the server has it."""
    page.get_by_label("Source", exact=True).set_input_files(path)
    until(lambda: value(page, "image"))


def value(page, name):
    """Value of a hidden field."""
    return page.locator(f"#play [name={name}]").input_value()


def mask(page):
    """The painted mask, (height, width) uint8."""
    _, _, data = value(page, "mask").partition(",")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("L"))


def recipe(web, page):
    """Diffusion part of the recipe of the job that is shown."""
    job_id = page.locator("#job").get_attribute("data-job")
    with contextlib.closing(sqlite3.connect(web.data / "imgen.db")) as connection:
        (text,) = connection.execute("SELECT recipe FROM jobs WHERE id = ?", (job_id,)).fetchone()
    return json.loads(text)["diffusion"]
