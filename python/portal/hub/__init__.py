"""The hub: every socket of the process, served by one task."""
