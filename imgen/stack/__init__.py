"""Stack on one machine: an embedded Redis, the workers and the API, started and watched by `imgen up`."""
