"""Calls by the package `runpod` in its own environment: of an endpoint as its client, or of handlers as its worker runs them."""

import asyncio
import json
import os
import sys

import runpod
from runpod.serverless.modules.rp_job import run_job
from runpod.serverless.utils.rp_validator import validate

SCHEMA = {
    "prompt": {"type": str, "required": True},
    "width": {"type": int, "required": True, "constraints": lambda width: width % 8 == 0},
}
TEXT = {"prompt": "a red coat", "width": 320, "height": 256}


def client():
    """Goes through the life of works at the endpoint `plain`."""
    endpoint = runpod.Endpoint("plain", api_key=os.environ["KEY"])
    job = endpoint.run({"input": TEXT})
    told = {
        "output": job.output(timeout=20),
        "status": job.status(),
        "sync": endpoint.run_sync({"input": TEXT}, timeout=20),
    }
    failed = endpoint.run({"input": TEXT | {"prompt": "forbidden"}})
    told |= {"failed_output": failed.output(timeout=20), "failed": failed.status()}
    told |= {"cancel": endpoint.run({"input": TEXT}).cancel()["status"], "health": endpoint.health()}
    told["purged"] = endpoint.purge_queue()
    try:
        runpod.Endpoint("plain", api_key="wrong").run({"input": TEXT})
    except RuntimeError as exc:
        told["refused"] = str(exc)
    return told


def explode(job):
    """Fails as a model does."""
    raise RuntimeError(f"CUDA out of memory while drawing {job['input']['prompt']}")


HANDLERS = {
    "exception": explode,
    "error": lambda _: {"error": "NSFW content detected. Try another prompt."},
    "details": lambda _: {"error": "Job processing failed", "details": ["Node Type: KSampler"]},
    "unknown": lambda job: {"error": validate(job["input"] | {"width": 8, "sheduler": "DDIM"}, SCHEMA)["errors"]},
    "missing": lambda _: {"error": validate({"width": 8}, SCHEMA)["errors"]},
    "type": lambda _: {"error": validate({"prompt": 5, "width": 8}, SCHEMA)["errors"]},
    "constraint": lambda job: {"error": validate(job["input"] | {"width": 9}, SCHEMA)["errors"]},
    "picture": lambda _: {"images": ["data:image/png;base64,AAAA"], "seed": 5, "refresh_worker": True},
    "text": lambda _: "AAAA",
    "nothing": lambda _: {},
}


def worker():
    """Runs each handler."""
    job = {"id": "test", "input": {"prompt": "a red coat"}}
    return {name: asyncio.run(run_job(handler, job)) for name, handler in HANDLERS.items()}


if __name__ == "__main__":
    result = {"client": client, "worker": worker}[sys.argv[1]]()
    print("\n" + json.dumps(result))  # the package prints lines of its own
