"""The job driver_exposure: what drivers breathe on the road, and the weather at their harsh events."""
