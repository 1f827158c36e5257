"""Parameters of who drove: for how long a log-in holds."""

from __future__ import annotations

from conf.parameters import load
from conf.rule_sets import NotNegative, RuleSet


class AttributionRules(RuleSet):
    """How log-ins are read."""

    holds_s: NotNegative

    @property
    def holds_ms(self) -> int:
        """In ms; 0: until the next log-in or log-out of the vehicle."""
        return round(self.holds_s * 1000)


def attribution(file: str = "attribution_1", overrides: tuple[str, ...] = ()) -> AttributionRules:
    """Reads a file of attribution rules.

    Raises:
        conf.parameters.ParameterError: an unknown name or a refused value.
    """
    return load(file, AttributionRules, overrides)
