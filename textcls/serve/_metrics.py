"""Counts and times of the service, in Prometheus' text format."""

import bisect
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_TEXTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)
_MOST_LABELS = 1_000  # a series for each class; more than a thousand would burden Prometheus


class ServeMetrics:
    """Counts and times since the start; belongs to one event loop.

    Attributes:
        waiting_texts: Texts that wait for their turn now.
        running_requests: Requests that are being answered now.
    """

    def __init__(self, label_names: Sequence[str], version: str) -> None:
        self.waiting_texts = 0
        self.running_requests = 0
        self._version = version
        self._labels = Counter(dict.fromkeys(label_names[:_MOST_LABELS], 0))
        self._counts_labels = len(label_names) <= _MOST_LABELS
        self._requests: Counter[tuple[str, int]] = Counter()
        self._times: dict[str, PrometheusHistogram] = {}
        self._batches = PrometheusHistogram(_TEXTS)

    def add_request(self, path: str, status: int, seconds: float) -> None:
        """Count an answered request.

        Args:
            path: One of the service's own paths, or the one word that stands for all others.
            status: Of HTTP; 499 where the caller did not wait for the answer.
            seconds: From its first line to the answer's last.
        """
        self._requests[path, status] += 1
        if path not in self._times:
            self._times[path] = PrometheusHistogram(_SECONDS)
        self._times[path].add(seconds)

    def add_batch(self, texts: int) -> None:
        """Count a batch that was predicted."""
        self._batches.add(texts)

    def add_labels(self, labels: Sequence[str | None]) -> None:
        """Count predicted labels; None, where a threshold was not reached, is left out."""
        if self._counts_labels:
            self._labels.update(
                each for each in labels if each is not None and each in self._labels
            )

    def text(self) -> str:
        """Return everything in Prometheus' text format, version 0.0.4."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        yield from _head("textcls_info", "gauge", "The version of the program.")
        yield _line("textcls_info", {"version": self._version}, 1)
        yield from _head("textcls_requests_total", "counter", "Answered requests.")
        for (path, status), count in sorted(self._requests.items()):
            yield _line("textcls_requests_total", {"path": path, "status": str(status)}, count)
        yield from _head("textcls_request_seconds", "histogram", "Time to answer a request.")
        for path, times in sorted(self._times.items()):
            yield from times.lines("textcls_request_seconds", {"path": path})
        yield from _head("textcls_batch_texts", "histogram", "Texts that are predicted together.")
        yield from self._batches.lines("textcls_batch_texts", {})
        yield from _head("textcls_running_requests", "gauge", "Requests that are being answered.")
        yield _line("textcls_running_requests", {}, self.running_requests)
        yield from _head("textcls_waiting_texts", "gauge", "Texts that wait for their turn.")
        yield _line("textcls_waiting_texts", {}, self.waiting_texts)
        if self._counts_labels:
            yield from _head("textcls_predicted_total", "counter", "Texts by predicted label.")
            for label, count in self._labels.items():
                yield _line("textcls_predicted_total", {"label": label}, count)


class PrometheusHistogram:
    """Counts of values below ascending bounds, each inclusive."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def add(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect.bisect_left(self._bounds, value)] += 1
        self._sum += value

    def lines(self, name: str, labels: Mapping[str, str]) -> Iterator[str]:
        """Return the lines of Prometheus' text format."""
        total = 0
        for bound, count in zip((*self._bounds, "+Inf"), self._counts, strict=True):
            total += count
            yield _line(f"{name}_bucket", {**labels, "le": str(bound)}, total)
        yield _line(f"{name}_sum", labels, self._sum)
        yield _line(f"{name}_count", labels, total)


def _head(name: str, kind: str, about: str) -> Iterator[str]:
    yield f"# HELP {name} {about}"
    yield f"# TYPE {name} {kind}"


def _line(name: str, labels: Mapping[str, str], value: float) -> str:
    inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    return f"{name}{{{inside}}} {value}" if inside else f"{name} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
