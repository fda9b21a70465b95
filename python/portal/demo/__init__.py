"""The small game that `portal demo` runs: a harbour town to talk in, made to be reloaded."""
