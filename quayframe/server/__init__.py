"""The servers, and the supervisor of `quayframe serve`. Nothing here knows the application."""
