"""The playground for a model that is not configured any more, and for one that no worker serves."""

import html
import re

from servers.panel import open_panel

from imgen.records import tenants
from imgen.surfaces.web.playground import Playground
from imgen.surfaces.web.playground_jobs import PlaygroundJobs


def test_it_is_told(core):
    """Another model is never drawn in its place; a picture that waits for a worker says so from the first moment."""

    async def work(opened):
        tenant = opened.database.attempt(tenants.ensure_tenant, "studio", "unlimited")
        async with open_panel(opened, [Playground, PlaygroundJobs]) as browser:
            await browser.get("/")
            refused = await browser.post("/play", prompt="red coat", model="gone", tenant=tenant.id)
            assert refused.status_code == 400
            assert "There is no model 'gone' any more; there are Eros" in html.unescape(refused.text)
            made = await browser.post("/play", prompt="red coat", model="eros", tenant=tenant.id)
            assert "Waiting for a worker: none serves the queue render.eros" in made.text
            poll = re.search(r"/play/jobs/[\w-]+\?poll", made.text)[0]
            assert "Waiting for a worker" in (await browser.get(poll)).text

    core(work)
