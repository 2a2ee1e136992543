"""Generations over OpenAI's dialect, field by field."""

import httpx2
import pytest
from surfaces.openai.answered import failure, opened


def test_pictures_come_with_all_that_is_said_of_them(openai):
    """Two PNG pictures of the nearest size, in base64, each another one; the usage counts prompt and patches."""
    answer = openai.images(model="gpt-image-1", n=2, size="1000x1000", seed=7, user="u", moderation="low", unknown=1)
    first, second = map(opened, answer["data"])
    assert first.format == second.format == "PNG"
    assert first.size == second.size == (1024, 1024)
    assert answer["data"][0] != answer["data"][1]
    told = {name: answer[name] for name in ("output_format", "size", "quality", "background")}
    assert told == {"output_format": "png", "size": "1024x1024", "quality": "auto", "background": "opaque"}
    assert set(answer) == {"created", "data", "usage", *told}
    assert answer["usage"] == {
        "input_tokens": 6,
        "input_tokens_details": {"text_tokens": 6, "image_tokens": 0},
        "output_tokens": 2048,
        "total_tokens": 2054,
    }


@pytest.mark.parametrize(
    ("sent", "kind"), [("jpeg", "JPEG"), ("jpg", "JPEG"), ("webp", "WEBP"), ("avif", "AVIF"), ("png", "PNG")]
)
def test_pictures_come_in_the_format_that_is_asked_for(openai, sent, kind):
    """The file is of it, and the answer names it."""
    answer = openai.images(output_format=sent, output_compression=60)
    assert opened(answer["data"][0]).format == kind
    assert answer["output_format"] == kind.lower()


def test_urls_are_good_without_the_key(openai):
    """`url` answers a signed URL instead of the file."""
    (picture,) = openai.images(response_format="url")["data"]
    assert set(picture) == {"url"}
    assert httpx2.get(picture["url"], verify=False, timeout=30).content.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"prompt": " "}, "invalid_value", "prompt"),
        ({"prompt": "a" * 32_001}, "invalid_value", "prompt"),
        ({"prompt": 5}, "invalid_value", "prompt"),
        ({"n": 0}, "invalid_value", "n"),
        ({"n": 11}, "invalid_value", "n"),
        ({"size": "big"}, "invalid_value", "size"),
        ({"size": "0x1024"}, "invalid_value", "size"),
        ({"quality": "best"}, "invalid_value", "quality"),
        ({"output_format": "svg"}, "invalid_value", "output_format"),
        ({"output_format": "gif"}, "invalid_value", "output_format"),
        ({"output_compression": 101}, "invalid_value", "output_compression"),
        ({"response_format": "file"}, "invalid_value", "response_format"),
        ({"background": "transparent"}, "unsupported", "background"),
        ({"partial_images": 4}, "invalid_value", "partial_images"),
        ({"seed": -1}, "invalid_value", "seed"),
    ],
)
def test_wrong_values_are_refused_by_name(openai, fields, code, param):
    """400 with the field; no job is made."""
    before = len(openai.rows())
    assert failure(openai.generate(**fields).result()) == (400, code, param)
    assert len(openai.rows()) == before


def test_a_prompt_is_plain_text(openai):
    """`@`, a leading `-` and 32,000 characters are nothing special."""
    prompt = "@nobody, -5 degrees " + "a " * 15_000
    openai.images(prompt=prompt)
    assert openai.rows()[-1].recipe.count("@nobody") >= 1


def test_quality_chooses_a_tier_and_names_choose_models(openai):
    """Each word is a tier with its credits; a name of ours pins its model, one of OpenAI's the default one."""
    for quality, tier in (
        ("low", "draft"),
        ("medium", "standard"),
        ("hd", "premium"),
        ("xhigh", "ultra"),
        ("max", "ultra_plus"),
    ):
        assert openai.images(quality=quality)["quality"] == quality
        assert f'"tier":"{tier}"' in openai.rows()[-1].recipe
    openai.images(model="starter", quality="high")
    assert '"pinned":"starter"' in openai.rows()[-1].recipe
    openai.images(model="DALL-E-3", quality="auto")
    assert '"tier"' not in openai.rows()[-1].recipe


def test_models_are_listed_and_read(openai):
    """The list has our models and no unavailable one; OpenAI's names are read as well; others are not found."""
    listed = openai.call("GET", "/v1/models").json()
    assert listed["object"] == "list"
    ids = [model["id"] for model in listed["data"]]
    assert ids[0] == "eros"
    assert "@cf/black-forest-labs/flux-2-dev" not in ids
    assert set(listed["data"][0]) == {"id", "object", "created", "owned_by"}
    for name in (*ids, "gpt-image-2.6-flare"):
        assert openai.call("GET", f"/v1/models/{name}").json()["id"] == name
    for name in ("nobody", "@cf/black-forest-labs/flux-2-dev"):
        assert failure(openai.call("GET", f"/v1/models/{name}")) == (404, "model_not_found", "model")
        assert failure(openai.generate(model=name).result()) == (404, "model_not_found", "model")


def test_callers_have_a_key_that_may(openai):
    """401 without a valid one, 403 beyond its scopes; unknown paths and methods are answered in the same form."""
    assert failure(openai.call("GET", "/v1/models", key=None)) == (401, "invalid_api_key", None)
    assert failure(openai.call("POST", "/v1/images/generations", key="imgen_no", json={})) == (
        401,
        "invalid_api_key",
        None,
    )
    reader = openai.new_key("readers", scope="read")
    assert openai.call("GET", "/v1/models", key=reader).status_code == 200
    assert failure(openai.generate(key=reader).result()) == (403, "permission_denied", None)
    assert failure(openai.call("GET", "/v1/nothing")) == (404, "not_found", None)
    assert failure(openai.call("GET", "/v1/images/generations")) == (405, "method_not_allowed", None)
