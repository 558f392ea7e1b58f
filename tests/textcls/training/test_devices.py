import pytest
import torch

from textcls.exceptions import ConfigError
from textcls.training.devices import choose_device


def test_it_is_a_gpu_only_where_torch_sees_one() -> None:
    assert choose_device(None) == ("cuda" if torch.cuda.is_available() else "cpu")
    assert choose_device("cpu") == "cpu"


@pytest.mark.parametrize("asked", ["gpu", "cuda:999", "meta", ""])
def test_a_device_that_cannot_be_used_is_refused(asked: str) -> None:
    with pytest.raises(ConfigError, match=f"such as cpu or cuda, but is '{asked}'"):
        choose_device(asked)
