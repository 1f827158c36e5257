"""Connections to the outside: one module for each external system, and the columnar operator."""
