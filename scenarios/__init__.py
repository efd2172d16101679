"""The scenario file: its schema, loading it, running it, and the library."""
