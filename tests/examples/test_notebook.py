"""The notebook runs from its first cell to its last, and shows what it promises. Truth: the names of what is shown."""

from pathlib import Path

import pytest

nbclient = pytest.importorskip("nbclient", reason="needs nbclient (the dev extra)")
pytest.importorskip("ipykernel", reason="needs ipykernel (the dev extra)")
import nbformat  # noqa: E402

NOTEBOOK = Path(__file__).parents[2] / "examples" / "study.ipynb"


@pytest.fixture(scope="module")
def shown():
    """What the cell shows whose code begins so, as a list of mappings from MIME type to content: shown(start)."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    resources = {"metadata": {"path": str(NOTEBOOK.parent)}}
    with pytest.MonkeyPatch.context() as changed:
        changed.setenv("OMP_NUM_THREADS", "1")  # on a busy machine threads wait for each other
        nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3", resources=resources).execute()

    def outputs(start):
        (cell,) = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.startswith(start)]
        return [output["data"] for output in cell.outputs if "data" in output]

    return outputs


def html_of(outputs):
    (output,) = outputs
    return output["text/html"]


def test_the_result_and_a_claim_show_tables(shown):
    result = html_of(shown("result = mstudy.analyze("))

    assert "12 runs; tables: runs, sharpenings," in result
    assert all(f"<td>C{k}</td>" in result for k in range(1, 9))
    assert "<caption>C2</caption>" in html_of(shown('result.claims["C2"]'))


def test_tables_are_frames(shown):
    assert "log_ratio" in html_of(shown('cells = result["advantage"]'))
    frame = html_of(shown("result.claims.frame"))
    assert all(f"C{k}" in frame for k in range(1, 9))


def test_figures_are_charts(shown):
    title = "Whose loss is lower, and from which learning rate on"

    (figure,) = shown('result.figure("advantage").properties(')
    assert figure["text/plain"] == "alt.ConcatChart(...)" and title in figure["text/html"]
    (own,) = shown("alt.Chart(rows)")
    assert own["text/plain"] == "alt.Chart(...)"
    explained = shown("run = ")[-1]
    assert "vega-lite" in explained["text/html"] and "stability line" in explained["text/html"]


def test_the_page_is_written(shown):
    (size,) = shown("result.write_report(")

    assert size["text/plain"] == "True"


def test_the_notebook_is_kept_without_what_it_shows():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)

    assert [cell.outputs for cell in notebook.cells if cell.cell_type == "code" and cell.outputs] == []
