"""The errors of the domain; each message says what is wrong and, where there is one, the remedy."""

from collections.abc import Sequence

from openwatt.domain.messages import Message


class OpenWattError(Exception):
    """OpenWatt cannot do what a caller wants.

    `message` says it to customers, in their language, where they may meet the error.
    """

    message: Message | None = None

    def __init__(self, message: Message | str = "") -> None:
        if isinstance(message, Message):
            self.message = message
        super().__init__(str(message))


def message_of(error: OpenWattError) -> Message:
    """The message of an error, or its text as one."""
    return error.message or Message.of("text", text=str(error))


class TariffError(OpenWattError):
    """A tariff contradicts itself. `faults` names every contradiction, not only the first."""

    def __init__(self, subject: str, faults: Sequence[str]) -> None:
        self.subject = subject
        self.faults = tuple(faults)
        super().__init__(f"{subject}: {'; '.join(faults)}")


class UnknownDutyError(OpenWattError):
    """No rate of a duty is known for a date, so a price with all taxes cannot be computed."""


class OffPeakError(OpenWattError):
    """Off-peak hours are not written in a way that names ranges of hours."""


class SpanError(OpenWattError):
    """A span of days ends before it starts, or holds no day."""


class CalendarError(OpenWattError):
    """A register calendar contradicts itself, or a home does not say what its calendar needs."""


class LoadCurveError(OpenWattError):
    """Measurements cannot make a load curve; the message says why."""


class BillError(OpenWattError):
    """A bill cannot be made of what was given."""


class MeterFileError(OpenWattError):
    """A customer's file is not what can be read; the message says what it is and what to bring instead."""

    message: Message

    def __init__(self, message: Message) -> None:
        self.message = message
        super().__init__(str(message))
