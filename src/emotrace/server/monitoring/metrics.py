"""What Prometheus reads: requests, queue, batches, time of the model, real-time factor, verdicts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from emotrace.models.card import ModelCard
from emotrace.models.encoder import Encoder, Encoding
from emotrace.results import Array, ModelInfo, Recognition

CONTENT_TYPE = CONTENT_TYPE_LATEST
SECONDS = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0)
SIZES = (1, 2, 4, 8, 16, 32, 64)
FACTORS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)


class Metrics:
    """The figures of one service, in a registry of its own.

    Attributes:
        streams: live streams that are open.

    >>> metrics = Metrics()
    >>> metrics.answered("POST", "/v1/recognitions", 200, 0.12)
    >>> b'emotrace_requests_total{method="POST"' in metrics.text()
    True
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = self._counter("requests", "Requests answered.", "method", "route", "status")
        self._latency = self._histogram("request_seconds", "From request to answer.", SECONDS, "route")
        self._active = self._gauge("requests_in_progress", "Requests that are being answered.")
        self.streams = self._gauge("streams", "Live streams that are open.")
        self._batches = self._histogram("batch_size", "Waveforms that the model got together.", SIZES)
        self._model = self._counter("model_seconds", "Time in the model.", "model")
        self._audio = self._counter("audio_seconds", "Sound that was recognised.", "model")
        self._factor = self._histogram("real_time_factor", "Time by sound, of each recognition.", FACTORS)
        self._found = self._counter(
            "recognitions", "Recognitions, by verdict (none: without rules).", "model", "verdict"
        )
        self._failed = self._counter("problems", "Answers that are problems.", "code")
        ProcessCollector(namespace="emotrace", registry=self._registry)

    def text(self) -> bytes:
        """All of them in Prometheus' text format."""
        return generate_latest(self._registry)

    def watch(
        self, name: str, meaning: str, label: str, read: Callable[[], Mapping[str, float] | float]
    ) -> None:
        """Add a gauge that is read when it is asked for.

        Args:
            name: of it, without ``emotrace_``.
            meaning: of it.
            label: of the keys of what ``read`` gives; empty if it gives one number.
            read: called each time.
        """
        self._registry.register(_Read(f"emotrace_{name}", meaning, label, read))

    def began(self) -> None:
        """A request has come."""
        self._active.inc()

    def ended(self) -> None:
        """It is over, however it ended."""
        self._active.dec()

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered.

        Args:
            method: of HTTP, or ``"WS"``.
            route: its pattern, never its path, so that there are few.
            status: of HTTP; of a WebSocket, its closing code.
            seconds: from request to answer.
        """
        self._requests.labels(method, route, status).inc()
        self._latency.labels(route).observe(seconds)

    def problem(self, code: str) -> None:
        """An answer was a problem."""
        self._failed.labels(code).inc()

    def recognised(self, result: Recognition, seconds: float) -> None:
        """A recording was recognised in so many seconds, or a segment of a stream."""
        model = result.model.name
        self._audio.labels(model).inc(result.duration)
        self._found.labels(model, result.verdict.decision if result.verdict else "none").inc()
        if result.duration:
            self._factor.observe(seconds / result.duration)

    def encoded(self, model: str, size: int, seconds: float) -> None:
        """The model ran once."""
        self._batches.observe(size)
        self._model.labels(model).inc(seconds)

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(f"emotrace_{name}", meaning, labels, registry=self._registry)

    def _gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        return Gauge(f"emotrace_{name}", meaning, labels, registry=self._registry)

    def _histogram(self, name: str, meaning: str, buckets: Sequence[float], *labels: str) -> Histogram:
        return Histogram(f"emotrace_{name}", meaning, labels, buckets=buckets, registry=self._registry)


class Measured:
    """An Encoder whose batches and time are counted.

    Args:
        encoder: the model.
        metrics: count them.
    """

    def __init__(self, encoder: Encoder, metrics: Metrics) -> None:
        self._encoder, self._metrics = encoder, metrics

    @property
    def card(self) -> ModelCard:
        """What the model is."""
        return self._encoder.card

    @property
    def info(self) -> ModelInfo:
        """Which graph runs, and where."""
        return self._encoder.info

    def encode(
        self, waveforms: Sequence[Array], references: Sequence[Array | None] | None = None
    ) -> list[Encoding]:
        """See :meth:`emotrace.models.encoder.Encoder.encode`."""
        start = time.perf_counter()
        found = self._encoder.encode(waveforms, references)
        if waveforms:
            self._metrics.encoded(self.card.name, len(waveforms), time.perf_counter() - start)
        return found


class _Read(Collector):
    def __init__(
        self, name: str, meaning: str, label: str, read: Callable[[], Mapping[str, float] | float]
    ) -> None:
        self._name, self._meaning, self._label, self._read = name, meaning, label, read

    def describe(self) -> Iterable[Metric]:
        return [GaugeMetricFamily(self._name, self._meaning)]

    def collect(self) -> Iterator[Metric]:
        family = GaugeMetricFamily(self._name, self._meaning, labels=[self._label] if self._label else None)
        found = self._read()
        for key, value in found.items() if isinstance(found, Mapping) else [("", found)]:
            family.add_metric([key] if self._label else [], value)
        yield family
