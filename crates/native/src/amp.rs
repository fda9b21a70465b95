//! Python's view of the `ampcodec` crate.
