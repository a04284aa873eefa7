"""Every error of the domain; each says in a sentence what is wrong and, where there is one, the remedy."""

from collections.abc import Sequence


class OpenWattError(Exception):
    """Something OpenWatt was asked to do cannot be done."""


class TariffError(OpenWattError):
    """A tariff contradicts itself. `faults` names every contradiction, not only the first."""

    def __init__(self, subject: str, faults: Sequence[str]) -> None:
        self.subject = subject
        self.faults = tuple(faults)
        super().__init__(f"{subject}: {'; '.join(faults)}")


class UnknownDutyError(OpenWattError):
    """No rate of a duty is known for a date, so a price with all taxes cannot be computed."""
