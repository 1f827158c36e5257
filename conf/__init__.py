"""Parameters: one versioned file per job, read into the job's frozen settings."""
