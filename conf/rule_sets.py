"""What all versioned rule sets have in common: an id and a hash that says which parameters gave a number."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated

from pydantic import Field

from conf.parameters import Frozen

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]


class RuleSet(Frozen):
    """A named set of rules of one version; another number in it is another version, so that a replay can tell."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    version: Annotated[int, Field(ge=1)]

    @property
    def id(self) -> str:
        """``additive_per_100km@1``."""
        return f"{self.name}@{self.version}"

    @property
    def params_hash(self) -> str:
        """16 hexadecimal digits that change with every parameter, and with nothing else.

        An override by ``--set`` keeps the id and changes the hash. The order of the file and how a number is written
        (1 or 1.0) do not matter.
        """
        values = self.model_dump(mode="json")
        return hashlib.sha256(json.dumps(_canonical(values), sort_keys=True).encode()).hexdigest()[:16]


def _canonical(value: object) -> object:
    if isinstance(value, dict):
        return {key: _canonical(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_canonical(inner) for inner in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value
