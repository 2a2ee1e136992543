"""Browser without scripts, for tests of pages and their forms over HTTP."""

import re

import httpx2

FORM = re.compile(r'name="csrftoken" value="([^"]+)"')
LINK = re.compile(r'id="link">([^<]+)<')
PASSWORD = "a password of my own"


class Browser:
    """A browser without scripts, at an address of its own."""

    count = 0

    def __init__(self, api, name="", remote_ip=""):
        Browser.count += 1
        address = remote_ip or f"198.51.100.{Browser.count}"
        self.client = httpx2.Client(base_url=api.url, headers={"X-Forwarded-For": address}, timeout=30)
        if name:
            assert self.post("/sign-in", page="/sign-in", name=name, password=PASSWORD).status_code == 303

    def get(self, path):
        return self.client.get(path)

    def post(self, path, page="/account", **form):
        """Sends a form with the token of a page."""
        token = FORM.search(self.get(page).text)[1]
        return self.client.post(path, data={"csrftoken": token} | form)

    def tenant(self, name):
        """Path of a tenant's page, from the account's."""
        return re.search(rf'href="(/account/tenants/[^"]+)">{name}<', self.get("/account").text)[1]

    def invite(self, path, role="member"):
        """Token of a new invitation."""
        shown = self.post(f"{path}/invitations", role=role).text
        return LINK.search(shown)[1].partition("#")[2]
