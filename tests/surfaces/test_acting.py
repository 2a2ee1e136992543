"""Tenant that a session acts for on a page: the header's before the address's, and of one's own alone."""

import io

from PIL import Image
from servers.panel import open_panel
from sqlalchemy import select

from imgen.records import tenants
from imgen.records.tables.uploads import uploads
from imgen.surfaces.web.playground_upload import PlaygroundUpload


def picture():
    """A small PNG."""
    file = io.BytesIO()
    Image.new("RGB", (96, 64), (200, 90, 30)).save(file, "PNG")
    return file.getvalue()


def test_an_upload_is_kept_for_the_tenant_that_is_named(core):
    """Nameless it is for the oldest one; another's is refused like one that is not there, whatever the address says."""

    async def main(core):
        north, west, rival = (
            core.database.attempt(tenants.ensure_tenant, name, "standard").id for name in ("north", "west", "rival")
        )
        async with open_panel(
            core, [PlaygroundUpload], role="member", roles={north: "member", west: "owner"}
        ) as browser:
            answers = [
                await browser.upload(path, picture(), headers)
                for path, headers in (
                    ("/play/upload", {}),
                    ("/play/upload", {"X-Imgen-Tenant": west}),
                    (f"/play/upload?tenant={north}", {"x-imgen-tenant": west}),
                    (f"/play/upload?tenant={west}", {"X-Imgen-Tenant": " "}),
                    (f"/play/upload?tenant={west}", {"X-Imgen-Tenant": rival}),
                    (f"/play/upload?tenant={west}", {"X-Imgen-Tenant": "ten_unknown"}),
                )
            ]
        with core.database.read() as connection:
            kept = dict(connection.execute(select(uploads.c.id, uploads.c.tenant_id)).all())
        names = {north: "north", west: "west"}
        return [names[kept[one.json()["image"]]] for one in answers if one.status_code == 200], answers[4:]

    kept, (foreign, unknown) = core(main)
    assert kept == ["north", "west", "west", "west"]
    assert (foreign.status_code, foreign.json()) == (unknown.status_code, unknown.json())
    assert foreign.status_code == 403
