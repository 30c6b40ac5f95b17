from django.apps import AppConfig


class MailboxConfig(AppConfig):
    """The post office of the outside world: every mail anybody sends ends up on one page."""

    name = "sandbox.mailbox"
    label = "mailbox"
    default_auto_field = "django.db.models.BigAutoField"
