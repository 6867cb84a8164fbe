"""YAML from outside: plain values only, and no more of them than a reader bears.

Ten lines whose aliases repeat each other can spell a billion values, so they are counted while nodes are made, before
anything is made of these.
"""

from __future__ import annotations

import math

import yaml


class TooManyValuesError(yaml.YAMLError):
    """A text spells more values than it may."""


class BoundedLoader(yaml.SafeLoader):
    """A loader of plain values, as yaml.safe_load, that raises TooManyValuesError beyond `max_values`.

    An alias, or a merge, counts for all that it stands for; an alias of what it lies in has no end and is too much.
    """

    max_values = 1_000_000  # keys and values

    def __init__(self, stream: str) -> None:
        """Read a text."""
        super().__init__(stream)
        self._sizes: dict[int, int] = {}

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Make a node, and count what it stands for."""
        is_alias = self.check_event(yaml.AliasEvent)
        node = super().compose_node(parent, index)
        if node is None:
            return None
        if not is_alias:
            self._sizes[id(node)] = 1 + sum(self._sizes[id(part)] for part in _parts(node))
        # An alias of what is not yet made lies inside it.
        if len(self._sizes) > self.max_values or self._sizes.get(id(node), math.inf) > self.max_values:
            raise TooManyValuesError(f"its aliases must repeat at most {self.max_values} values in all, found more")
        return node


def _parts(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []
