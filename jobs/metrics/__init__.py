"""The job metrics: windows over samples of any source, declared in YAML."""
