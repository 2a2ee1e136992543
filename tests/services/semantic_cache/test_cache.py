"""The semantic cache over real SQL, Redis and sentence model: what is found, by whom, and when two processes agree."""

import asyncio
import random
import time

import pytest
import redis
from factories import make_job
from msgspec import structs
from servers.embedder import start_embedder

from imgen import configuration, settings
from imgen.domain.review.floor import FLOOR_VERSION
from imgen.live import epochs
from imgen.live.executors import BlockingExecutor, PipeliningExecutor
from imgen.objects.disk import DiskStore
from imgen.records import cache as records
from imgen.records import jobs
from imgen.records.tables.cache import cache_entries
from imgen.services.semantic_cache.cache import SemanticCache
from imgen.services.semantic_cache.embeddings import Embedder


@pytest.fixture(scope="module")
def embedder_socket(tmp_path_factory):
    data = tmp_path_factory.mktemp("embedder") / "var"
    with start_embedder(data):
        yield settings.load(data, environ={}).embedder_socket


@pytest.fixture
def caches(database, clean_redis, embedder_socket, tmp_path):
    """Runs a function with two processes' caches over one truth, and a way to keep a picture."""

    def run(work, **changes):
        loaded = settings.load(tmp_path, environ={})
        wanted = loaded.cache.model_copy(update=changes)
        guard = configuration.load_guard(loaded)

        async def main():
            lives = [PipeliningExecutor(clean_redis) for _ in range(2)]
            pair = [SemanticCache(wanted, database, live, Embedder(wanted, embedder_socket), guard) for live in lives]
            try:
                return await work(*pair, Keeper(pair[0], database, clean_redis))
            finally:
                for cache, live in zip(pair, lives, strict=True):
                    await cache.close()
                    await live.close()

        return asyncio.run(main())

    return run


class Keeper:
    """Keeps pictures as a worker does."""

    def __init__(self, cache, database, redis_url):
        self._cache = cache
        self._database = database
        self._url = redis_url

    async def draft(self, text, partition="p", **changes):
        given = {"tenant_id": "ten_1", "model": "eros"}
        return await self._cache.pending_entry(text=text, partition=partition, **(given | changes))

    async def keep(self, text, partition="p", *, tell=True, **changes):
        job = make_job()
        job = structs.replace(job, recipe=structs.replace(job.recipe, cache_entry_id=records.new_entry_id()))
        draft = await self.draft(text, partition, **changes)

        def write(connection):
            jobs.add(connection, job)
            records.add_pending(connection, draft, job)
            records.make_ready(
                connection,
                job.recipe.cache_entry_id,
                master_key=f"cache/{job.recipe.cache_entry_id}/1.png",
                size_bytes=1000,
                codes=(),
                policy_digest="rules 1",
                floor_version=FLOOR_VERSION,
            )

        self._database.attempt(write)
        if tell:
            live = BlockingExecutor(self._url)
            live.run(epochs.bump(epochs.CACHE))
            live.close()
        return job.recipe.cache_entry_id


async def found(cache, keeper, text, partition="p", *, pick=1, force=False, seed=0):
    draft = await keeper.draft(text, partition)
    entries = await cache.find(draft, pick=pick, force=force, rng=random.Random(seed))
    return entries[0].id if entries else None


def test_what_means_the_same_is_found_and_nothing_else(caches):
    """Over 0.95, past the guard, in the same partition."""

    async def work(cache, _, keeper):
        kept = await keeper.keep("red coat, on a beach")
        assert await found(cache, keeper, "red coat, on a beach") == kept
        assert await found(cache, keeper, "red coat at the beach") == kept
        assert await found(cache, keeper, "an astronaut in space") is None
        assert await found(cache, keeper, "blue coat, on a beach") is None
        assert await found(cache, keeper, "red coat, on a beach", "q") is None

    caches(work)


def test_the_guard_refuses_what_the_model_finds_alike(caches):
    """`red coat, blue hat` and `blue coat, red hat` are 0.98 alike: refused with the guard, taken without."""

    async def work(cache, _, keeper):
        await keeper.keep("red coat, blue hat")
        return await found(cache, keeper, "blue coat, red hat")

    assert caches(work) is None
    assert caches(work, guard=False) is not None


def test_force_takes_the_nearest_however_far(caches):
    """Neither floor nor guard; the partition still holds."""

    async def work(cache, _, keeper):
        near, far = await keeper.keep("a ship at sea"), await keeper.keep("a bowl of soup")
        assert await found(cache, keeper, "a boat on the water", force=True) == near
        assert await found(cache, keeper, "noodles", force=True) == far
        assert await found(cache, keeper, "noodles", "q", force=True) is None
        picked = {await found(cache, keeper, "noodles", force=True, pick=2, seed=seed) for seed in range(20)}
        assert picked == {near, far}

    caches(work)


