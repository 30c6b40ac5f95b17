"""Texts of allauth's pages that we translate ourselves: its French says "e-mail", Canadians say "courriel"."""

from django.utils.translation import gettext_noop

OURS = (
    gettext_noop("Email address"),
    gettext_noop("Email Address"),
    gettext_noop("Email Addresses"),
    gettext_noop("Current email"),
    gettext_noop("Change Email"),
    gettext_noop("Add Email"),
    gettext_noop("Add Email Address"),
    gettext_noop("Email Verification"),
    gettext_noop("Use a different email address"),
    gettext_noop("The email address and/or password you specified are not correct."),
    gettext_noop("The following email addresses are associated with your account:"),
    gettext_noop("Your email address is still pending verification."),
)
