"""The background worker: a schedule, and a map from job kind to service function."""
