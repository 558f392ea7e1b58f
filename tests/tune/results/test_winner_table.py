from tune.config.search_file import SearchFile
from tune.results.winner import configurations_table
from tune.study.records import State, TrialRecord

CONFIG = SearchFile.model_validate(
    {
        "model": {"name": "gru"},
        "configurations": {"small": {"params": {}, "expected": 0.9}, "large": {"params": {}}},
    }
)


def record(number: int, state: State, *values: float, continues: int | None = None) -> TrialRecord:
    return TrialRecord(number, state, {}, "small", continues, "", (), values, None, None)


def test_a_configuration_that_was_taken_up_again_keeps_what_it_had_reached() -> None:
    records = [
        record(0, State.INTERRUPTED, 0.7, 0.8),
        record(1, State.INTERRUPTED, 0.7, continues=0),
    ]
    _, rows = configurations_table(CONFIG, records)
    assert rows[0] == ["small", "0.8000", "0.9000", "interrupted", ""]
    assert rows[1][3] == "not run"
