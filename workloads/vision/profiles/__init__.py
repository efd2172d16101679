"""The profiles that ship with timeshare, one ``NAME.json.gz`` per recorded model."""
