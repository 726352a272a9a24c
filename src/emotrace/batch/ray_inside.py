"""What is changed inside of Ray, which has no switches for it; what a version of it does not have is left."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib import import_module
from inspect import signature
from typing import Any


@contextmanager
def quiet() -> Iterator[None]:
    """Nothing of Ray's own on standard output, which is for results, or on the terminal."""
    with ExitStack() as stack:
        for name in ("ray", "ray.data"):
            logger = logging.getLogger(name)
            stack.callback(logger.setLevel, logger.level)
            logger.setLevel(logging.CRITICAL)
        _replace(stack, "ray._private.worker", "print_to_stdstream", lambda *_, **__: None)
        yield


@contextmanager
def quiet_data() -> Iterator[None]:
    """The same of Ray Data, and what a long recording or a lost node needs."""
    from ray.data import DataContext

    with ExitStack() as stack:
        for setting, value in _SETTINGS.items():
            _replace(stack, DataContext.get_current(), setting, value)
        yield


@contextmanager
def few_processes() -> Iterator[None]:
    """No dashboard, autoscaler and reader of logs in a cluster that is started here, for one batch.

    Each is a process that takes 50 MB and half a second of a core. The dashboard's agent, without which there
    is no node, does only what it must.
    """
    from ray._private import parameter

    with ExitStack() as stack:
        none = {"no_monitor": True, "include_log_monitor": False}
        made = getattr(parameter, "RayParams", None)
        if made is not None and none.keys() <= signature(made).parameters.keys():
            _replace(stack, parameter, "RayParams", partial(made, **none))
        _replace(stack, "ray._private.services", "start_api_server", lambda *_, **__: ("", None))
        none_there = ImportError("no dashboard")
        _replace(stack, "ray._private.utils", "get_dashboard_dependency_error", lambda: none_there)
        yield


@contextmanager
def no_helpers() -> Iterator[None]:
    """None of Ray Data's own actors in a cluster that is started here, for one batch.

    Nobody reads its statistics, it cannot grow, and it has one node. Each is a process that takes 70 to
    120 MB and a second of a core.
    """
    inside = "ray.data._internal"
    pool = f"{inside}.execution.operators.actor_pool_map_operator"
    with ExitStack() as stack:
        _replace(stack, f"{inside}.stats", "get_or_create_stats_actor", _Nobody)
        _replace(
            stack,
            f"{inside}.execution.streaming_executor",
            "create_cluster_autoscaler",
            lambda *_, **__: _Fixed(),
        )
        _replace(stack, pool, "get_or_create_actor_location_tracker", _Nobody)
        _replace(stack, pool, "get_actor_locations", lambda _: {})
        yield


@contextmanager
def without_stderr() -> Iterator[None]:
    """What is not Python tells there that it will tell nothing."""
    try:
        kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    except OSError:  # it is closed
        yield
        return
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


class _Nobody:
    """In place of an actor: takes every call, and does nothing."""

    def __getattr__(self, name: str) -> _Nobody:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *_: Any, **__: Any) -> None:
        return None


class _Fixed:
    """In place of what makes a cluster grow."""

    def try_trigger_scaling(self) -> None:
        """It does not grow."""

    def on_executor_shutdown(self) -> None:
        """Nothing was asked for."""

    def get_total_resources(self) -> Any:
        """All that there is."""
        import ray
        from ray.data._internal.execution.interfaces import ExecutionResources

        return ExecutionResources.from_resource_dict(ray.cluster_resources())  # type: ignore[no-untyped-call]


def _replace(stack: ExitStack, owner: Any, name: str, instead: Any) -> None:
    """Replace something of an object or a module, if it is there, until the stack ends."""
    try:
        place = import_module(owner) if isinstance(owner, str) else owner
        there = getattr(place, name)
    except (ImportError, AttributeError):
        return
    stack.callback(setattr, place, name, there)
    setattr(place, name, instead)


_SETTINGS = {
    "enable_progress_bars": False,
    "enable_operator_progress_bars": False,
    "print_on_execution_start": False,
    "execution_no_progress_timeout_s": -1,  # a long recording takes long
    "max_consecutive_actor_init_deaths": 5,  # a node may be lost then, too
}
