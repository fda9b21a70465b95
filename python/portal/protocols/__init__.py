"""One module is one way for a player to come in."""
