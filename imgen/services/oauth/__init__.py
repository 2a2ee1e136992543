"""OAuth 2.1 authorization server: registration, consent, tokens, connected applications."""
