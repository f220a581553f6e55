"""The user's own data, from files."""
