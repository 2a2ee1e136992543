"""Leaving: the deletion of a tenant with all that is its own, and the export of its data."""
