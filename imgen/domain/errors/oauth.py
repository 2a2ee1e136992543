"""Errors of OAuth 2.1, each with the code of its specification; docstrings are the messages."""

from imgen.domain.errors.requests import Invalid


class OAuthError(Invalid):
    """The request is not one of OAuth 2.1."""

    code = "invalid_request"


class InvalidClient(OAuthError):
    """The client is unknown, or its secret is wrong."""

    code = "invalid_client"


class UnauthorizedClient(OAuthError):
    """The client may not use this grant."""

    code = "unauthorized_client"


class InvalidGrant(OAuthError):
    """The code or token is unknown, expired, used or revoked, or is for another client."""

    code = "invalid_grant"


class UnsupportedGrantType(OAuthError):
    """grant_type is authorization_code or refresh_token."""

    code = "unsupported_grant_type"


class UnsupportedResponseType(OAuthError):
    """response_type is code."""

    code = "unsupported_response_type"


class InvalidScope(OAuthError):
    """A scope is unknown, or is more than was granted."""

    code = "invalid_scope"


class InvalidTarget(OAuthError):
    """The resource is none of this server, or none that was granted."""

    code = "invalid_target"


class AccessDenied(OAuthError):
    """The person did not allow it."""

    code = "access_denied"


class InvalidClientMetadata(OAuthError):
    """The metadata of the client are not as they have to be."""

    code = "invalid_client_metadata"


class InvalidRedirectUri(OAuthError):
    """A redirect URI begins with https://, or with http:// and a loopback host; it has no wildcard, fragment or user."""

    code = "invalid_redirect_uri"
