"""Truth: by hand."""

import math
from pathlib import Path

import pytest
from mstudy.core.errors import LogError
from mstudy.runlog.recording.journal import parse_journal

HEAD = b'{"mstudy": {"seed": 3}}\n'
WHERE = Path("a.journal.jsonl")


def test_the_later_session_wins_from_its_first_step_on():
    first = b'{"step": 0, "loss": 9}\n{"step": 10, "loss": 8}\n{"step": 20, "loss": 7}\n'
    second = b'{"step": 5, "loss": 1, "sharpness": null}\n{"step": 15, "loss": 2, "sharpness": 3}\n'

    journal = parse_journal(HEAD + first + b'{"mstudy": {"seed": 4}}\n' + second, WHERE)

    assert journal.metadata == {"seed": 4}
    assert journal.columns["step"].tolist() == [0, 5, 15]
    assert journal.columns["loss"].tolist() == [9.0, 1.0, 2.0]
    assert [math.isnan(x) for x in journal.columns["sharpness"]] == [True, True, False]


def test_a_torn_last_line_does_not_count():
    journal = parse_journal(HEAD + b'{"step": 0, "loss": 9}\n{"step": 1, "loss": 9}', WHERE)

    assert journal.columns["step"].tolist() == [0]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{", "must be a JSON object, found b'{', in a.journal.jsonl, line 2"),
        (b"[1]", "must be a JSON object"),
        (b"[" * 100_000, "must be a JSON object"),
        (b"\xff", "must be a JSON object"),
        (b'{"loss": 1}', "must have step, found .'loss'., in a.journal.jsonl, line 2"),
        (b'{"step": 1}', "must have loss"),
        (b'{"step": 1.5, "loss": 1}', "step must be a finite number, found 1.5"),
        (b'{"step": true, "loss": 1}', "step must be a finite number, found True"),
        (b'{"step": -1, "loss": 1}', "step must be at least 0, found -1"),
        (b'{"step": 1, "loss": null}', "loss must be a finite number, found None"),
        (b'{"step": 1, "loss": NaN}', "loss must be a finite number, found nan"),
        (b'{"step": 1, "loss": 1, "x": "a"}', "x must be a finite number, found 'a'"),
        (b'{"step": 1, "loss": 1, "x": 1' + b"0" * 400 + b"}", "x must be a finite number"),
    ],
)
def test_what_breaks_the_format_is_named(line, message):
    with pytest.raises(LogError, match=message):
        parse_journal(HEAD + line + b"\n", WHERE)


def test_a_journal_names_its_run():
    with pytest.raises(LogError, match="must name its run in an object 'mstudy', found none"):
        parse_journal(b'{"step": 1, "loss": 1}\n', WHERE)
