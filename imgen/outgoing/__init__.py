"""Requests to addresses that tenants name: https alone, never into private networks, checked on the connection itself."""
