"""The engine on Ray, on real clusters of several nodes on this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray")
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

from emotrace.batch.engine import LocalEngine, bug
from emotrace.batch.manifests import jobs_of
from emotrace.batch.options import BatchOptions, BatchProgress, BatchReport
from emotrace.batch.ray_engine import RayEngine, RayOptions, ray_engine
from emotrace.batch.ray_session import Session, cluster_errors
from emotrace.batch.runner import run_batch
from emotrace.batch.worker import Orders
from emotrace.errors import DeviceError, ModelError, OptionError
from emotrace.pipeline import PipelineOptions
from emotrace.recognition import Recognizer
from tests.batch import workers
from tests.batch.made import batch, clips, found, logged, rows
from tests.cli.command import square, write

# Ray leaves sockets and files to the garbage collector, and warns of what it will change.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

SPEECH = Path(__file__).parents[2] / "src" / "emotrace" / "sample" / "moods.flac"
STORE = 100_000_000
QUICK = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 2000,
    "health_check_failure_threshold": 4,
}
"""A lost node is noticed after seconds; a busy machine is not taken for lost."""

compact = partial(Recognizer, "compact", threads=1)


@pytest.fixture(params=[2])
def cluster(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A head and other nodes, with a processor each."""
    import ray
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 1, "object_store_memory": STORE, "include_dashboard": False, "_system_config": QUICK}
    made = Cluster(initialize_head=True, head_node_args=head)
    try:
        for _ in range(request.param - 1):
            made.add_node(num_cpus=1, object_store_memory=STORE)
        ray.init(address=made.address, log_to_driver=False, configure_logging=False)
        yield made
    finally:
        ray.shutdown()
        made.shutdown()  # type: ignore[no-untyped-call]


def engine(load: Callable[[], Recognizer], info: Any = None, **options: Any) -> RayEngine:
    orders = Orders(load, PipelineOptions.of(checks=False), bug)
    return RayEngine(orders, info or load().info, RayOptions(**options))


def run(inputs: list[object], out: Path, made: Any, **options: Any) -> BatchReport:
    return run_batch(jobs_of([str(each) for each in inputs]), out, made, BatchOptions(), **options)


def test_the_same_as_on_this_machine(tmp_path: Path, cluster: Any) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "speech.flac").symlink_to(SPEECH)
    (folder / "broken.wav").write_bytes(b"no")
    write(folder / "tone 音.wav", square(0.3, 0.5))
    lines = [f"in/speech.flac,{start},{start + 2}" for start in range(0, 12, 3)]
    (tmp_path / "list.csv").write_text("\n".join(["file,start,end", *lines]))
    inputs: list[object] = [folder, tmp_path / "list.csv", tmp_path / "missing.wav"]
    here, there = tmp_path / "here", tmp_path / "there"
    local = LocalEngine(compact(), PipelineOptions.of(checks=False))
    run(inputs, here, local)
    run([folder], there, local)  # a batch that was begun here goes on there
    report = run(inputs, there, engine(compact))
    assert report.record["done_now"] == 5
    for one, other in zip(rows(here), rows(there), strict=True):
        for scores in (one, other):
            scores["embedding"] = None
        assert one.pop("scores", None) == pytest.approx(other.pop("scores", None), abs=1e-5)
        assert one.pop("confidence", None) == pytest.approx(other.pop("confidence", None), abs=1e-5)
        assert {**one, "model": None} == {**other, "model": None}
    with pytest.raises(ModelError, match="expected fake 000000000000"):
        run([folder], tmp_path / "other", engine(workers.other, workers.steady().info))
    with pytest.raises(DeviceError, match=r"has 2 CPUs and 0 GPUs, no room for a worker with 1 and 1; ask"):
        ray_engine("compact", use=RayOptions(gpus=1.0))
    with Session(None) as session:  # a question to a node, as about the model on a GPU
        assert session.asked(workers.node, 1.0, 0.0) == compact().info
        with pytest.raises(ModelError, match="is broken"):
            session.asked(workers.broken, 1.0, 0.0)


