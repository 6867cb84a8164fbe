"""YAML as plain data, where a short text must not become a large value."""

from __future__ import annotations

from typing import Any

import yaml

_MAX_NODES = 1_000_000


def parse_plain_yaml(text: str) -> Any:
    """Return the value of a YAML text.

    Raises yaml.YAMLError, also for aliases that repeat each other to more than a million values or contain themselves:
    ten lines can spell a billion.
    """
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if _n_nodes(node, {}) > _MAX_NODES:
            raise yaml.YAMLError(f"its aliases must repeat at most {_MAX_NODES} values in all, found more")
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _n_nodes(node: yaml.Node, counted: dict[int, int]) -> int:
    """Count the values that a node spells out; each node is visited once."""
    if id(node) not in counted:
        counted[id(node)] = _MAX_NODES + 1  # for an alias of the node inside itself
        counted[id(node)] = 1 + sum(_n_nodes(part, counted) for part in _parts(node))
    return counted[id(node)]


def _parts(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []
