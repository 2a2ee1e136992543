"""Upscaling in the render phase: by a network that is configured, else by Lanczos; `meta` tells which."""

import pytest
from factories import make_job, make_recipe
from msgspec import structs
from upscaling import save_esrgan

from imgen.domain.job import State
from imgen.live import job_views
from imgen.provenance.inspection import inspect_picture
from imgen.records import jobs
from workers import tasks
from workers.lease import Lease

X4 = '[workers]\nupscale_tile = 128\nupscalers = { 4 = "x4.safetensors" }\n'


def submit(resources, upscale, *, side=256):
    """A job for a small picture, which is drawn in no time."""
    diffusion = structs.replace(make_recipe().diffusion, width=side, height=side, upscale=upscale)
    job = make_job(recipe=make_recipe(diffusion=diffusion))
    with resources.database.write() as connection:
        jobs.add(connection, job)
    return job


def work(resources, job):
    """Both phases."""
    tasks.run_phase(resources, tasks.RENDER, job.id)
    tasks.run_phase(resources, tasks.FINISH, job.id)
    with resources.database.read() as connection:
        return jobs.find(connection, job.id)


@pytest.mark.parametrize(
    ("settings", "factor", "name"),
    [
        ("", 1, ""),
        ("", 2, "lanczos"),
        ("", 4, "lanczos"),
        (X4, 2, "x4.safetensors"),
        (X4, 4, "x4.safetensors"),
        (X4.replace("4 =", "2 ="), 4, "x4.safetensors"),
    ],
)
def test_meta_tells_size_factor_and_upscaler(make_resources, settings, factor, name):
    """The finished file has the enlarged size, and the job's watermark and credentials."""
    resources = make_resources(settings)
    save_esrgan(resources.settings.data_dir / "models" / "x4.safetensors", scale=2 if "{ 2" in settings else 4)
    job = work(resources, submit(resources, factor))
    assert job.state is State.COMPLETED
    meta = job.outcome.meta
    assert (meta.width, meta.height, meta.upscale, meta.upscaler) == (256 * factor, 256 * factor, factor, name)
    anchors = (resources.settings.data_dir / "credentials" / "anchor.pem").read_bytes()
    found = inspect_picture(resources.objects.get(job.outcome.images[0].key), anchors=anchors)
    assert (found.width, found.watermark.id) == (256 * factor, job.watermark_id)
    assert found.credentials.state == "Trusted"


def test_a_network_stays_loaded(make_resources):
    """The second picture finds it in the memory pool."""
    resources = make_resources(X4)
    path = save_esrgan(resources.settings.data_dir / "models" / "x4.safetensors")
    assert work(resources, submit(resources, 4, side=128 * 2)).state is State.COMPLETED
    first = resources.models.memory.get("upscaler x4.safetensors")
    assert first.memory_bytes >= path.stat().st_size // 2
    assert work(resources, submit(resources, 4)).state is State.COMPLETED
    assert resources.models.memory.get("upscaler x4.safetensors") is first


def test_a_missing_network_fails_before_anything_is_drawn(make_resources):
    """The reason names it; no model is loaded."""
    resources = make_resources(X4)
    job = submit(resources, 4)
    tasks.run_phase(resources, tasks.RENDER, job.id)
    with resources.database.read() as connection:
        ended = jobs.find(connection, job.id)
    assert "no upscaler 'x4.safetensors'" in ended.error_reason
    assert resources.models.keys == ()


def test_a_cancel_is_heard_between_two_tiles(make_resources, monkeypatch):
    """The job that was cancelled while the network enlarges is given up, and leaves no master."""
    resources = make_resources(X4)
    save_esrgan(resources.settings.data_dir / "models" / "x4.safetensors")
    job, told = submit(resources, 4, side=256), []
    report = Lease.report

    def cancelling(lease, done, total):
        told.append(done / total)
        if done / total > 0.75:
            resources.live.run(job_views.request_cancel(job.id))
        report(lease, done, total)

    monkeypatch.setattr(Lease, "report", cancelling)
    tasks.run_phase(resources, tasks.RENDER, job.id)
    assert told[-1] < 1
    assert list(resources.objects.list(f"work/{job.id}/")) == []
