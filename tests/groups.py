"""Groups of test files that share a server: each group runs in one process, so its servers live once; the longest go out first.

pytest-xdist 3.8 has groups by a mark, but pytest 9.2 ignores the names that it gives to marked tests.
"""

import functools
import re
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).parent
FOLDERS = {
    "clients/openai": "stack",
    "surfaces/web": "web",
    "surfaces/cache": "cache",
    "surfaces/processes": "processes",
    "faults": "faults",
}
"""Folder → group of all its files but those of `ALONE`."""
ALONE = (
    "faults/test_described.py",
    "faults/test_outages.py",
    "faults/test_secrets.py",
    "faults/test_stop_and_start.py",
    "faults/test_tenant_deletion.py",
)
"""Files in such a folder that start stacks of their own."""
FIXTURES = {
    "server": "stack",
    "models": "engines",
    "store": "objects",
    "database": "databases",
    "postgres_url": "databases",
    "bombs": "bombs",
    "site": "sites",
}
"""Fixture → group of the files whose tests take it; the first that a file has decides."""
LONGEST_FIRST = (
    "faults",
    "web",
    "engines",
    "stack",
    "faults/test_outages.py",
    "faults/test_described.py",
    "cache",
    "objects",
    "starter/test_shipped.py",
    "processes",
    "databases",
    "bench/test_bench.py",
    "acceptance/test_engine.py",
    "bombs",
    "provenance/test_watermark.py",
)
"""Order in which groups are handed out, so that no process is left with a long one at the end; all others follow.

The first two wait for most of their time, the third one computes."""


@functools.cache
def group_of(file: str) -> str:
    """The group of a file, named as under tests/; without one it is a group of its own."""
    for folder, group in FOLDERS.items():
        if file.startswith(f"{folder}/") and file not in ALONE:
            return group
    heads = re.findall(r"^def \w+\((.*?)\)", (ROOT / file).read_text("utf-8"), re.MULTILINE | re.DOTALL)
    taken = {name.split(":")[0].split("=")[0].strip() for head in heads for name in head.split(",")}
    return next((group for fixture, group in FIXTURES.items() if fixture in taken), file)


def _group_of_test(nodeid: str) -> str:
    return group_of(nodeid.partition("::")[0].removeprefix(f"{ROOT.name}/"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sorts tests by group, the longest groups first."""
    ranks = {group: rank for rank, group in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: ranks.get(_group_of_test(item.nodeid), len(ranks)))


class GroupScheduling(LoadScopeScheduling):
    """Hands out whole groups."""

    def _split_scope(self, nodeid: str) -> str:
        return _group_of_test(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> GroupScheduling:
    """Gives the scheduler of a run in several processes."""
    return GroupScheduling(config, log)
