"""Truth: one analysis without shards."""

from contextlib import suppress

import pytest
from mstudy.analyze import analyze, analyze_shard
from mstudy.compare import stage as compare
from mstudy.core.errors import ConfigError
from mstudy.core.sharding.shard import Shard, parse_shard
from mstudy.detect import stage as detect

from tests.cache.test_cache import counted, runs  # noqa: F401
from tests.cache.test_remembered import ANALYSIS, written


def test_every_name_has_one_shard():
    names = [f"{k}.parquet" for k in range(300)]
    shards = [Shard(k, 7) for k in range(1, 8)]

    assert all(sum(shard.takes(name) for shard in shards) == 1 for name in names)
    assert all(20 < sum(shard.takes(name) for name in names) < 70 for shard in shards)
    assert [shard.number for place in range(14) for shard in shards if shard.takes_place(place)] == [*range(1, 8)] * 2


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "a/b", "1/0", "1/99999", "-1/3", "1/3/4", "", " 1/3", "٣/٤"])
def test_what_is_no_shard_is_refused(text):
    with pytest.raises(ConfigError, match="--shard must be K/N"):
        parse_shard(text)


def test_what_shards_did_is_not_done_again(runs, tmp_path, counted):  # noqa: F811
    analyze(runs, tmp_path / "one", ANALYSIS)
    whole = dict(counted)
    counted.update(detect=0, compare=0)

    for number in (2, 1, 3, 1):
        analyze_shard(runs, tmp_path / "shards", ANALYSIS, parse_shard(f"{number}/3"))
    assert counted == whole and not (tmp_path / "shards" / "results").exists()
    analyze(runs, tmp_path / "shards", ANALYSIS)

    assert counted == whole
    assert written(tmp_path / "shards") == written(tmp_path / "one")


def test_a_shard_that_was_killed_is_done_again_by_itself_or_by_the_last_call(runs, tmp_path, counted, monkeypatch):  # noqa: F811
    analyze(runs, tmp_path / "one", ANALYSIS)
    true = compare.find_all_partings
    monkeypatch.setattr(compare, "find_all_partings", lambda *given: (_ for _ in ()).throw(KeyboardInterrupt))
    for number in (1, 2):
        with suppress(KeyboardInterrupt):  # of a shard that has a block to compare
            analyze_shard(runs, tmp_path / "out", ANALYSIS, Shard(number, 2))
    monkeypatch.setattr(compare, "find_all_partings", true)

    analyze_shard(runs, tmp_path / "out", ANALYSIS, Shard(1, 2))
    monkeypatch.setattr(detect, "detect_sharpenings", None)  # all of that was kept
    analyze(runs, tmp_path / "out", ANALYSIS)

    assert written(tmp_path / "out") == written(tmp_path / "one")


def test_the_command(runs, tmp_path, mstudy):  # noqa: F811
    code, said, _ = mstudy("analyze", runs, "--out", tmp_path / "out", "--shard", "1/2", "--workers", 1)
    assert (code, said.count("\n")) == (0, 1) and "the share 1/2 is in" in said
    code, _, err = mstudy("analyze", runs, "--out", tmp_path / "out", "--shard", "3/2")
    assert (code, err.count("\n")) == (1, 1) and "--shard must be K/N" in err
