"""Remote engines: servers elsewhere that draw (engines.toml). A new kind is one file with its client, and one line in KINDS."""
