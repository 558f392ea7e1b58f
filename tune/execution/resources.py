"""Decide how many trials fit: shares of GPUs, cores, nodes.

Ray's resources are bookkeeping: a quarter of a GPU isolates nothing, it only lets four trials in.
A trial cannot straddle two nodes, so each node is counted by itself.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tune.exceptions import ClusterError

_GIB = 2**30


@dataclass(frozen=True, slots=True)
class Card:
    """A GPU as torch sees it on its node: its kind, and bytes of memory."""

    kind: str
    total: int
    free: int


@dataclass(frozen=True, slots=True)
class Node:
    """The resources that one machine of the cluster offers."""

    cpus: float
    gpus: float
    node_id: str = ""
    """Ray's id of it."""
    name: str = ""
    """Its address; several nodes may share a machine and its address."""
    cards: tuple[Card, ...] = ()
    """What torch sees there; empty before the node was asked."""


@dataclass(frozen=True, slots=True)
class SeenCards:
    """What a node answers when it is asked for the cards that its torch can use."""

    torch: str
    """The version of its torch, such as `2.13.0+cpu`; empty where it has none."""
    cards: tuple[Card, ...] = ()
    reason: str = ""
    """Why torch can use no card, or not all of them."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """The resources of all machines together, and the share that a trial takes."""

    nodes: int
    cpus: float
    gpus: float
    trial_cpu: float
    trial_gpu: float

    def taken(self, trials: int) -> str:
        """Say in words what some trials take.

        Args:
            trials: Trials that run at a time.

        Returns:
            Such as "2 nodes, trials take 8 of 16 cores and 2 of 2 GPUs".
        """
        where = "1 node" if self.nodes == 1 else f"{self.nodes} nodes"
        text = f"{where}, trials take {trials * self.trial_cpu:g} of {self.cpus:g} cores"
        if self.gpus > 0:
            text += f" and {trials * self.trial_gpu:g} of {self.gpus:g} GPUs"
        return text


@dataclass(frozen=True, slots=True)
class ResourcePlan:
    """The resources of each process, the trials in it, and how many run side by side."""

    cpu: float
    gpu: float
    concurrent: int
    """Trials at a time, in all processes."""
    notice: str | None = None
    """Sentence about a difference to the request; None without one."""
    fuse: int = 1
    """Trials of one shape that a process trains as one, at most."""

    @property
    def processes(self) -> int:
        """Processes at a time."""
        return max(1, self.concurrent // self.fuse)

    def capacity(self, nodes: Sequence[Node]) -> Capacity:
        """Return the resources of a cluster, for trials of this plan.

        Args:
            nodes: All nodes, also those on which no trial fits.
        """
        cpus, gpus = sum(node.cpus for node in nodes), sum(node.gpus for node in nodes)
        return Capacity(len(nodes), cpus, gpus, self.cpu / self.fuse, self.gpu / self.fuse)

    @property
    def threads(self) -> int:
        """Torch's threads in a trial."""
        return max(1, int(self.cpu))

    @property
    def device(self) -> str:
        """Torch's device in a trial."""
        return "cuda" if self.gpu > 0 else "cpu"


def plan_resources(
    cpu: float,
    gpu: float,
    nodes: Sequence[Node],
    max_concurrent: int | None = None,
    *,
    fuse: int = 1,
) -> ResourcePlan:
    """Fit trials onto the nodes.

    Without a GPU in the cluster, trials run on their cores alone and the plan says so.

    Args:
        cpu: Cores of a process.
        gpu: GPUs of a process, or a share of one.
        nodes: The machines of the cluster.
        max_concurrent: Trials at a time, at most; by default as many as fit.
        fuse: Trials of one shape that a process trains as one; fewer where `max_concurrent` is.

    Returns:
        What each trial asks for, and how many run at a time.

    Raises:
        ClusterError: Not even one trial fits.
    """
    notice = None
    if gpu > 0 and not any(node.gpus > 0 for node in nodes):
        notice = f"No GPU in the cluster: trials run on {_cores(cpu)} each instead of {gpu:g} GPU."
        gpu = 0.0
    slots = sum(_slots(cpu, gpu, node) for node in nodes)
    if slots == 0:
        wanted = _cores(cpu) + (f" and {gpu:g} GPU" if gpu > 0 else "")
        offers = "; ".join(f"{_cores(node.cpus)}, {node.gpus:g} GPU" for node in nodes)
        raise ClusterError(
            f"a trial asks for {wanted}, but no node has that much ({offers or 'no nodes'}): "
            "lower resources.cpu or resources.gpu"
        )
    most = max_concurrent or slots * fuse
    fuse = min(fuse, most)
    return ResourcePlan(cpu, gpu, min(slots, most // fuse) * fuse, notice, fuse)


def with_cards(nodes: Sequence[Node], answers: Mapping[str, SeenCards]) -> list[Node]:
    """Return the nodes with the cards that their torch can use.

    Args:
        nodes: The machines of the cluster.
        answers: What each node that offers GPUs said, by the node's id.

    Raises:
        ClusterError: A node offers more GPUs than its torch can use; every such node is named.
    """
    faults = [
        _unusable(node, answers[node.node_id])
        for node in nodes
        if node.node_id in answers and len(answers[node.node_id].cards) < node.gpus
    ]
    if faults:
        raise ClusterError(
            "\n".join(faults)
            + "\nInstall a torch with CUDA that fits the driver there (`python -c 'import torch; "
            "torch.zeros(1).cuda()'` must pass), start Ray there with `--num-gpus=0`, or search "
            "with --gpus-per-trial 0."
        )
    return [
        replace(node, cards=answers[node.node_id].cards) if node.node_id in answers else node
        for node in nodes
    ]


def describe_cards(node: Node) -> str:
    """Say which cards a node has and how much of their memory is free.

    Args:
        node: A node whose cards were asked for.

    Returns:
        A sentence, in GiB.
    """
    cards = [
        f"{each.kind} ({each.free / _GIB:.1f} of {each.total / _GIB:.1f} GiB free)"
        for each in node.cards
    ]
    return f"{'Card' if len(cards) == 1 else 'Cards'} of node {node.name}: {', '.join(cards)}."


def _unusable(node: Node, seen: SeenCards) -> str:
    offered = f"{node.gpus:g} GPU{'' if node.gpus == 1 else 's'}"
    if not seen.torch:
        return f"Node {node.name} offers {offered}, but could not be asked for them: {seen.reason}."
    usable = f"{len(seen.cards)} of them" if seen.cards else "none"
    return (
        f"Node {node.name} offers {offered}, but its torch {seen.torch} can use {usable}: "
        f"{seen.reason or 'torch sees no more'}."
    )


def _slots(cpu: float, gpu: float, node: Node) -> int:
    by_cpu = _times(node.cpus, cpu) if cpu > 0 else math.inf
    if gpu <= 0:
        by_gpu = math.inf
    elif gpu < 1:  # a share must lie on one card
        by_gpu = int(node.gpus) * _times(1.0, gpu)
    else:
        by_gpu = _times(node.gpus, gpu)
    return int(min(by_cpu, by_gpu))


def _times(whole: float, part: float) -> int:
    return math.floor(whole / part + 1e-9)  # 1 / 0.1 may come out just under 10


def _cores(cpus: float) -> str:
    return f"{cpus:g} CPU core{'' if cpus == 1 else 's'}"
