"""Tables, migrations and the one way to the database. Nothing here knows what a registry does."""
