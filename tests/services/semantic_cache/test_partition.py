"""Partitions of the semantic cache: what must be equal for a hit."""

from imgen.domain.catalog import parse_catalog
from imgen.domain.repair import resolve
from imgen.domain.request import GenerateRequest
from imgen.services.semantic_cache.lookup import partition_of

MODELS = {
    key: {
        "label": key,
        "source": key,
        "steps": {"default": 4},
        "guidance": {"default": 3.0},
        "default_style": "plain",
        "styles": {"plain": {"label": "Plain"}, "night": {"label": "Night", "quality_tags": "night"}},
    }
    for key in ("eros", "other")
}
CATALOG = parse_catalog(MODELS, {"aya": {"loras": {}}, "bella": {"loras": {}}})


def partition(
    prompt="red coat", *, negative="", owner="ten_1", rules="default 1", catalog=CATALOG, weights="", **fields
):
    request = GenerateRequest(prompt=prompt, negative=negative, **fields)
    resolved = resolve(request, catalog, {"default", "strict"}, max_prompt_chars=1000)
    return partition_of(catalog, resolved, owner=owner, ruleset=rules, weights=weights)


def test_what_must_be_equal_makes_the_partition():
    """Model, style, character, size, upscale factor, ruleset, negatives and owner; the words, the brand and the format do not count."""
    base = partition()
    others = [
        partition(model="other"),
        partition(style="night"),
        partition("@aya red coat"),
        partition("@bella red coat"),
        partition(width=1024, height=1024),
        partition(upscale=2),
        partition(upscale=4),
        partition(rules="strict 1"),
        partition(weights="digest of the model's files"),
        partition(weights="digest of other files"),
        partition(rules="default 2"),
        partition("red coat, -hat"),
        partition(negative="scarf"),
        partition(owner="ten_2"),
        partition(catalog=parse_catalog(MODELS | {"eros": MODELS["eros"] | {"source": "new"}}, {})),
    ]
    assert len({base, *others}) == len(others) + 1
    assert partition("blue lamp", format="png", cs_author="Me", wm_scale=50, seed=5, steps=9) == base
    assert partition("red coat, -hat, -Scarf") == partition("red coat, -scarf", negative="hat")


def test_the_names_of_weights_do_not_count_where_their_content_is_known():
    """A source and a LoRA file that were moved or renamed are the same as before."""

    def moved(source, lora):
        models = {"eros": MODELS["eros"] | {"source": source}}
        catalog = parse_catalog(models, {"aya": {"loras": {"eros": lora}}})
        return [partition("@aya red coat", catalog=catalog, weights=digest) for digest in ("", "d")]

    before, after = moved("old", "a.safetensors"), moved("new", "b.safetensors")
    assert (before[0] == after[0], before[1] == after[1]) == (False, True)