def test_the_pick_is_by_lot_among_the_best(caches):
    """Of equal ones each comes up; of `pick` nearest no farther one."""

    async def work(cache, _, keeper):
        kept = [await keeper.keep("red coat, on a beach") for _ in range(6)]
        all_of_them = {await found(cache, keeper, "red coat, on a beach", pick=10, seed=seed) for seed in range(80)}
        three = {await found(cache, keeper, "red coat, on a beach", pick=3, seed=seed) for seed in range(80)}
        assert all_of_them == set(kept)
        assert len(three) == 3

    caches(work)


def test_two_processes_agree_at_once(caches):
    """The other one finds a new entry at its next look-up, and a purged one no more."""

    async def work(first, second, keeper):
        assert await found(second, keeper, "red coat") is None
        kept = await keeper.keep("red coat")
        assert await found(second, keeper, "red coat") == await found(first, keeper, "red coat") == kept
        assert await first.purge(tenant_id="ten_1") == 1
        assert await found(second, keeper, "red coat") is None
        again = await keeper.keep("red coat")
        assert await found(second, keeper, "red coat") == again

    caches(work)


def test_what_redis_forgets_is_in_sql(caches, clean_redis):
    """After FLUSHALL all entries are found, old and new; news that nobody sent are read within half a minute."""

    async def work(first, second, keeper):
        kept = await keeper.keep("red coat")
        assert await found(second, keeper, "red coat") == kept
        with redis.Redis.from_url(clean_redis) as client:
            client.flushall()
        silent = await keeper.keep("a green lamp", tell=False)
        assert await found(second, keeper, "red coat") == kept
        assert await found(second, keeper, "a green lamp") == silent
        assert await first.purge() == 2
        late = await keeper.keep("a white horse", tell=False)
        assert await found(second, keeper, "red coat") is None
        second._read_at -= 31
        assert await found(second, keeper, "a white horse") == late

    caches(work)


def test_a_vector_of_another_width_harms_nobody(caches, database):
    """An endpoint that changed its model under the same name: the old entries and the new ones live side by side, unfound."""

    async def work(cache, _, keeper):
        kept = await keeper.keep("red coat")
        odd = await keeper.keep("a green lamp")
        database.attempt(
            lambda connection: connection.execute(
                cache_entries.update().where(cache_entries.c.id == odd).values(vector=b"\0\0\x80?")
            )
        )
        assert await found(cache, keeper, "red coat") == kept
        assert await found(cache, keeper, "a green lamp") is None

    caches(work)


def test_a_new_process_reads_everything(caches, database):
    """Nothing is kept in memory alone: a cache that was just opened finds what others kept."""

    async def keep(cache, _, keeper):
        return [await keeper.keep(text) for text in ("red coat", "a green lamp", "a white horse")]

    async def look(cache, _, keeper):
        await cache.warm()
        return [await found(cache, keeper, text) for text in ("red coat", "a green lamp", "a white horse")]

    assert caches(look) == [None] * 3
    kept = caches(keep)
    assert caches(look) == kept


def test_a_purge_that_redis_did_not_hear_of_holds(caches, database):
    """Whatever is found in memory is asked of SQL once more."""

    async def work(cache, _, keeper):
        await keeper.keep("red coat")
        assert await found(cache, keeper, "red coat")
        database.attempt(records.purge)
        assert await found(cache, keeper, "red coat") is None

    caches(work)


def test_what_cannot_be_told_is_not_looked_for(caches):
    """A prompt over the limit, and an embedder that refuses, give no draft."""

    async def work(cache, _, keeper):
        assert await keeper.draft("x" * 1001) is None
        assert await keeper.draft("word " * 190) is not None
        assert await keeper.draft("a b c d e f g " * 70) is None
        assert cache.wants(is_asked=True)
        assert not cache.wants(is_asked=False)

    caches(work)
    caches(lambda cache, *_: _assert_wants(cache, asked=False, unasked=False), enabled=False)
    caches(lambda cache, *_: _assert_wants(cache, asked=True, unasked=True), keep="all")


async def _assert_wants(cache, *, asked, unasked):
    assert (cache.wants(is_asked=True), cache.wants(is_asked=False)) == (asked, unasked)


def test_the_sweep_keeps_the_cap_and_removes_masters_later(caches, tmp_path):
    """Beyond the cap the least used go; their files only when no job can still read them."""
    store = DiskStore(tmp_path / "objects", base_url="http://x", secret=b"s" * 32)

    async def work(cache, _, keeper):
        kept = [await keeper.keep(text) for text in ("red coat", "a green lamp", "a white horse")]
        for entry_id in kept:
            store.put(f"cache/{entry_id}/1.png", b"png", "image/png")
        now = time.time()
        assert await cache.sweep(store, now=now, job_deadline_s=60) == 1
        assert await found(cache, keeper, "red coat") is None
        assert await found(cache, keeper, "a white horse") == kept[2]
        assert store.exists(f"cache/{kept[0]}/1.png")
        assert await cache.sweep(store, now=now + 121, job_deadline_s=60) == 0
        assert [stored.key for stored in store.list("cache/")] == sorted(f"cache/{one}/1.png" for one in kept[1:])
        assert await cache.sweep(store, now=now + 31 * 86400, job_deadline_s=60) == 2

    caches(work, max_entries=2)
