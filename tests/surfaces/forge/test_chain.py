"""Chain of pictures over Forge, each made of the one before: their signed credentials name it."""

import base64
import json

from surfaces.action.calls import png
from surfaces.forge.site import draw

from imgen.provenance.inspection import inspect_picture


def test_credentials_of_a_chain_name_each_source(site, home, work):
    """Words, then a job as a source, then an address with a mask: each is trusted, and its parent is the manifest before."""

    async def steps(site):
        async with site.by_key(site.key()) as client:
            first = await draw(client, work, seed=1)
            second = await draw(client, work, seed=2, input_job_id=first["job_id"], input_strength=0.5)
            mask = base64.b64encode(png(64, 64)).decode()
            third = await draw(client, work, seed=3, input_asset_url=second["asset_url"], mask_image=mask)
            files = [(await client.get(job["asset_url"])).content for job in (first, second, third)]
        anchor = (home.data_dir / "credentials" / "anchor.pem").read_bytes()
        found = [inspect_picture(file, anchor).credentials for file in files]
        assert [one.state for one in found] == ["Trusted"] * 3
        parents = [
            [(part["relationship"], part["active_manifest"]) for part in one.manifest.get("ingredients", [])]
            for one in found
        ]
        assert parents == [[], [("parentOf", found[0].manifest_id)], [("parentOf", found[1].manifest_id)]]
        deeds = [json.dumps(one.manifest["assertions"]) for one in found]
        assert ["c2pa.opened" in one for one in deeds] == [False, True, True]
        assert ["c2pa.created" in one for one in deeds] == [True, False, False]

    site(steps)
