"""A connection to a Ray cluster, and the little of Ray that is used: quiet, without usage statistics."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from emotrace.batch import ray_inside
from emotrace.errors import DeviceError, EmotraceError, MissingExtraError

if TYPE_CHECKING:
    import pyarrow as pa

Answer = TypeVar("Answer")

STORE_BYTES = 200_000_000
"""Ray's shared memory on a cluster of one machine that is started here."""

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_USAGE_STATS_PROMPT_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
}
"""Set where the user has not set them; some are read when Ray is imported."""


class Session:
    """A context in which Ray is connected; a connection that was there before is used and stays.

    Args:
        address: see :class:`~emotrace.batch.ray_engine.RayOptions`.

    Raises:
        MissingExtraError: Ray is not installed.
    """

    def __init__(self, address: str | None) -> None:
        from importlib.util import find_spec

        for name, value in _QUIET.items():
            os.environ.setdefault(name, value)
        if find_spec("ray") is None or find_spec("pyarrow") is None:
            raise MissingExtraError("the engine ray needs Ray: pip install 'emotrace[ray]'")
        self._address = address
        self._stack = ExitStack()

    def __enter__(self) -> Session:
        import ray

        with ExitStack() as stack:
            stack.enter_context(ray_inside.quiet())
            if ray.is_initialized():
                stack.enter_context(ray_inside.quiet_data())
            else:
                loading = threading.Thread(target=import_module, args=["ray.data"])  # while processes start
                loading.start()
                try:
                    self._connect()
                    stack.callback(ray.shutdown)
                finally:
                    loading.join()
                stack.enter_context(ray_inside.quiet_data())
                if self._address is None:
                    stack.enter_context(ray_inside.no_helpers())
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _connect(self) -> None:
        import ray

        from emotrace.models.cpu import cores

        here: dict[str, Any] = {}
        if self._address is None:
            here = {"num_cpus": cores(), "object_store_memory": STORE_BYTES, "include_dashboard": False}
        try:
            _knock(self._address)
            with ray_inside.without_stderr(), ray_inside.few_processes():
                ray.init(
                    address=self._address or "local",
                    log_to_driver=False,
                    logging_level=logging.CRITICAL,
                    configure_logging=False,
                    **here,
                )
        except Exception as problem:  # of many kinds
            reason = " ".join(str(problem).split())[:300] or type(problem).__name__
            where = f"at {self._address!r} cannot be reached" if self._address else "cannot be started"
            raise DeviceError(
                f"the Ray cluster {where}: {reason}; check the address, and that Ray and Python have the "
                "same versions there"
            ) from problem

    def actors(self, least: int, most: int, cpus: float, gpus: float) -> tuple[int, int]:
        """How many actors there are to be, at least and at most.

        Args:
            least: what was asked for; 0 is what fits now, up to ``most``.
            most: what was asked for; 0 is what fits now.
            cpus: for each.
            gpus: for each.

        Raises:
            DeviceError: not one fits, and the cluster was not told to grow.
        """
        import ray

        there: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        fit = int(there.get("CPU", 0) / cpus + 1e-6)
        if gpus:
            fit = min(fit, int(there.get("GPU", 0) / gpus + 1e-6))
        if not fit and not most:
            raise DeviceError(
                f"the Ray cluster has {there.get('CPU', 0):g} CPUs and {there.get('GPU', 0):g} GPUs, no room "
                f"for a worker with {cpus:g} and {gpus:g}; ask for less, or give --workers to let it grow"
            )
        most = most or fit
        return max(1, least or min(fit, most)), most

    def asked(self, question: Callable[[], Answer], cpus: float, gpus: float) -> Answer:
        """What a function gives on a node that has room for an actor.

        Raises:
            EmotraceError: what it raises.
        """
        import ray

        def asked() -> Answer | EmotraceError:
            try:
                return question()
            except EmotraceError as error:
                return error

        answer = ray.get(ray.remote(asked).options(num_cpus=cpus, num_gpus=gpus).remote())
        if isinstance(answer, EmotraceError):
            raise answer
        return answer

    def mapped(
        self,
        tables: Sequence[pa.Table],
        kind: type,
        arguments: tuple[Any, ...],
        actors: tuple[int, int],
        each: tuple[float, float],
    ) -> Iterator[pa.Table]:
        """Tables, each given to an actor of a pool; what they make of them, in any order.

        Args:
            tables: one for each call.
            kind: of the actors.
            arguments: of the actors.
            actors: how many, at least and at most.
            each: CPUs and GPUs of an actor.
        """
        import ray
        from ray.data import ActorPoolStrategy

        pool = ActorPoolStrategy(
            min_size=actors[0], max_size=actors[1], initial_size=actors[0], max_tasks_in_flight_per_actor=2
        )
        data = ray.data.from_blocks(list(tables)).map_batches(
            kind,
            compute=pool,
            batch_size=None,
            batch_format="pyarrow",
            fn_constructor_args=arguments,
            num_cpus=each[0],
            num_gpus=each[1],
        )
        yield from data.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=1)


@contextmanager
def cluster_errors() -> Iterator[None]:
    """What goes wrong inside of Ray comes out as one sentence.

    Raises:
        DeviceError: the cluster went away, or cannot run the workers.
    """
    from ray.exceptions import RayError

    try:
        yield
    except RayError as problem:
        reason = next((line.strip() for line in str(problem).splitlines() if line.strip()), "no reason given")
        raise DeviceError(
            f"the Ray cluster failed: {type(problem).__name__}: {reason}; see that it is well, then give the "
            "same command"
        ) from problem


def _knock(address: str | None) -> None:
    """Fail at once where nobody listens; Ray tries for minutes."""
    host, _, port = (address or "").rpartition(":")
    if host and port.isdigit() and "/" not in host:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=10):
            pass
