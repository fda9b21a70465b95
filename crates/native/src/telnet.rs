//! Python's view of the telnet crate.
