"""Credentials that a remote engine's pictures carry: kept as the picture's parent; without them it is told as a drawing."""

import numpy as np
import pytest
from servers.image_engine import pictures, png
from signed_elsewhere import (
    CREATED,
    CROPPED,
    MARKED,
    OPENED,
    REDRAWN,
    RESIZED,
    actions,
    agent,
    finished,
    noise,
    put,
    theirs,
)


@pytest.mark.parametrize("issuer", ["provider", "ours"])
@pytest.mark.parametrize(
    ("size", "steps"),
    [((256, 256), []), ((512, 512), [RESIZED]), ((384, 256), [CROPPED])],
    ids=["as asked", "larger", "wider"],
)
def test_credentials_of_an_engines_picture_are_its_parents(resources, provider, server, issuer, size, steps):
    """With their own active manifest and a thumbnail; trusted are those of our root alone. What was changed is told."""
    signed = theirs(provider if issuer == "provider" else resources.signer, size)
    server.script.append(pictures(signed.body))
    manifest = finished(resources)
    assert actions(manifest) == [OPENED, *steps, MARKED]
    (parent,) = manifest["ingredients"]
    assert (parent["relationship"], parent["active_manifest"]) == ("parentOf", signed.manifest_id)
    results = parent["validation_results"]["activeManifest"]
    failed = [one["code"] for one in results["failure"]]
    assert failed == (["signingCredential.untrusted"] if issuer == "provider" else [])
    assert parent["thumbnail"]["format"] == "image/jpeg"


def test_a_picture_without_credentials_is_told_as_a_drawing_of_the_engines_model(resources, server):
    """By the engine's own name of it; what we did to its size is told too."""
    server.script.append(pictures(png((512, 384))))
    manifest = finished(resources)
    assert actions(manifest) == [CREATED, CROPPED, RESIZED, MARKED]
    assert agent(manifest) == ["gpt-image-2"]
    assert "ingredients" not in manifest


@pytest.mark.parametrize(("masked", "size"), [(False, (256, 256)), (True, (256, 256)), (True, (300, 200))])
def test_a_source_is_what_the_parent_was_drawn_from(resources, provider, server, masked, size):
    """There is one parent, the engine's picture; the edit names the source, which becomes an input."""
    signed = theirs(provider, size)
    server.script.append(pictures(signed.body))
    inputs = [put(resources, "source", noise(256, 256))]
    if masked:
        inputs.append(put(resources, "mask", np.repeat(np.eye(256, dtype=np.uint8)[..., None] * 255, 3, axis=2)))
    manifest = finished(resources, *inputs)
    steps = [] if size == (256, 256) else [CROPPED, RESIZED]
    assert actions(manifest) == [OPENED, *steps, REDRAWN, MARKED]
    told = {one["relationship"]: one.get("active_manifest") for one in manifest["ingredients"]}
    assert told == {"parentOf": signed.manifest_id, "inputTo": None}
    assert agent(manifest) == ["gpt-image-2"]


def test_without_credentials_a_source_stays_the_parent(resources, server):
    """As where the picture is drawn here."""
    manifest = finished(resources, put(resources, "source", noise(256, 256)))
    assert actions(manifest) == [OPENED, REDRAWN, MARKED]
    assert [one["relationship"] for one in manifest["ingredients"]] == ["parentOf"]
