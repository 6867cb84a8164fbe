"""CRC-32C (Castagnoli) of many records at once; RFC 3720, appendix B.4, and the masking of TFRecord files."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_POLYNOMIAL = 0x82F63B78  # 0x1EDC6F41, reflected
_MASK = 0xA282EAD8


def _table() -> NDArray[np.uint32]:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(_POLYNOMIAL), table >> 1).astype(np.uint32)
    return table


_TABLE = _table()
_LIST = [int(entry) for entry in _TABLE]


def masked_crcs(columns: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Compute those of n records of one length: columns (length, n), a byte of all records in each row; (n,)."""
    crc: NDArray[np.uint32] = np.full(columns.shape[1], 0xFFFFFFFF, dtype=np.uint32)
    for byte in columns:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc = np.invert(crc)
    return np.asarray(((crc >> 15) | (crc << 17)) + np.uint32(_MASK), dtype=np.uint32)


def masked_crc(data: bytes) -> int:
    """Compute that of one record."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _LIST[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + _MASK) & 0xFFFFFFFF
