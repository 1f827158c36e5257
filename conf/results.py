"""Which changed rows a live job publishes for other systems."""

from __future__ import annotations

from conf.parameters import Frozen


class Results(Frozen):
    """Whether rows go to RabbitMQ's exchange ``results``, and those of which tables."""

    enabled: bool
    tables: tuple[str, ...]
