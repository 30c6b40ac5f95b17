from django.apps import AppConfig


class StripeConfig(AppConfig):
    """A stateful stand-in for the part of Stripe that a Connect payout platform uses."""

    name = "sandbox.stripe"
    label = "stripe"
    default_auto_field = "django.db.models.BigAutoField"
