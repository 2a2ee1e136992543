"""Values and rules of OAuth 2.1: clients, redirect URIs, proofs, scopes, resources, lifetimes."""
