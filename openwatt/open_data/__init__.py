"""The open-data package: the whole history as files that say what they hold."""
