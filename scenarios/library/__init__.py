"""The scenarios that come with timeshare, one YAML file each."""
