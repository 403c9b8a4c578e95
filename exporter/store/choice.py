"""Opens the store that the configuration names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.store.memory import MemoryStore
from exporter.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from exporter.config import StoreConfig
    from exporter.store import Store


def open_store(config: StoreConfig) -> Store:
    """Open the store; raises StoreError, StoreRefusedError when it must not be used."""
    return MemoryStore() if config.type == "memory" else SqliteStore(config.path)
