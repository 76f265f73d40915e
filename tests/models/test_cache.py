"""The cache: bounds, order, what is told of what goes, and one maker among many threads."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from attncompare.errors import BadInput
from attncompare.models.cache import Cache


def never() -> str:
    raise AssertionError("made although it was kept")


def test_keeps_what_was_made() -> None:
    cache: Cache[str] = Cache()
    assert cache.get("a", lambda: "made") == "made"
    assert cache.get("a", never) == "made"
    assert cache.get_if_present("a") == "made"
    assert cache.get_if_present("b") is None
    assert len(cache) == 1


def test_the_least_recently_used_goes_first() -> None:
    gone: list[tuple[str, int]] = []
    cache: Cache[int] = Cache(max_items=2)
    cache.on_evict.append(lambda key, value: gone.append((key, value)))
    cache.get("a", lambda: 1)
    cache.get("b", lambda: 2)
    cache.get_if_present("a")
    cache.get("c", lambda: 3)
    assert gone == [("b", 2)]
    cache.get("a", lambda: 0)
    cache.get("d", lambda: 4)
    assert gone == [("b", 2), ("c", 3)]


def test_bytes_are_bounded() -> None:
    gone: list[str] = []
    cache: Cache[bytes] = Cache(max_bytes=10, size=len)
    cache.on_evict.append(lambda key, value: gone.append(key))
    cache.get("four", lambda: b"4444")
    cache.get("five", lambda: b"55555")
    assert (cache.nbytes, gone) == (9, [])
    cache.get("six", lambda: b"666666")
    assert (cache.nbytes, gone) == (6, ["four", "five"])
    assert cache.get("eleven", lambda: bytes(11)) == bytes(11)
    assert cache.get_if_present("eleven") is None
    assert (cache.nbytes, gone) == (6, ["four", "five"])


def test_bytes_need_a_measure() -> None:
    with pytest.raises(TypeError, match="size="):
        Cache(max_bytes=1)


def test_nothing_is_kept_where_nothing_may_be() -> None:
    cache: Cache[int] = Cache(max_items=0)
    assert [cache.get("a", lambda: 1), cache.get("a", lambda: 2)] == [1, 2]


def test_drop_forgets_and_tells() -> None:
    gone: list[object] = []
    cache: Cache[int] = Cache(max_bytes=100, size=lambda value: value)
    cache.on_evict.append(lambda key, value: gone.append(key))
    for key in (("pair", 1), ("pair", 2), ("other", 1)):
        cache.get(key, lambda: 5)
    assert cache.drop(lambda key: key[0] == "pair") == 2
    assert gone == [("pair", 1), ("pair", 2)]
    assert (len(cache), cache.nbytes) == (1, 5)


def test_a_follower_may_use_the_cache() -> None:
    cache: Cache[int] = Cache(max_items=1)
    seen: list[int | None] = []
    cache.on_evict.append(lambda key, value: seen.append(cache.get_if_present("b")))
    cache.get("a", lambda: 1)
    cache.get("b", lambda: 2)
    assert seen == [2]


def test_a_failure_is_not_kept() -> None:
    cache: Cache[int] = Cache()
    with pytest.raises(ZeroDivisionError):
        cache.get("a", lambda: 1 // 0)
    assert cache.get("a", lambda: 7) == 7


def crowd(cache: Cache[object], make: object, size: int = 8) -> list[object]:
    """Results or exceptions of threads that all ask for one key; the maker is let go when they have all arrived."""
    arrived = threading.Barrier(size)

    def ask() -> object:
        arrived.wait(10)
        try:
            return cache.get("key", make)  # type: ignore[arg-type]
        except BaseException as error:
            return error

    with ThreadPoolExecutor(size) as pool:
        return [future.result(20) for future in [pool.submit(ask) for _ in range(size)]]


def test_many_threads_make_one_value() -> None:
    made: list[object] = []
    go = threading.Event()

    def make() -> object:
        made.append(object())
        go.wait(0.2)  # the others come meanwhile
        return made[-1]

    assert set(crowd(Cache(), make)) == {made[0]}
    assert len(made) == 1


def test_many_threads_share_an_error_on_purpose() -> None:
    calls = []

    def make() -> object:
        calls.append(1)
        threading.Event().wait(0.2)
        raise BadInput("It can't be.")

    results = crowd(Cache(), make)
    assert len(calls) < len(results)
    assert all(isinstance(result, BadInput) for result in results)
    assert len({id(result) for result in results}) == len(calls)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, InterruptedError])
def test_a_stopped_maker_stops_nobody_else(stop: type[BaseException]) -> None:
    calls = []

    def make() -> object:
        calls.append(1)
        threading.Event().wait(0.1)
        if len(calls) == 1:
            raise stop
        return "made"

    results = crowd(Cache(), make)
    assert len(calls) == 2
    assert sorted(type(result).__name__ for result in results) == sorted([stop.__name__, *["str"] * 7])


def test_different_keys_do_not_wait_for_each_other() -> None:
    cache: Cache[int] = Cache()
    both = threading.Barrier(2)

    def make() -> int:
        return both.wait(10)  # passes only if both makers run at the same time

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(lambda key: cache.get(key, make), "ab")) == [0, 1]
