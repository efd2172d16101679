"""Programs that are written down step by step, and run on simulated memory with real stack frames."""
