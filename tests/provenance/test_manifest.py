"""Manifests of picture and thumbnail, held to the rules of C2PA 2.4 one by one, as two readers that share no code see them."""

import re

import encypher_c2pa
import pytest
from factories import make_manifest
from manifest_readers import TRUSTED, actions_of, base, by_another, by_library, verdict

from imgen.provenance import encoding
from imgen.provenance.history import WATERMARKED, created
from imgen.provenance.signer import open_signer

MANIFEST = make_manifest(
    title="Red coat",
    author="Ada",
    organization="Studio Ö",
    vendor="Prints & Co",
    description="A coat, red.",
    version="1.2.3",
)
HARD_BINDINGS = ("c2pa.hash.data", "c2pa.hash.boxes", "c2pa.hash.bmff.v2", "c2pa.hash.bmff.v3")
DEPRECATED = (
    "stds.schema-org.CreativeWork",
    "stds.exif",
    "stds.iptc",
    "c2pa.actions",
    "c2pa.ingredient",
    "c2pa.ingredient.v2",
)


@pytest.fixture(scope="module")
def signed(chain, photo):
    """Function of a format: the signed picture and its signed thumbnail."""
    signer = open_signer(chain.chain, chain.key)

    def make(file_format):
        mime = encoding.MIME[file_format]
        picture = signer.sign(encoding.encode(photo[:256, :256], file_format, quality=90), mime, MANIFEST)
        small = encoding.encode(photo[:64, :64], file_format, quality=90)
        return picture.body, signer.sign_thumbnail(small, mime, MANIFEST, picture)

    return make


@pytest.fixture(scope="module", params=[by_library, by_another])
def seen(request, signed, chain):
    """Manifests of picture and thumbnail, as one of the readers sees them."""
    picture, thumbnail = signed("jpeg")
    mime = "image/jpeg"
    return request.param(picture, mime, chain)[0], request.param(thumbnail, mime, chain)


@pytest.fixture(params=["picture", "thumbnail"])
def manifest(request, seen):
    """Each of the two active manifests."""
    return seen[0] if request.param == "picture" else seen[1][0]


def labels(references):
    """Labels of the assertions that a claim's references name, without the number of an instance."""
    return [re.sub(r"__\d+$", "", reference["url"].rpartition("/")[2]) for reference in references]


@pytest.mark.parametrize("file_format", encoding.MIME)
def test_another_reader_trusts_both_files_in_every_format(signed, chain, file_format):
    """Integrity, signature, hard binding and trust hold, and it finds nothing to complain about."""
    for body in signed(file_format):
        report = encypher_c2pa.verify(
            body, encoding.MIME[file_format], trust_pem=chain.anchor.decode(), no_default_trust=True, online=False
        )
        assert verdict(report) == TRUSTED


def test_another_reader_sees_a_changed_byte(signed, chain):
    """Its agreement means something: one bit of the pixels turned, and it says no."""
    body = bytearray(signed("jpeg")[0])
    body[-200] ^= 1
    report = encypher_c2pa.verify(bytes(body), "image/jpeg", trust_pem=chain.anchor.decode(), no_default_trust=True)
    assert (report["integrity"], report["hard_binding"]) == ("invalid", "mismatch")


def test_manifest_is_named_by_a_urn(manifest):
    """The label is `urn:c2pa:` and a UUID of version 4 (section 8.1)."""
    uuid4 = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
    assert re.fullmatch(f"urn:c2pa:{uuid4}", manifest["label"])


def test_claim_names_its_generator_and_signature(manifest):
    """A claim of version 2 has an instance id, one generator with a name, and its own manifest's signature (section 10.2)."""
    claim = manifest["claim.v2"]
    assert claim["instanceID"]
    assert (claim["claim_generator_info"]["name"], claim["claim_generator_info"]["version"]) == ("Imgen", "1.2.3")
    assert claim["signature"].endswith(f"/c2pa/{manifest['label']}/c2pa.signature")
    assert claim["dc:title"] == "Red coat"


def test_every_assertion_is_referenced_once(manifest):
    """Created and gathered references together are the assertion store, without a double (sections 10.3 and 15.10)."""
    claim = manifest["claim.v2"]
    named = [
        ref["url"].rpartition("/")[2] for ref in (*claim["created_assertions"], *claim.get("gathered_assertions", []))
    ]
    assert sorted(named) == sorted(manifest["assertions"])


def test_one_hard_binding_is_created(manifest):
    """Exactly one, among the created assertions (section 9.2)."""
    created = labels(manifest["claim.v2"]["created_assertions"])
    assert sum(label in HARD_BINDINGS for label in created) == 1
    assert not set(HARD_BINDINGS) & set(labels(manifest["claim.v2"].get("gathered_assertions", [])))


def test_signer_attests_actions_bindings_and_ingredient(manifest):
    """They are created (section 18.15.2); gathered are the caller's words alone, for which the signer does not vouch."""
    claim = manifest["claim.v2"]
    ours = {"c2pa.actions.v2", "c2pa.soft-binding", "c2pa.ingredient.v3"} & {
        base(name) for name in manifest["assertions"]
    }
    assert ours <= set(labels(claim["created_assertions"]))
    assert set(labels(claim.get("gathered_assertions", []))) <= {"cawg.metadata"}


