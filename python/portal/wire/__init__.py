"""Bytes to events and back, sans-IO."""
