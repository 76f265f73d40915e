"""A bounded cache for what is expensive to make: the models of a pair, the traces of a text.

It is bounded by number and by bytes (the least recently used goes first), safe to share between threads, and makes a
missing value once however many threads ask for it. It knows nothing about what it keeps.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

from attncompare.errors import AttnCompareError

V = TypeVar("V")


class _Flight(Generic[V]):
    """A value that one thread is making and others may be waiting for."""

    def __init__(self) -> None:
        self.landed = threading.Event()
        self.values: list[V] = []
        self.error: AttnCompareError | None = None


class Cache(Generic[V]):
    """Values by key, at most ``max_items`` of them and at most ``max_bytes`` in all, as ``size(value)`` measures them.

    A value that alone exceeds ``max_bytes`` is handed out and not kept. Every function in :attr:`on_evict` is called as
    ``function(key, value)``, outside the lock, when a value leaves the cache; append to it to follow what goes.
    """

    def __init__(
        self,
        *,
        max_items: int | None = None,
        max_bytes: int | None = None,
        size: Callable[[V], int] | None = None,
    ) -> None:
        if max_bytes is not None and size is None:
            raise TypeError("A cache that is bounded in bytes needs size=, a function that measures a value.")
        self.on_evict: list[Callable[[Any, V], object]] = []
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._size = size or (lambda value: 0)
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, tuple[V, int]] = OrderedDict()
        self._flights: dict[Hashable, _Flight[V]] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def nbytes(self) -> int:
        """Bytes kept now, as ``size`` measured them when they came in."""
        return self._bytes

    def get(self, key: Hashable, make: Callable[[], V]) -> V:
        """The value of ``key``, made by ``make()`` if it is missing.

        Threads that ask for a key while it is being made wait, and get the same value. An error that attncompare raises
        on purpose is true for all of them, so they get it too; after any other exception (the maker was cancelled, say)
        a waiting thread makes the value itself. Failures are not kept. ``make`` must not ask for the same key.
        """
        while True:
            with self._lock:
                if key in self._kept:
                    self._kept.move_to_end(key)
                    return self._kept[key][0]
                flight = self._flights.get(key)
                if flight is None:
                    mine = self._flights[key] = _Flight[V]()
                    break
            flight.landed.wait()
            if flight.error is not None:
                raise flight.error
            if flight.values:
                return flight.values[0]
        return self._make(key, make, mine)

    def get_if_present(self, key: Hashable) -> V | None:
        """The value of ``key`` if it is kept, else None; waits for nobody."""
        with self._lock:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key][0]

    def drop(self, predicate: Callable[[Any], bool]) -> int:
        """Forget every value whose key the predicate accepts; how many those were."""
        with self._lock:
            gone = [self._remove(key) for key in list(self._kept) if predicate(key)]
        self._tell(gone)
        return len(gone)

    def _make(self, key: Hashable, make: Callable[[], V], flight: _Flight[V]) -> V:
        gone: list[tuple[Hashable, V]] = []
        try:
            value = make()
            nbytes = self._size(value)
            flight.values.append(value)
            with self._lock:
                gone = self._keep(key, value, nbytes)
        except AttnCompareError as error:
            flight.error = error
            raise
        finally:
            with self._lock:
                del self._flights[key]
            flight.landed.set()
        self._tell(gone)
        return value

    def _keep(self, key: Hashable, value: V, nbytes: int) -> list[tuple[Hashable, V]]:
        """Store under the lock; what had to go for it."""
        if self._max_items == 0 or (self._max_bytes is not None and nbytes > self._max_bytes):
            return []
        self._kept[key] = (value, nbytes)
        self._bytes += nbytes
        gone = []
        while self._over():
            gone.append(self._remove(next(iter(self._kept))))
        return gone

    def _over(self) -> bool:
        too_many = self._max_items is not None and len(self._kept) > self._max_items
        return too_many or (self._max_bytes is not None and self._bytes > self._max_bytes)

    def _remove(self, key: Hashable) -> tuple[Hashable, V]:
        value, nbytes = self._kept.pop(key)
        self._bytes -= nbytes
        return key, value

    def _tell(self, gone: list[tuple[Hashable, V]]) -> None:
        for key, value in gone:
            for function in tuple(self.on_evict):
                function(key, value)
