"""AMP on a hub connection; knows no sessions."""
