"""A notebook trains, searches, follows the search in its output and shows the best trial."""

import nbformat
import pytest
from nbclient import NotebookClient

CELLS = [
    """
texts = ["the striker scored", "shares fell", "a late goal", "profits rose"] * 20
labels = ["sport", "money"] * 40
from textcls import TextClassifier
clf = TextClassifier(embeddings="random", hidden_size=8, least_texts=500).fit(texts, labels)
clf.predict(["the striker", "shares"]).tolist()
""",
    """
from tune import FloatDistribution, Search
search = Search(
    model={"name": "gru", "hidden_size": 8},
    embeddings={"name": "random", "dim": 8},
    train={"epochs": 12},
    space={"learning_rate": FloatDistribution(low=0.003, high=0.03, log=True)},
    search={"samples": 2},
)
result = search.run(texts, labels, name="run", runs_dir="runs")
""",
    "result",
    "result.trials.to_pandas()",
    "print(result.best.params, result.classifier.predict(['a late goal'])[0])",
]


@pytest.fixture(scope="module")
def executed(
    ray_address: str,
    one_free_cpu: None,  # noqa: ARG001
    tmp_path_factory: pytest.TempPathFactory,
) -> nbformat.NotebookNode:
    root = tmp_path_factory.mktemp("notebook")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(each) for each in CELLS])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEXTCLS_CACHE", str(root / "cache"))
        patch.setenv("RAY_ADDRESS", ray_address)
        NotebookClient(
            notebook, timeout=220, kernel_name="python3", resources={"metadata": {"path": root}}
        ).execute()
    assert (root / "runs" / "run" / "report.html").exists()
    return notebook


def html(notebook: nbformat.NotebookNode, cell: int) -> str:
    outputs = notebook.cells[cell].outputs
    return "".join(each.data.get("text/html", "") for each in outputs if "data" in each)


def test_it_trains(executed: nbformat.NotebookNode) -> None:
    (output,) = executed.cells[0].outputs
    assert output.data["text/plain"] == "['sport', 'money']"


def test_the_display_ends_with_every_trial_in_one_output(executed: nbformat.NotebookNode) -> None:
    outputs = executed.cells[1].outputs
    assert [each.output_type for each in outputs] == ["display_data"]  # redrawn, not appended
    shown = html(executed, 1)
    assert "2 of 2 trials" in shown
    assert "learning_rate=" in shown
    assert "Data: texts in memory" in shown
    assert "\x1b" not in shown


def test_the_result_shows_itself(executed: nbformat.NotebookNode) -> None:
    assert "complete, 2 trials" in html(executed, 2)
    assert "report.html" in html(executed, 2)
    assert "params_learning_rate" in html(executed, 3)
    (printed,) = executed.cells[4].outputs
    assert printed.text.startswith("{'learning_rate': ")
    assert printed.text.endswith("sport\n")
