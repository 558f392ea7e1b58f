"""`gpu: auto` and `fuse: auto`: how many trials share a card or a process, by their memory.

The estimate adds up what a trial holds on the card: the embedding matrix with its two moments, the
encoder's weights, gradients and moments, the activations of its longest batch, and what CUDA keeps
for each process. Trials on a card also need a core each, since small models wait for the host.
Not yet measured on a card: `MOST` and `CONTEXT_BYTES` are cautious guesses.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from tune.config.search_file import MOST_FUSED, ObjectiveSearchFile, SearchFile
from tune.execution.data import Corpora
from tune.execution.resources import Node, ResourcePlan, plan_resources

MOST = 16
"""Trials on a card, at most."""
CONTEXT_BYTES = 600 * 2**20
"""What CUDA, cuDNN and torch's kernels keep on a card for a process, beside torch's allocator."""

_FLOAT = 4
_SPARE = 1.25  # the allocator's rounding and cuDNN's workspaces
_STATE = 4  # a weight, its gradient and two moments
_ROW_STATE = 3  # a word's vector and two moments
_GATES = 3
_SAVED = 10  # numbers that a recurrent unit keeps per token for the backward pass, cuDNN's included
_MIB = 2**20


def asks_for_cards(config: SearchFile) -> bool:
    """Tell whether the cards that nodes offer have to be usable by their torch.

    Args:
        config: The search. An objective of one's own that takes whole cards may use them without
            torch.
    """
    gpu = config.resources.gpu
    if isinstance(config, ObjectiveSearchFile) and gpu != "auto":
        return 0 < gpu < 1  # the memory of a share is limited by torch
    return gpu == "auto" or gpu > 0


def planned(config: SearchFile, corpora: Corpora, nodes: Sequence[Node]) -> ResourcePlan:
    """Plan a search's processes: their resources, the trials in each, how many run side by side.

    Args:
        config: The search.
        corpora: The corpora of its trials.
        nodes: The machines of the cluster, with the cards that their torch can use.

    Raises:
        ClusterError: Not even one trial fits.
    """
    asked, most = config.resources, config.search.max_concurrent
    if asked.gpu == "auto":
        return automatic_plan(config, corpora, nodes)
    fuse, notice = (asked.fuse, None) if asked.fuse != "auto" else (1, _NOT_FUSED)
    cards = [card for node in nodes for card in node.cards]
    if asked.fuse == "auto" and asked.gpu > 0 and cards:
        free = min(card.free for card in cards) * min(1.0, asked.gpu)
        fuse, notice = _fused_trials(config, corpora, free)
    made = plan_resources(asked.cpu, asked.gpu, nodes, most, fuse=fuse)
    return replace(made, notice=" ".join(filter(None, [made.notice, notice])) or None)


_NOT_FUSED = "fuse: auto trains each trial alone: there is no GPU, and processes do as well there."


def _fused_trials(config: SearchFile, corpora: Corpora, free: float) -> tuple[int, str]:
    """Return how many fused trials so many bytes of a card hold, and the sentence that says so."""
    need = trial_bytes(config, corpora)
    fuse = max(1, min(MOST_FUSED, int((free - CONTEXT_BYTES) // need)))
    notice = (
        f"fuse: auto trains up to {fuse} trials of one shape as one: the largest needs about "
        f"{need / _MIB:,.0f} MiB, and a process has {free / _MIB:,.0f} MiB of the fullest card."
    )
    return fuse, notice


def automatic_plan(config: SearchFile, corpora: Corpora, nodes: Sequence[Node]) -> ResourcePlan:
    """Plan a search with `gpu: auto`; the plan's notice says what was decided.

    Args:
        config: The search.
        corpora: The corpora of its trials.
        nodes: The machines of the cluster, with the cards that their torch can use.

    Returns:
        Cores and share of a card for each trial, and how many run at a time.

    Raises:
        ClusterError: Not even one trial fits.
    """
    cpu, most = config.resources.cpu, config.search.max_concurrent
    with_cards = [node for node in nodes if node.gpus >= 1]
    if not with_cards:
        fuse = config.resources.fuse
        made = plan_resources(cpu, 0.0, nodes, most, fuse=1 if fuse == "auto" else fuse)
        notice = "No GPU in the cluster: gpu: auto gives trials their cores."
        return replace(made, notice=f"{notice} {_NOT_FUSED}" if fuse == "auto" else notice)
    card = min(card.free for node in with_cards for card in node.cards)
    if config.resources.fuse == "auto":
        fuse, notice = _fused_trials(config, corpora, card)
        return replace(plan_resources(cpu, 1.0, nodes, most, fuse=fuse), notice=notice)
    fuse = config.resources.fuse
    need = fuse * trial_bytes(config, corpora)
    held = [_held(need, node, cpu) for node in with_cards]
    wished = math.ceil(most / fuse) if most else 0
    by_wish = math.ceil(wished / sum(node.gpus for node in with_cards)) if most else MOST
    shared = max(1, min(*held, by_wish, MOST))
    made = plan_resources(cpu, gpu_share_of(shared), nodes, most, fuse=fuse)
    trials = "1 trial" if shared == 1 else f"{shared} trials"
    if fuse > 1:
        trials = f"{shared} group{'' if shared == 1 else 's'} of {fuse} trials"
    notice = (
        f"gpu: auto lets {trials} share a card: the largest needs about {need / _MIB:,.0f} MiB and "
        f"{CONTEXT_BYTES / _MIB:,.0f} for CUDA, the fullest card has {card / _MIB:,.0f} free."
    )
    return replace(made, notice=" ".join([notice, *_differences(with_cards, held, by_wish)]))


def nodes_without_trials(plan: ResourcePlan, nodes: Sequence[Node]) -> str | None:
    """Say how many nodes get no trial because they have no card.

    Args:
        plan: What each trial asks for.
        nodes: The cluster.

    Returns:
        A sentence; None where all get some.
    """
    idle = sum(node.gpus == 0 for node in nodes)
    if plan.gpu == 0 or idle == 0:
        return None
    which = "1 node without a GPU gets" if idle == 1 else f"{idle} nodes without a GPU get"
    return f"{which} no trials: every trial of a search asks for the same resources."


def _differences(nodes: Sequence[Node], held: Sequence[int], by_wish: int) -> Iterator[str]:
    """Say which node limits the others, as one number serves all of them."""
    least, most = min(held), min(max(held), by_wish, MOST)
    if least < most:
        names = ", ".join(
            node.name for node, number in zip(nodes, held, strict=True) if number == least
        )
        yield f"{names} sets the number for all nodes; another would hold {most} a card."


def gpu_share_of(trials: int) -> float:
    """Return the share of a card with which a number of trials fit on it.

    Args:
        trials: At least 1.

    Returns:
        Never above 1 / `trials`: Ray counts in steps of a ten-thousandth.

    Example:
        >>> gpu_share_of(3)
        0.3333
    """
    return math.floor(10_000 / trials) / 10_000


def allocator_fraction(gpu: float, card: int) -> float:
    """Return the part of a card's memory that torch may allocate in a trial with a share of it.

    It is half of the share at least, where CUDA's own part would leave next to nothing.

    Args:
        gpu: The share, from 0 to 1.
        card: The card's memory in bytes.
    """
    return max(gpu / 2, gpu - CONTEXT_BYTES / card)


def trial_bytes(config: SearchFile, corpora: Corpora) -> int:
    """Estimate the memory on a card that a search's largest configuration needs.

    Args:
        config: The search; of each parameter the largest value that a trial may have counts.
        corpora: The prepared corpora, for the vocabulary and the longest text.

    Returns:
        Bytes, without those that CUDA keeps for a process (`CONTEXT_BYTES`).
    """
    from textcls.text.batching import CHUNK
    from textcls.training.trainer import EVALUATION_BATCH

    hidden, layers = _most(config, "hidden_size"), _most(config, "layers")
    directions = 1 + _most(config, "bidirectional")
    batch = _most(config, "batch_size")
    kernels, blocks = _kernel_sizes(config), _most(config, "blocks")
    ngrams = _most(config, "ngrams")
    found = []
    for corpus in corpora.values():
        words, dim = corpus.embeddings.shape
        longest = max(int(np.diff(split.offsets).max()) for split in corpus.splits.values())
        tokens = max(batch, EVALUATION_BATCH) * longest
        wide = max(dim, hidden * directions)
        recurrent = directions * layers * _GATES * hidden * (wide + hidden + 2)
        convolving = sum(kernels) * hidden * (dim + (blocks - 1) * hidden)
        units = max(directions * layers * _SAVED, len(kernels) * 2 * 3)
        numbers = (
            _ROW_STATE * words * dim
            + _STATE * max(recurrent, convolving)
            + 2 * tokens * (dim + hidden * units)
            + 2 * min(words, tokens) * dim
            + (2 * 2**18 * len(corpus.label_names) if ngrams else 0)
        )
        packed = 2 * 8 * CHUNK * batch * longest  # indices of the batches that lie ready
        found.append(_FLOAT * numbers + packed)
    return int(_SPARE * max(found))


def _held(need: int, node: Node, cpu: float) -> int:
    """Return how many trials a node holds on each of its cards, by memory and by cores."""
    by_memory = min(card.free for card in node.cards) // (need + CONTEXT_BYTES)
    return min(by_memory, int(node.cpus / cpu / node.gpus + 1e-9))


def _most(config: SearchFile, name: str) -> int:
    """Return the largest value of a number or a boolean, over the space and all configurations."""
    section = config.train if name in type(config.train).model_fields else config.model
    values = [getattr(section, name)]
    values += [each.params[name] for each in config.configurations.values() if name in each.params]
    if (searched := config.space.get(name)) is not None:
        values = [*getattr(searched, "choices", ()), getattr(searched, "high", 0)]
    values += [point[name] for point in config.points if name in point]
    return max(int(value) for value in values if isinstance(value, bool | int | float))


def _kernel_sizes(config: SearchFile) -> tuple[int, ...]:
    values: list[object] = [config.model.kernel_sizes]
    values += [each.params.get("kernel_sizes") for each in config.configurations.values()]
    values += getattr(config.space.get("kernel_sizes"), "choices", ())
    tuples = [tuple(value) for value in values if isinstance(value, list | tuple)]
    return max(tuples, key=sum)
