import pytest

from tune.exceptions import ClusterError
from tune.execution.resources import Node, plan_resources

LAPTOP = Node(cpus=2, gpus=0)
WORKSTATION = Node(cpus=16, gpus=2)


@pytest.mark.parametrize(
    ("cpu", "gpu", "nodes", "concurrent"),
    [
        (1, 0, [LAPTOP], 2),
        (2, 0, [LAPTOP, Node(3, 0)], 2),  # a trial cannot straddle two nodes
        (0.5, 0, [LAPTOP], 4),
        (0.1, 0, [Node(1, 0)], 10),  # 1 / 0.1 in binary is a matter of luck
        (1, 0.25, [WORKSTATION], 8),
        (4, 0.25, [WORKSTATION], 4),  # cores run out first
        (1, 0.3, [Node(16, 1)], 3),
        (1, 2, [WORKSTATION, LAPTOP], 1),
    ],
)
def test_how_many_fit(cpu: float, gpu: float, nodes: list[Node], concurrent: int) -> None:
    assert plan_resources(cpu, gpu, nodes).concurrent == concurrent


def test_fewer_may_be_asked_for() -> None:
    assert plan_resources(1, 0, [LAPTOP], max_concurrent=1).concurrent == 1
    assert plan_resources(1, 0, [LAPTOP], max_concurrent=99).concurrent == 2


def test_without_a_gpu_the_cores_do_it_and_it_is_said() -> None:
    made = plan_resources(1, 0.25, [LAPTOP])
    assert (made.gpu, made.device, made.concurrent) == (0, "cpu", 2)
    assert (
        made.notice == "No GPU in the cluster: trials run on 1 CPU core each instead of 0.25 GPU."
    )


def test_with_a_gpu_trials_run_there() -> None:
    made = plan_resources(2, 0.5, [LAPTOP, WORKSTATION])
    assert (made.device, made.threads, made.notice) == ("cuda", 2, None)


@pytest.mark.parametrize(("cpu", "gpu"), [(3, 0), (1, 4)])
def test_a_trial_that_fits_nowhere(cpu: float, gpu: float) -> None:
    nodes = [LAPTOP] if gpu == 0 else [WORKSTATION]
    with pytest.raises(ClusterError, match=r"lower resources\.cpu or resources\.gpu"):
        plan_resources(cpu, gpu, nodes)


def test_no_nodes() -> None:
    with pytest.raises(ClusterError, match="no nodes"):
        plan_resources(1, 0, [])


def test_a_process_may_train_several_trials_as_one():
    made = plan_resources(1, 0, [LAPTOP], fuse=8)
    assert (made.fuse, made.processes, made.concurrent) == (8, 2, 16)
    assert made.capacity([LAPTOP]).taken(16) == "1 node, trials take 2 of 2 cores"
    fewer = plan_resources(1, 0, [LAPTOP], max_concurrent=12, fuse=8)
    assert (fewer.fuse, fewer.processes, fewer.concurrent) == (8, 1, 8)
    few = plan_resources(1, 0, [LAPTOP], max_concurrent=3, fuse=8)
    assert (few.fuse, few.processes, few.concurrent) == (3, 1, 3)
