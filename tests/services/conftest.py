"""A core as an API process has it, for tests that need no process."""

import asyncio

import pytest

from imgen import composition, settings
from imgen.app import close_core, open_core
from imgen.records import schema


@pytest.fixture
def with_core(tmp_path, clean_redis):
    """Runs a function with a core over an empty database."""

    def run(work):
        data = tmp_path / "var"
        data.mkdir(exist_ok=True)
        (data / "imgen.toml").write_text(f'[redis]\nurl = "{clean_redis}"\n')
        loaded = settings.load(data, environ={})
        database = composition.open_database(loaded)
        schema.upgrade(database)
        database.close()

        async def main():
            core = open_core(loaded)
            try:
                return await work(core)
            finally:
                await close_core(core)

        return asyncio.run(main())

    return run
