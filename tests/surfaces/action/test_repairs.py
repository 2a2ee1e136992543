"""Repairs of wrong values over HTTP, against a running stack: what is used instead, and what is told in `warnings`."""

import json

import httpx2
import pytest

from imgen.provenance import credentials

REPAIRS = [
    ({"model": "nope"}, {"model": "eros"}),
    ({"model": 5}, {"model": "eros"}),
    ({"style": "nope"}, {"style": "professional"}),
    ({"style": "cinematic"}, {"style": "cinematic"}),
    ({"format": "gif"}, {"format": "jpeg"}),
    ({"format": "PNG"}, {"format": "jpeg"}),
    ({"quality": 0}, {"quality": 1}),
    ({"quality": 1000}, {"quality": 100}),
    ({"quality": "80"}, {"quality": 80}),
    ({"width": 999, "height": 768}, {"width": 1344, "height": 768}),
    ({"width": "x"}, {"width": 1344, "height": 768}),
    ({"width": "768", "height": "1344"}, {"width": 768, "height": 1344}),
    ({"lossless": True}, {"lossless": False}),
    ({"wm_position": "middle"}, {"wm_position": "bottom-right"}),
    ({"wm_scale": 0}, {"wm_scale": 1}),
    ({"wm_scale": 101}, {"wm_scale": 100}),
    ({"wm_transparency": -1}, {"wm_transparency": 0}),
    ({"wm_rotation": 999}, {"wm_rotation": 360}),
    ({"wm_rotation": -999}, {"wm_rotation": -360}),
    ({"wm_padding_x": -5, "wm_padding_y": 501}, {"wm_padding_x": 0, "wm_padding_y": 500}),
    ({"seed": -1}, {}),
    ({"seed": 2**32}, {}),
    ({"seed": 2**32 - 1}, {"seed": 2**32 - 1}),
    ({"steps": 10**9}, {"steps": 500}),
    ({"guidance": -3}, {"guidance": 1.0}),
    ({"precompliance": "x" * 3000}, {"precompliance": "x" * 2000}),
    ({"compliance_ruleset": " "}, {"compliance_ruleset": "default"}),
]


@pytest.mark.parametrize(("sent", "used"), REPAIRS, ids=str)
def test_wrong_values_are_repaired_and_told(server, sent, used):
    """Every fallback and clamp of the contract, seen in `meta`, and named in `warnings` where it changed something."""
    job = server.generate(**({"steps": 1} | sent))
    meta = server.wait(job)["meta"]
    assert {name: meta[name] for name in used} == used
    unchanged = {
        name for name, value in sent.items() if used.get(name, object()) == value or str(used.get(name)) == value
    }
    untold = {"compliance_ruleset"}  # blank means the default: nothing was repaired
    assert set(job.get("warnings", [])) == set(sent) - unchanged - untold or set(job["warnings"]) == {"width", "height"}


FORMS = [
    (
        {
            "quality": "",
            "width": "",
            "height": " ",
            "seed": "",
            "steps": "",
            "negative": "",
            "style": "",
            "use_cache": "",
        },
        [],
    ),
    ({"lossless": "on", "format": "webp", "optimize": "off", "use_cache": "off", "cache_only": "no"}, []),
    ({"lossless": "on", "wm_scale": "9" * 400, "wm_rotation": 4.5}, ["lossless", "wm_scale", "wm_rotation"]),
    ({"cache_only": "yes", "cs_title": "a\x1bb", "negative": "hat\ud800"}, ["negative", "cache_only", "cs_title"]),
]


@pytest.mark.parametrize(("sent", "told"), FORMS, ids=ascii)
def test_forms_are_understood(server, sent, told):
    """Empty fields are left out, `on` and `off` are booleans; only what was changed is told, in the contract's order."""
    body = json.dumps(
        {"action": "generate", "prompt": "red coat"} | sent
    )  # which spells a lone surrogate, as browsers do
    answer = httpx2.post(
        f"{server.url}/api/v2", content=body, headers={"Authorization": f"Bearer {server.key}"}, timeout=30
    )
    assert (answer.status_code, answer.json().get("warnings", [])) == (200, told)


def test_credentials_keep_the_callers_signs(server):
    """Spaces and joiners of other scripts stand in `meta` and in the signed manifest as they were sent."""
    title = "東京\u3000タワー\u00a0№ 5, می\u200cخواهم 👩\u200d🚀"
    meta = server.wait(server.generate(cs_title=title, cs_author=title, cs_description=title))["meta"]
    assert (meta["cs_title"], meta["cs_author"]) == (title, title)
    found = credentials.read(httpx2.get(meta["images"][0]["url"]).content, "image/jpeg")
    assert found.title == title
    assert json.dumps(found.manifest).count(json.dumps(title)) >= 3


def test_the_other_actions_tell_repairs_too(server):
    """`optimize`, `random` and `jobs` name what they could not use, and nothing else."""

    def told(**sent):
        response = server.post(sent)
        assert response.status_code == 200, response.text
        return response.json().get("warnings", [])

    optimize, jobs = {"action": "optimize", "prompt": "coat"}, {"action": "jobs"}
    assert told(**optimize, model="none", style="none") == ["model", "style"]
    assert told(**optimize, model="", style=None) == []
    assert told(action="random", character="nobody") == ["character"]
    assert told(action="random", character="") == told(action="random", character="aya") == []
    assert told(**jobs, limit=0, status="LOST") == ["limit", "status"]
    assert told(**jobs, limit="", status="", cursor="") == told(**jobs, limit="1") == []
    refused = server.post(jobs | {"limit": "many"})
    assert (refused.status_code, refused.json()) == (400, {"error": "Invalid limit"})
