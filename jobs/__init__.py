"""The jobs: one package each, wired in its ``job.py``."""
