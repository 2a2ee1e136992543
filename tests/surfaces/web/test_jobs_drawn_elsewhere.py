"""Jobs that an engine elsewhere drew, on the pages that show one."""

import msgspec
import pytest
from factories import make_job
from msgspec import structs
from servers.panel import open_panel

from imgen.domain.job import State
from imgen.domain.outcome import Meta, Outcome
from imgen.records import jobs, users
from imgen.surfaces.web.jobs import Jobs
from imgen.surfaces.web.playground_jobs import PlaygroundJobs

BLANKS = {str: "", int: 0, float | None: None, int | None: None, bool: False, tuple[str, ...]: (), dict[str, float]: {}}
META = Meta(**{field.name: BLANKS[field.type] for field in msgspec.structs.fields(Meta)})
ELSEWHERE = structs.replace(
    META, engine="<cluster>", drawn_width=1024, drawn_height=640, revised_prompt="a <b>crimson</b> coat"
)


@pytest.mark.parametrize("path", ["/panel/jobs/{}", "/play/jobs/{}", "/studio/jobs/{}"])
@pytest.mark.parametrize("is_remote", [True, False])
def test_a_page_tells_the_engine_and_an_unknown_seed(core, path, is_remote):
    """The engine's words are text, never markup; a picture that was drawn here has its seed and no engine."""

    async def work(opened):
        async with open_panel(opened, [Jobs, PlaygroundJobs]) as browser:
            user = await opened.database.reading(users.find_user, "mira")
            meta = ELSEWHERE if is_remote else structs.replace(META, seed=918_273)
            job = make_job(
                state=State.COMPLETED, outcome=Outcome(meta=meta), counted_as=user.id, ended_at=1_790_000_000.0
            )
            await opened.database.writing(jobs.add, job)
            page = await browser.get(path.format(job.id))
        assert page.status_code == 200
        assert ("&lt;cluster&gt;" in page.text) == is_remote
        assert ("unknown</dd>" in page.text) == is_remote
        assert ("918273" in page.text) == (not is_remote)
        assert "<b>crimson" not in page.text
        assert ("a &lt;b&gt;crimson&lt;/b&gt; coat" in page.text) == (is_remote and "studio" not in path)

    core(work)
