"""Hostile sources over Studio: each is refused in its form, and leaves nothing."""

from hostile_pictures import make_refused
from surfaces.studio.requests import GENERATE, IMAGES, base64_of, body, failure, month_of

from imgen.services.inputs import MAX_INLINE_BYTES


def test_hostile_sources_are_refused(site, bombs):
    """As the body and in base64: 4xx, no job, no upload and no file."""

    async def steps(site):
        tenant = site.tenant()
        async with site.by_key(site.key(tenant)) as client:
            for name, content in make_refused(bombs).items():
                answer = await client.post(IMAGES, content=content)
                assert failure(answer) == (400, "invalid_request"), name
                if len(content) > MAX_INLINE_BYTES:
                    continue
                for path in (GENERATE, IMAGES):
                    answer = await client.post(path, json=body(imageBase64=base64_of(content)))
                    assert failure(answer) == (400, "invalid_request"), (name, path)
        assert month_of(site, tenant.id).held == 0
        assert not list(site.core.objects.list(f"inputs/{tenant.id}/"))

    site(steps)
