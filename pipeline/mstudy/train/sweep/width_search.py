"""The search for the width at which a run's step takes the least time.

All widths that are in question take turns, a block of steps each, and the least of a width's blocks counts: so a
disturbance meets all of them, and must last to count. The search starts about the width that the size of the model
makes likely, and goes on to narrower or wider ones where these are faster.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

_BLOCKS = 16  # of each width that may be the best
_BLOCKS_TO_BELIEVE = 2  # after so many the widths beside the fastest are tried too
# Blocks -> times the fastest's time: a width that is beyond is left out, since more blocks would not change that.
_HOPELESS_RATIOS = {1: 4.0, 2: 2.5, 4: 1.25}
_MAX_TIME_RATIO = 0.98  # a wider ensemble must take at most this share of the time, a run and step

# Width -> seconds of a step of one run, of each block.
Times = Mapping[int, list[float]]


def search(
    widths: Collection[int], likely: int, block: Callable[[int], float], may_try: Callable[[int, Times], bool]
) -> dict[int, float]:
    """Return the least seconds of a step of one run, by width.

    widths: those allowed. likely: the one to begin with. block: times one block of steps of a width. may_try: whether
    there is time for a block of this width; not asked of the first.
    """
    times: dict[int, list[float]] = {likely: [block(likely)]}
    refused: set[int] = set()
    while open_ones := [width for width in _in_question(widths, likely, times) if width not in refused]:
        width = min(open_ones, key=lambda each: len(times.get(each, [])))
        if may_try(width, times):
            times.setdefault(width, []).append(block(width))
        else:
            refused.add(width)
    return _least(times)


def choose(seconds: Mapping[int, float]) -> int:
    """Return the narrowest width of those that are about as fast as the fastest."""
    return min(width for width, each in seconds.items() if each * _MAX_TIME_RATIO <= min(seconds.values()))


def _in_question(widths: Collection[int], likely: int, times: Times) -> list[int]:
    """Return the widths that need another block.

    At first those about the likely one, and 1, which is a plain loop; then those beside the fastest as well.
    """
    asked, least = {1, likely // 2, likely, likely * 2}, _least(times)
    fastest = min(least, key=lambda width: least[width])
    if len(times[fastest]) >= _BLOCKS_TO_BELIEVE:
        asked |= {fastest // 2, fastest * 2, 4 if fastest == 1 else 1}  # two may lose where four gain

    def has_enough(width: int) -> bool:
        n_blocks = len(times.get(width, []))
        hopeless = (least[width] > ratio * least[fastest] for n, ratio in _HOPELESS_RATIOS.items() if n_blocks >= n)
        return n_blocks >= _BLOCKS or any(hopeless)

    return [width for width in sorted((asked | set(times)) & set(widths)) if not has_enough(width)]


def _least(times: Times) -> dict[int, float]:
    return {width: min(each) for width, each in times.items()}
