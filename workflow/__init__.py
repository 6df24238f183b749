"""The driver: decides what runs next."""
