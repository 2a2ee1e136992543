"""The OpenAPI document as it is served."""

import httpx2
import pytest


@pytest.fixture(scope="session")
def document(server):
    """The document as it is served."""
    response = httpx2.get(f"{server.url}/openapi.json")
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    return response.json()