def test_actions_begin_with_a_creation_or_an_opening(manifest):
    """The one actions assertion begins with `c2pa.created` or `c2pa.opened`, and no later action is either (section 18.15.2)."""
    assert [base(name) for name in manifest["assertions"]].count("c2pa.actions.v2") == 1
    first, *later = (action["action"] for action in actions_of(manifest))
    assert first in {"c2pa.created", "c2pa.opened"}
    assert later
    assert not {"c2pa.created", "c2pa.opened"} & set(later)


def test_no_construct_that_the_specification_left_behind(manifest):
    """None of the assertions is deprecated (appendix C)."""
    assert not set(DEPRECATED) & {base(name) for name in manifest["assertions"]}


def test_times_are_those_of_rfc_3339(manifest):
    """`when` is a time with its zone, never in the future of the drawing."""
    for action in actions_of(manifest):
        assert action.get("when", "2026-01-02T03:04:05Z") == "2026-01-02T03:04:05Z"


def test_watermark_action_needs_a_soft_binding(manifest):
    """A watermark action and a soft binding of a watermark come together (section 15.10.3.2.3)."""
    names = [action["action"] for action in actions_of(manifest)]
    algorithms = {body["alg"] for name, body in manifest["assertions"].items() if base(name) == "c2pa.soft-binding"}
    assert ("c2pa.watermarked" in names) == ("internal.imgen.dwtDctSvd.bch127" in algorithms)


def test_picture_is_said_to_be_made_by_a_model(seen):
    """`c2pa.created` has the digital source type of trained algorithmic media, the model's name and the time of drawing."""
    created = actions_of(seen[0])[0]
    assert created == {
        "action": "c2pa.created",
        "when": "2026-01-02T03:04:05Z",
        "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
        "softwareAgent": {"name": "eros"},
    }


def test_picture_has_both_soft_bindings(seen):
    """Watermark and PDQ, each with an algorithm and a block with scope and value (section 18.10)."""
    bindings = [body for name, body in seen[0]["assertions"].items() if base(name) == "c2pa.soft-binding"]
    assert bindings == [
        {"alg": "internal.imgen.dwtDctSvd.bch127", "blocks": [{"scope": {}, "value": "0123456789ab"}]},
        {"alg": "internal.imgen.pdq", "blocks": [{"scope": {}, "value": "f0" * 32}]},
    ]


def test_metadata_has_the_structures_of_its_schemas(seen):
    """`cawg.metadata` is JSON-LD whose prefixes are all declared; a supplier's name stands inside an image supplier (PLUS)."""
    metadata = dict(seen[0]["assertions"]["cawg.metadata"])
    declared = metadata.pop("@context")
    assert {name.partition(":")[0] for name in metadata} <= set(declared)
    assert metadata == {
        "dc:creator": ["Ada"],
        "dc:publisher": ["Studio Ö"],
        "dc:description": "A coat, red.",
        "dc:identifier": "abcdefghij0123456789",
        "plus:ImageSupplier": [{"plus:ImageSupplierName": "Prints & Co"}],
    }


def test_picture_has_no_ingredient(seen):
    """It was created, so nothing was opened for it."""
    assert not [name for name in seen[0]["assertions"] if name.startswith("c2pa.ingredient")]


def test_thumbnail_leads_to_the_picture(seen):
    """Opened by a hashed URI of its one `parentOf` ingredient, whose manifest is the picture's and lies in the store (18.15.4.7)."""
    thumbnail, *others = seen[1]
    ingredients = {name: body for name, body in thumbnail["assertions"].items() if name.startswith("c2pa.ingredient")}
    ((name, ingredient),) = ingredients.items()
    opened = actions_of(thumbnail)[0]
    (reference,) = opened["parameters"]["ingredients"]
    assert (opened["action"], ingredient["relationship"]) == ("c2pa.opened", "parentOf")
    assert reference["url"].endswith(f"c2pa.assertions/{name}")
    assert reference["hash"]
    parent = seen[0]["label"]
    assert [other["label"] for other in others] == [parent]
    assert ingredient["activeManifest"]["url"].endswith(f"/c2pa/{parent}")
    assert ingredient["claimSignature"]["url"].endswith(f"/c2pa/{parent}/c2pa.signature")
    assert ingredient["validationResults"]["activeManifest"]["failure"] == []


def test_thumbnail_says_of_itself_that_it_was_resized_and_no_more(seen):
    """No creation, no watermark, no binding of a mark that it does not carry, and no statement of the picture's."""
    thumbnail = seen[1][0]
    assert [action["action"] for action in actions_of(thumbnail)] == ["c2pa.opened", "c2pa.resized"]
    assert {base(name) for name in thumbnail["assertions"]} == {
        "c2pa.actions.v2",
        "c2pa.ingredient.v3",
        "c2pa.hash.data",
    }


def test_time_that_nobody_knows_is_left_out(chain, photo):
    """A master of an early version does not tell when it was drawn, and no other time takes its place."""
    manifest = make_manifest(actions=(created("", ""), WATERMARKED))
    signer = open_signer(chain.chain, chain.key)
    signed = signer.sign(encoding.encode(photo[:64, :64], "png", quality=90), "image/png", manifest)
    first = actions_of(by_library(signed.body, "image/png", chain)[0])[0]
    assert "when" not in first
