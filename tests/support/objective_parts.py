"""A trial as a worker gets it: a small GRU over small splits."""

from pathlib import Path

import numpy as np
from classifier_parts import VOCABULARY, split

from textcls.config.models import ModelConfig, TrainConfig
from tune.execution.task import Arrays, Task
from tune.run_folder.trial_folder import TrialFolder

LENGTHS = np.random.default_rng(3).integers(3, 9, 200).tolist()
SPLITS = {"train": split(LENGTHS, seed=1), "test": split(LENGTHS[:50], seed=2)}
EMBEDDINGS = np.random.default_rng(4).normal(0, 0.3, (VOCABULARY, 8)).astype(np.float32)


def task(root: Path, **update: object) -> Task:
    root.mkdir(exist_ok=True)
    return Task(
        number=0,
        params={},
        model=ModelConfig(name="gru", hidden_size=12, dropout=0.2),
        train=TrainConfig(epochs=3, batch_size=16, learning_rate=0.01).model_copy(update=update),
        arrays=Arrays(SPLITS, EMBEDDINGS, 3),
        milestones=(0.5, 1.0, 2.0, 3.0),
        metric="test_accuracy",
        folder=TrialFolder(root),
        stop=root / "stop",
        device="cpu",
    )
