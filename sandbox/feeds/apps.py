from django.apps import AppConfig


class FeedsConfig(AppConfig):
    """Where prices and carbon come from: real series in the wire formats of a grid operator and a carbon service."""

    name = "sandbox.feeds"
    label = "feeds"
    default_auto_field = "django.db.models.BigAutoField"
