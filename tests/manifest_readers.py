"""Two readers of manifests that share no code: c2pa-rs, which also signed, and encypher-c2pa. Both give CrJSON."""

import io
import json
import re

import c2pa
import encypher_c2pa

from imgen.provenance import credentials

TRUSTED = ("valid", "valid", "match", "valid_for_supplied_material", [])
"""Verdict of encypher-c2pa on a file with nothing to complain about."""


def by_library(body, mime, chain):
    """Reads with c2pa-rs, which also signed: the manifests as CrJSON, the active one first."""
    settings = credentials.SETTINGS | {"trust": {"user_anchors": chain.anchor.decode()}}
    with c2pa.Reader(mime, io.BytesIO(body), context=c2pa.Context.from_dict(settings)) as reader:
        assert reader.get_validation_state() == "Trusted"
        return json.loads(reader.crjson())["manifests"]


def by_another(body, mime, chain):
    """Reads with encypher-c2pa: the manifests as CrJSON, which it gives in its strict mode alone, the active one first."""
    anchors = {"trust_pem": chain.anchor.decode(), "no_default_trust": True, "online": False}
    assert verdict(encypher_c2pa.verify(body, mime, **anchors)) == TRUSTED
    return encypher_c2pa.verify(body, mime, **anchors, strict_conformance=True)["content_credentials"]["manifests"]


def verdict(report):
    failures = [problem["code"] for problem in report["validation_results"]["failure"]]
    return report["integrity"], report["signature"], report["hard_binding"], report["trust"]["status"], failures


def base(label):
    return re.sub(r"__\d+$", "", label)


def actions_of(manifest):
    return manifest["assertions"]["c2pa.actions.v2"]["actions"]
