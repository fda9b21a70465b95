//! Python's view of the markup crate.
