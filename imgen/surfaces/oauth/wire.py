"""Answers of the authorization server, as their specifications name the fields."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from imgen.domain.oauth.clients import AUTH_METHODS, GRANT_TYPES, RESPONSE_TYPES
from imgen.domain.oauth.grants import S256
from imgen.domain.principal import SCOPES


class ServerMetadata(Struct, frozen=True, kw_only=True):
    """Metadata of the authorization server (RFC 8414)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    registration_endpoint: str
    revocation_endpoint: str
    service_documentation: str
    scopes_supported: tuple[str, ...] = SCOPES
    response_types_supported: tuple[str, ...] = RESPONSE_TYPES
    response_modes_supported: tuple[str, ...] = ("query",)
    grant_types_supported: tuple[str, ...] = GRANT_TYPES
    token_endpoint_auth_methods_supported: tuple[str, ...] = AUTH_METHODS
    revocation_endpoint_auth_methods_supported: tuple[str, ...] = AUTH_METHODS
    code_challenge_methods_supported: tuple[str, ...] = (S256,)
    authorization_response_iss_parameter_supported: bool = True
    client_id_metadata_document_supported: bool = True


class ResourceMetadata(Struct, frozen=True, kw_only=True):
    """Metadata of a resource (RFC 9728)."""

    resource: str
    authorization_servers: tuple[str, ...]
    resource_name: str
    resource_documentation: str
    scopes_supported: tuple[str, ...] = SCOPES
    bearer_methods_supported: tuple[str, ...] = ("header",)


class RegisteredClient(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Client as it was registered (RFC 7591)."""

    client_id: str
    client_id_issued_at: int
    redirect_uris: tuple[str, ...]
    token_endpoint_auth_method: str
    grant_types: tuple[str, ...]
    response_types: tuple[str, ...]
    scope: Annotated[str, Meta(description="Scopes that the client may ask for.")]
    client_name: str | UnsetType = UNSET
    client_uri: str | UnsetType = UNSET
    application_type: str | UnsetType = UNSET
    client_secret: Annotated[str | UnsetType, Meta(description="Shown once; public clients have none.")] = UNSET
    client_secret_expires_at: Annotated[int | UnsetType, Meta(description="0: never.")] = UNSET


class TokenAnswer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Tokens for an application (RFC 6749, section 5.1)."""

    access_token: Annotated[str, Meta(description="For the header `Authorization: Bearer`, for an hour.")]
    token_type: str
    expires_in: Annotated[int, Meta(description="Seconds.")]
    scope: str
    refresh_token: Annotated[
        str | UnsetType,
        Meta(description="Good once, within 30 days. Missing: the one that was sent was used a moment ago."),
    ] = UNSET


class OAuthFailure(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Reason of a failure (RFC 6749, section 5.2)."""

    error: Annotated[str, Meta(description="Stable word for programs.")]
    error_description: Annotated[str | UnsetType, Meta(description="Text for people.")] = UNSET
