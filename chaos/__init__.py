"""Exactly once, proved by killing everything: ``make chaos`` (see README.md)."""
