"""Programs that run on the simulated system: synthetic ones, and recorded vision models."""
