//! Telnet bytes to tokens and lines, and back, sans-IO.
