"""Whether workers are ready for a run: their version, the run's folder, their keys; no call."""

from __future__ import annotations

import platform
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from llmwidgets import __version__
from llmwidgets.comparison.cluster.worker import open_run
from llmwidgets.errors import FieldError, LLMWidgetsError, UnknownConnection
from llmwidgets.formatting import count
from llmwidgets.known_keys import secret_values

if TYPE_CHECKING:
    from llmwidgets.comparison.cluster.workers import Cluster
    from llmwidgets.connections.connection import Connection


class Version(NamedTuple):
    """What has to be the same in two processes, so that what one writes the other reads."""

    package: str
    python: str


def own_version() -> Version:
    """That of this process."""
    return Version(__version__, ".".join(platform.python_version_tuple()[:2]))


@dataclass(frozen=True, slots=True)
class Look:
    """Why a worker cannot take part, in a sentence, and what to do; both empty if it can."""

    reason: str = ""
    hint: str = ""
    worker: str = ""


_SAME = "Have the workers run the same llmwidgets and Python as this process."
_IMPORTABLE = (
    "Install it where the workers run, hand it to them by client.upload_file(PATH), or define the "
    "schema in the notebook."
)
_THERE = (
    "Keys are read where the workers run, and never sent: set the variable or put the file there, "
    "before the workers start."
)


def look_at_worker(place: str, digest: str, version: Version) -> Look:
    """Whether the worker that runs this is ready. Makes no call, and never raises."""
    own = own_version()
    if own.package != version.package:
        return Look(f"llmwidgets is {own.package} there, not {version.package}.", _SAME)
    if own.python != version.python:
        return Look(f"Python is {own.python} there, not {version.python}.", _SAME)
    try:
        context = open_run(place, digest)
        for number in range(len(context.spec.variants)):
            column = context.variant(number)
            _check_keys(column.connection)
            context.policy.permit(column.connection, column.model)
    except UnknownConnection as error:
        return Look(error.message, _THERE)
    except LLMWidgetsError as error:
        return Look(error.message, error.hint)
    except ImportError as error:
        return Look(f"{error.name or 'a module'} cannot be imported there.", _IMPORTABLE)
    except Exception as error:  # noqa: BLE001 - its words may contain a text
        return Look(f"{type(error).__name__} when it read the run.", _IMPORTABLE)
    return Look()


def _check_keys(connection: Connection) -> None:
    """FieldError for a reference that leads nowhere; what it leads to is looked at by no one."""
    for label, name, secret in connection.secrets:
        try:
            secret_values(secret)
        except FieldError as error:
            raise FieldError({f"{name} of {label}": error.message}, _THERE) from None


class WorkerLooks:
    """Which workers of a cluster are ready; those that join later are looked at as well.

    The driver calls `begin` whenever it sees who is there, and gives each task that ended to
    `take` first.
    """

    def __init__(self, cluster: Cluster, place: str, digest: str) -> None:
        self._cluster, self._asked = cluster, (place, digest, own_version())
        self._under_way: dict[Any, str] = {}
        self._seen: dict[str, Look] = {}
        self._here: frozenset[str] = frozenset()
        self._lost = Counter[str]()
        self._began: float | None = None
        self._settled = False

    def begin(self, here: Iterable[str]) -> None:
        """Have every worker that is there looked at, if it was not yet; returns at once."""
        self._here = frozenset(here)
        self._began = self._began or time.monotonic()
        for worker in self._here.difference(self._seen, self._under_way.values()):
            name = ("look", len(self._seen) + len(self._under_way))
            key = self._cluster.submit(
                name, look_at_worker, *self._asked, avoid=self._here - {worker}
            )
            self._under_way[key] = worker

    def take(self, key: Any, result: Any) -> bool:
        """Whether this task was a look; then what it says is known from now on."""
        worker = self._under_way.pop(key, None)
        if worker is None:
            return False
        if isinstance(result, Look):
            # Where its worker has ended, another one answered.
            self._seen[result.worker or worker] = result
            return True
        self._lost[worker] += 1
        # A look that was lost with its worker says nothing of it; what cannot be imported does.
        if isinstance(result, ImportError | AttributeError) or self._lost[worker] >= _TRIES:
            why = f"llmwidgets cannot be used there ({type(result).__name__})."
            self._seen[worker] = Look(why, 'Install "llmwidgets[dask]" where the workers run.')
        return True

    @property
    def settled(self) -> bool:
        """Whether texts may be given out: all have answered, or one is ready and time is up."""
        if not self._settled and self._began is not None:
            late = time.monotonic() - self._began > _PATIENCE_SECONDS
            self._settled = not self.waiting or (late and self._here > self.unready)
        return self._settled

    @property
    def waiting(self) -> bool:
        """Whether a worker that is there has not answered yet."""
        return any(worker in self._here for worker in self._under_way.values())

    @property
    def unready(self) -> frozenset[str]:
        """The workers that are there and may not be given chunks, or not yet."""
        return frozenset(each for each in self._here if self._seen.get(each, _UNSEEN).reason)

    @property
    def reasons(self) -> dict[str, str]:
        """Every worker that was looked at, with why it is not ready; empty for one that is."""
        return {worker: look.reason for worker, look in sorted(self._seen.items())}

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence for each worker that was not used."""
        return tuple(f"{at} was not used: {why}" for at, why in self.reasons.items() if why)

    @property
    def refusal(self) -> FieldError | None:
        """Why nothing can run: workers are there, and none is ready. None while one may be."""
        refused = sorted(self.unready)
        if self.waiting or not refused or self._here - self.unready:
            return None
        look = self._seen[refused[0]]
        more = f" So it is with {count(len(refused) - 1, 'other')}." if refused[1:] else ""
        return FieldError(
            {"cluster": f"no worker is ready. {refused[0]}: {look.reason}{more}"},
            f"{look.hint} What workers need: docs/cluster_security.md.".strip(),
        )


_TRIES = 3
_PATIENCE_SECONDS = 10.0
"""A worker that is busy with the task of somebody else is not waited for any longer."""
_UNSEEN = Look("was not looked at yet.")
