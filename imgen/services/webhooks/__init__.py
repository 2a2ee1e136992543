"""Webhooks: endpoints of tenants, and the dispatcher that sends the ends of jobs to them (Standard Webhooks)."""
