"""From a supplier's document to published tariffs: retrieve, read, doubt, publish."""
