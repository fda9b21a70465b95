//! Game markup to ANSI, HTML and plain text.
