"""driver_stats: from vehicle telemetry to minutes, trips, events, and the hours and days of each driver."""
