"""OpenWatt: every French residential electricity tariff, dated, sourced, exact."""

__version__ = "0.1.0"
