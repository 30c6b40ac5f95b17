"""The owner's own name, country and time zone."""

from zoneinfo import available_timezones

from django.conf import settings
from django.utils.translation import gettext

from accounts.models import Consent, User
from foundation.refusals import Refusal


class UnableToSaveProfile(Refusal):
    """The profile stays as it was."""


def save_profile(
    *,
    user: User,
    name: str | None = None,
    country: str | None = None,
    time_zone: str | None = None,
    language: str | None = None,
) -> User:
    """Change what was given of the user's profile and return the user.

    The country decides the currency of earnings, so it is fixed once the user agreed to anything. Raises
    UnableToSaveProfile.
    """
    if name is not None:
        user.name = _checked_name(name)
    if time_zone is not None:
        user.time_zone = checked_zone(time_zone)
    if country is not None and country != user.country:
        user.country = _checked_country(user, country)
    if language is not None:
        user.language = checked_language(language)
    user.save(update_fields=["name", "country", "time_zone", "language"])
    return user


def is_zone(time_zone: str) -> bool:
    """Say whether a name is a time zone's, the same on every machine and known to browsers: "America/Chicago"."""
    return time_zone in available_timezones() and time_zone not in {"localtime", "Factory"}


def checked_zone(time_zone: str) -> str:
    """Return the name of a time zone that exists ("America/Chicago"); refuses any other."""
    if not is_zone(time_zone):
        raise UnableToSaveProfile(
            gettext("This time zone is not known. Choose one like America/Chicago."),
            code="unknown_time_zone",
            field="time_zone",
        )
    return time_zone


def checked_language(language: str) -> str:
    """Return one of the platform's languages ("fr-ca"), or "" for the browser's; refuses any other."""
    if language and language not in dict(settings.LANGUAGES):
        raise UnableToSaveProfile(
            gettext("We do not speak this language. Choose one of the list."), code="unknown_language", field="language"
        )
    return language


def _checked_name(name: str) -> str:
    trimmed = " ".join(name.split())
    if len(trimmed) > 120:
        raise UnableToSaveProfile(
            gettext("Use at most 120 characters for your name."), code="name_too_long", field="name"
        )
    return trimmed


def _checked_country(user: User, country: str) -> str:
    if country not in User.Country.values:
        raise UnableToSaveProfile(
            gettext("ChargeScape works in the United States and in Canada."), code="unknown_country", field="country"
        )
    if Consent.objects.filter(user=user).exists():
        raise UnableToSaveProfile(
            gettext("Your country decides the currency you earn in, so it cannot be changed any more."),
            code="country_fixed",
            field="country",
        )
    return country