@pytest.mark.slow
@pytest.mark.parametrize("cluster", [3], indirect=True)
def test_a_node_that_is_lost_costs_nothing(tmp_path: Path, cluster: Any) -> None:
    folder, out = clips(tmp_path / "in", 300), tmp_path / "out"
    (folder / "broken.wav").write_bytes(b"no")
    nodes = list(cluster.worker_nodes)
    lost: list[Any] = []

    def progress(state: BatchProgress) -> None:
        if state.done == 60:
            cluster.remove_node(nodes[0], allow_graceful=False)
            lost.append(nodes[0])

    run([folder], out, engine(workers.slow), on_progress=progress)
    assert lost
    batch([folder], tmp_path / "calm")
    assert rows(out) == rows(tmp_path / "calm")
    assert len(logged(out)) == len(set(logged(out))) == 301


@pytest.mark.slow
def test_a_recording_that_ends_its_actor_is_one_failure(tmp_path: Path, cluster: Any) -> None:
    folder, out = clips(tmp_path / "in", 7), tmp_path / "out"
    write(folder / "fatal.wav", square(1.0, 0.2))
    run([folder], out, engine(workers.fatal))
    assert found(out)[-1] == ("fatal.wav", "crash")
    assert len(found(out)) == len(set(logged(out))) == 8
    assert [code for _, code in found(out)].count("crash") == 1


@pytest.mark.slow
def test_a_cluster_of_its_own_has_no_actors_beside_the_workers(tmp_path: Path) -> None:
    import ray
    from ray.data._internal import stats
    from ray.util import list_named_actors

    folder, out = clips(tmp_path / "in", 7), tmp_path / "out"
    write(folder / "fatal.wav", square(1.0, 0.2))
    before, named = stats.get_or_create_stats_actor, list[Any]()

    def progress(_: BatchProgress) -> None:
        if ray.is_initialized():
            named.append(list_named_actors(all_namespaces=True))

    run([folder], out, engine(workers.fatal), on_progress=progress)
    assert found(out)[-1] == ("fatal.wav", "crash")
    assert len(found(out)) == len(set(logged(out))) == 8
    assert named
    assert not any(named)
    assert stats.get_or_create_stats_actor is before
    assert not ray.is_initialized()


@pytest.mark.slow
def test_stopped_in_the_middle_it_goes_on(tmp_path: Path, cluster: Any) -> None:
    folder, out = clips(tmp_path / "in", 100), tmp_path / "out"

    def interrupt(progress: BatchProgress) -> None:
        if progress.done == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run([folder], out, engine(workers.slow), on_progress=interrupt)
    assert len(logged(out)) == 20
    run([folder], out, engine(workers.slow))
    batch([folder], tmp_path / "calm")
    assert rows(out) == rows(tmp_path / "calm")
    assert len(set(logged(out))) == len(logged(out)) == 100


@pytest.mark.parametrize(
    "options",
    [{"address": "ray://host:10001"}, {"most": -1}, {"most": 1, "least": 2}, {"cpus": 0.0}, {"gpus": -1.0}],
)
def test_wrong_options(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="expected"):
        RayOptions(**options)


def test_no_cluster_there(tmp_path: Path) -> None:
    folder, out = clips(tmp_path / "in", 1), tmp_path / "out"
    told = r"the Ray cluster at '127\.0\.0\.1:1' cannot be reached: .*; check the"
    with pytest.raises(DeviceError, match=told):
        run([folder], out, engine(workers.steady, address="127.0.0.1:1"))
    assert batch([folder], out).record["done_now"] == 1


def test_a_cluster_that_goes_away_is_one_sentence() -> None:
    from ray.exceptions import ActorDiedError

    told = r"failed: ActorDiedError: The actor died .*then give the same command"
    with pytest.raises(DeviceError, match=told), cluster_errors():
        raise ActorDiedError
