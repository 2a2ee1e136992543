"""Upscaling in the render phase: by a network that is configured, else by Lanczos; `meta` tells which."""

import os

import pytest
import torch
from factories import make_job, make_recipe
from msgspec import structs
from safetensors.torch import load_file, save_file
from upscaling import save_esrgan

from imgen.domain.job import State
from imgen.live import job_views, waiting
from imgen.provenance.inspection import inspect_picture
from imgen.records import jobs
from workers import tasks
from workers.lease import Lease
from workers.stages import upscale
from workers.upscalers.network import UpscalingNetwork

X4 = '[workers]\nupscale_tile = 128\nupscalers = { 4 = "x4.safetensors" }\n'


def submit(resources, upscale, *, side=256):
    """A job for a small picture, which is drawn in no time."""
    diffusion = structs.replace(make_recipe().diffusion, width=side, height=side, upscale=upscale)
    job = make_job(recipe=make_recipe(diffusion=diffusion))
    with resources.database.write() as connection:
        jobs.add(connection, job)
    return job


def read(resources, job):
    with resources.database.read() as connection:
        return jobs.find(connection, job.id)


def work(resources, job):
    """Both phases."""
    tasks.run_phase(resources, tasks.RENDER, job.id)
    tasks.run_phase(resources, tasks.FINISH, job.id)
    return read(resources, job)


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


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda file: os.truncate(file, file.stat().st_size - 1), "download it again"),
        (lambda file: save_file({"conv_first.weight": torch.zeros(8, 3, 3, 3)}, file), "no architecture"),
        (lambda file: save_file(load_file(file) | {"conv_hr.weight": torch.zeros(5, 8, 3, 3)}, file), "size mismatch"),
        (lambda file: save_esrgan(file, scale=2), "enlarges by 2, not by 4"),
    ],
    ids=["cut", "unknown", "misshapen", "another factor"],
)
def test_a_broken_network_unloads_no_model(make_resources, spoil, words):
    """It fails its jobs before anything is drawn; two models that leave it no room stay loaded."""
    data = make_resources().settings.data_dir
    text = (data / "models.toml").read_text().replace("step_s = 0.0", "memory_mib = 60")
    (data / "models.toml").write_text(text + text.replace("[eros]", "[other]"))
    resources = make_resources(X4 + "memory_gib = 0.1172\n")
    spoil(save_esrgan(data / "models" / "x4.safetensors"))
    models = [resources.catalog.models[key] for key in ("eros", "other")]
    loaded = [resources.models.engine(model) for model in models]
    for _ in range(2):
        job = submit(resources, 4)
        tasks.run_phase(resources, tasks.RENDER, job.id)
        ended = read(resources, job)
        assert (ended.state, words in ended.error_reason) == (State.FAILED, True), ended.error_reason
    assert resources.models.keys == ("eros", "other")
    assert all(resources.models.engine(model) is engine for model, engine in zip(models, loaded, strict=True))


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


def test_what_a_batch_leaves_no_time_to_enlarge_goes_back_to_the_queue(make_resources, monkeypatch):
    """The other picture took the task's time: the job waits uncounted, has the next task alone, and only then times out."""
    path = make_resources(X4).settings.data_dir / "models.toml"
    path.write_text(path.read_text().replace("call = { ", "batch = { max = 2 }\ncall = { "))
    resources = make_resources(X4)
    save_esrgan(resources.settings.data_dir / "models" / "x4.safetensors")
    submitted = [submit(resources, 4), submit(resources, 4)]
    for job in submitted:
        resources.live.run(waiting.add(job))
    enlarge = UpscalingNetwork.enlarge

    def take_all_time(network, pixels, **options):
        enlarged = enlarge(network, pixels, **options)
        monkeypatch.setattr(upscale, "TASK_LIMIT_S", 0)
        return enlarged

    monkeypatch.setattr(UpscalingNetwork, "enlarge", take_all_time)
    tasks.run_phase(resources, tasks.RENDER, submitted[0].id)
    done, waits = sorted((read(resources, job) for job in submitted), key=lambda job: job.state is State.QUEUED)
    assert (done.state, waits.state) == (State.RENDERED, State.QUEUED)
    assert (waits.attempts, waits.error_code) == (0, "no_time_left")
    with resources.database.write() as connection:
        connection.execute(jobs.jobs.update().values(available_at=0))
    tasks.run_phase(resources, tasks.RENDER, waits.id)
    assert read(resources, waits).state is State.TIMED_OUT
