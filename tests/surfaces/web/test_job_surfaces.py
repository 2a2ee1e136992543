"""The list of jobs by the API that they came over."""

from factories import make_job, make_recipe
from servers.panel import open_panel

from imgen.domain.recipe import PromptParts
from imgen.records import jobs
from imgen.surfaces.web.job_list import SURFACES, JobList


def test_jobs_are_listed_by_surface(core):
    """A column tells it, a choice narrows to it; an unknown one finds nothing."""

    async def work(opened):
        for surface in ("action", "forge"):
            words = PromptParts(prompt=f"a coat over {surface}", original_prompt="a coat")
            job = make_job(recipe=make_recipe(prompt_parts=words), surface=surface)
            await opened.database.writing(jobs.add, job)
        async with open_panel(opened, [JobList]) as browser:
            page = (await browser.get("/panel/jobs?view=table&surface=forge")).text
            assert "a coat over forge" in page
            assert "a coat over action" not in page
            assert '<option value="forge" selected>Forge</option>' in page
            assert f'<td class="minor">{SURFACES["forge"]}</td>' in page
            assert "No job fits" in (await browser.get("/panel/jobs?surface=x")).text
            assert (await browser.get("/panel/blocked?surface=forge")).status_code == 200

    core(work)
