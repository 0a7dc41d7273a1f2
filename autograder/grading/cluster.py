"""Examining submissions on a Dask cluster: each of its workers keeps a station, and gets a few submissions at a time.

Dask moves a submission on to another worker when the one that had it is lost. What it is asked to do is
pure: the same files, the same order, the same record.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import pickle
import queue
import re
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import dask
from distributed import Client, Future, KilledWorker, Security, Worker, WorkerPlugin, get_worker

from autograder.errors import UserError
from autograder.grading import records
from autograder.grading.station import Station, pack
from autograder.grading.task import Answer, Order, Task, given

ADDRESS = re.compile(r"(tcp|tls)://\S+:\d+")
CONNECT_SECONDS = 10
LOOK_SECONDS = 1.0
"""How often the workers are counted."""
AHEAD = 2
"""Submissions under way for each thread of a worker: the next is there when one is done, and no more fill memory."""


@dataclass(frozen=True)
class Unusable:
    """A worker that cannot examine submissions, and why."""

    worker: str
    reason: str


class AtWorker(WorkerPlugin):
    """What Dask brings to every worker, also to those that join later: the order, and a station once it is needed."""

    def __init__(self, name: str, order: Order, shared: Path | None) -> None:
        self.name = name
        self._shared = shared
        self._bundle = pickle.dumps(pack(order))  # as bytes: a scheduler holds it without looking into it
        self._versions = records.versions()

    def setup(self, worker: Worker) -> None:
        """Get ready on a worker."""
        self._address: str = worker.address
        self._threads: int = worker.state.nthreads
        self._starting = threading.Lock()
        self._station: Station | None = None

    async def teardown(self, worker: Worker) -> None:
        """End the station; called when the run or the worker ends."""
        if self._station is not None:
            await asyncio.to_thread(self._station.close)

    def examine(self, task: bytes) -> Answer | Unusable:
        """Have a submission examined by the station."""
        try:
            self._demand_the_same()
            return self._started().examine(task)
        except (UserError, OSError, ModuleNotFoundError) as error:
            return Unusable(self._address, str(error))

    def _demand_the_same(self) -> None:
        """Raise UserError unless this worker gives the same records as the machine that asks for them."""
        if self._shared and not self._shared.is_dir():
            raise UserError(f"{self._shared} is not there. Leave out --shared-files, or mount the course folder there.")
        for package, version in records.versions().items():
            if self._versions[package] != version:
                wanted = self._versions[package]
                raise UserError(f"it has {package} {version}, and here is {wanted}. Install the same on both.")

    def _started(self) -> Station:
        with self._starting:
            if self._station is not None and not self._station.alive:
                self._station.close()
                self._station = None
            if self._station is None:
                self._station = Station(self._bundle, self._threads)
            return self._station


def examine(name: str, task: bytes) -> Answer | Unusable:
    """Examine a submission; this is what runs on a worker."""
    plugin = get_worker().plugins[name]
    assert isinstance(plugin, AtWorker)
    return plugin.examine(task)


@dataclass(frozen=True)
class _UnderWay:
    task: bytes
    done: Callable[[Answer], None]
    workers: frozenset[str]
    future: Future


class Cluster:
    """Examines submissions on the workers of a Dask cluster; a context manager.

    Args:
        address: of the scheduler, `tcp://HOST:PORT` or `tls://HOST:PORT`.
        order: what to examine, and how.
        shared: the folder of the submissions, if workers are to read them there themselves.
        tell: told what to know meanwhile.

    Raises:
        UserError: the scheduler cannot be reached, or the cluster lacks the kit.
    """

    def __init__(self, address: str, order: Order, shared: Path | None, tell: Callable[[str], None]) -> None:
        self._address, self._shared, self._tell = address, shared, tell
        self._connected = True
        self._run = f"coursekit-{uuid.uuid4().hex}"
        self._numbers = itertools.count()
        self._under_way: dict[str, _UnderWay] = {}
        self._ended: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._threads: dict[str, int] = {}
        self._waiting = False
        self._unusable: set[str] = set()
        plugin = AtWorker(self._run, order, shared)
        self._client = _connect(address)
        try:
            self._client.register_plugin(plugin)
        except Exception as error:
            self._client.close()
            raise UserError(
                f"{address}: this cluster cannot grade: {type(error).__name__}: {error}. Its scheduler and its workers "
                "need the kit as it is installed here."
            ) from None
        self._look()

    @property
    def free(self) -> bool:
        """Whether the workers should have another submission."""
        threads = sum(self._threads[worker] for worker in self._usable())
        return len(self._under_way) < AHEAD * max(threads, 1)  # what waits for workers may call for some

    @property
    def busy(self) -> bool:
        """Whether any submission is under way."""
        return bool(self._under_way)

    def examine(self, task: Task, done: Callable[[Answer], None]) -> None:
        """Send a submission to the cluster; `wait` calls `done` with what comes of it."""
        task = replace(task, earlier=partial(given, task.earlier()))
        if self._shared is None:
            try:
                task = replace(task, read=partial(given, task.read()))
            except UserError as error:
                return done(Answer(trouble=str(error)))
        self._submit(pickle.dumps(task), done)

    def wait(self) -> None:
        """Wait a moment, and say of those that have ended that they are done."""
        with contextlib.suppress(queue.Empty):
            name, result = self._ended.get(timeout=LOOK_SECONDS)
            while True:
                self._take(name, result)
                name, result = self._ended.get_nowait()
        if time.monotonic() > self._looked + LOOK_SECONDS:
            self._look()

    def _submit(self, task: bytes, done: Callable[[Answer], None]) -> None:
        name = f"{self._run}-{next(self._numbers)}"
        workers = frozenset(self._usable() if self._unusable else ())  # none named: any, those to come included
        future = self._client.submit(examine, self._run, task, key=name, workers=list(workers) or None)
        self._under_way[name] = _UnderWay(task, done, workers, future)
        future.add_done_callback(partial(self._fetch, name))

    def _fetch(self, name: str, future: Future) -> None:
        """Get the result of what has ended, in a thread of Dask's."""
        try:
            self._ended.put((name, future.result()))
        except (Exception, CancelledError) as error:
            self._ended.put((name, error))

    def _take(self, name: str, result: Answer | Unusable | BaseException) -> None:
        one = self._under_way.pop(name, None)
        if one is None:  # it was sent to others meanwhile
            return
        if isinstance(result, Answer):
            one.done(result)
        elif isinstance(result, Unusable):
            self._leave_out(result)
            self._submit(one.task, one.done)
        elif isinstance(result, KilledWorker):
            one.done(Answer(trouble="each worker that examined it was lost, so it is not tried again in this run"))
        elif isinstance(result, CancelledError):
            raise self._lost()
        else:
            one.done(Answer(cut_short=f"{type(result).__name__}: {result}"))

    def _leave_out(self, unusable: Unusable) -> None:
        """Go on without a worker.

        Raises:
            UserError: no other is left.
        """
        sentence = f"The worker {unusable.worker} cannot be used: {unusable.reason}"
        known = unusable.worker in self._unusable
        self._unusable.add(unusable.worker)
        self._look()
        if not self._usable():
            raise UserError(sentence)
        if not known:
            self._tell(sentence)

    def _usable(self) -> list[str]:
        return [worker for worker in self._threads if worker not in self._unusable]

    def _look(self) -> None:
        """See which workers are there, and send on what waits for some that are gone."""
        try:
            self._threads = self._client.nthreads()
        except OSError:
            raise self._lost() from None
        self._looked = time.monotonic()
        if not self._threads and not self._waiting:
            self._tell(f"{self._address}: there are no workers. Waiting for some; Ctrl-C stops.")
        self._waiting = not self._threads
        for name, one in list(self._under_way.items()):
            if one.workers and one.workers.isdisjoint(self._threads):
                del self._under_way[name]
                one.future.cancel()
                self._submit(one.task, one.done)

    def _lost(self) -> UserError:
        self._connected = False
        return UserError(f"{self._address}: the connection to the scheduler is lost.")

    def __enter__(self) -> Cluster:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._connected:
            with contextlib.suppress(Exception):  # whatever became of the cluster, what is done is done
                self._client.cancel([one.future for one in self._under_way.values()])
                self._client.unregister_worker_plugin(self._run)
        self._client.close()


def _connect(address: str) -> Client:
    if not ADDRESS.fullmatch(address):
        raise UserError(
            f"{address}: this is no address of a scheduler. It looks like tcp://HOST:PORT or tls://HOST:PORT."
        )
    security = Security()  # as Dask's own configuration says
    if address.startswith("tls:") and security.get_connection_args("client")["ssl_context"] is None:
        raise UserError(f"{address}: Dask's configuration names no certificates: set distributed.comm.tls.")
    for name in ("distributed", "distributed.client"):  # what is lost is said here, in a sentence
        logging.getLogger(name).setLevel(logging.CRITICAL)
    dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 GB"})  # saved models are what they are
    try:
        return Client(address, timeout=CONNECT_SECONDS, security=security, set_as_default=False)
    except OSError as error:
        raise UserError(
            f"{address}: the scheduler cannot be reached: {error}. Is `dask scheduler` running there?"
        ) from None
