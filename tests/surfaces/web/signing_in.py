"""Forms of the panel, sent as a browser without scripts does."""

import re

PASSWORD = "correct horse battery"
FORM = re.compile(r'name="csrftoken" value="([^"]+)"')
"""A form's token."""


def enter(client, name="admin", password=PASSWORD):
    """Signs in; the answer."""
    token = FORM.search(client.get("/sign-in").text)[1]
    return client.post("/sign-in", data={"name": name, "password": password, "csrftoken": token})


def post(client, path, data=None, page="/panel/account"):
    """A form with the token of a page."""
    token = FORM.search(client.get(page).text)[1]
    return client.post(path, data={"csrftoken": token} | (data or {}))
