"""Vision inference: record a model once, replay it as a job as often as wanted."""
