"""A year of days at home: the week that each car has behind it again and again, and what each stay saved, in bulk."""

from datetime import datetime, timedelta

from django.db import connection, models

from grid.models import StaySaving
from vehicles.models import ChargeReading, PlugSession

WEEKS = 51  # before the one that is there
READINGS_A_DAY = 2
HOUR = timedelta(hours=1)


def make_days(*, now: datetime) -> None:
    """Give each car of a PostgreSQL database the stays, readings and savings of a year; brings its statistics along."""
    with connection.cursor() as cursor:
        cursor.execute(_again(PlugSession, ("plugged_in_at", "unplugged_at"), "unplugged_at IS NOT NULL", 1))
        cursor.execute(
            _again(ChargeReading, ("observed_at", "fetched_at"), "observed_at < %s", READINGS_A_DAY), [now - HOUR]
        )
        cursor.execute(_SAVED, [now])
        cursor.execute("ANALYZE")


def _again(model: type[models.Model], moved: tuple[str, ...], which: str, times_a_day: int) -> str:
    """Return what repeats a table's rows in each week before, so many times a day."""
    table = model._meta.db_table  # noqa: SLF001 - public but for its name
    names = [str(field.column) for field in model._meta.concrete_fields if not field.primary_key]  # noqa: SLF001
    past = f"week * interval '7 days' + part * interval '{24 // times_a_day} hours'"
    told = [f"{name} - {past}" if name in moved else name for name in names]
    return (
        f"INSERT INTO {table} ({', '.join(names)}) SELECT {', '.join(told)} FROM {table},"  # noqa: S608 - our names
        f" generate_series(1, {WEEKS}) AS week, generate_series(0, {times_a_day - 1}) AS part WHERE {which}"
    )


_SAVED = f"""
    INSERT INTO {StaySaving._meta.db_table} (plug_session_id, is_known, drawn_wh, saved_micros, currency, drawn_g,
        saved_g, carbon_feed_id, weighed_at)
    SELECT stay.id, TRUE, 21000, 640000 + mod(stay.id, 500000), 'USD', 8600, 900 + mod(stay.id, 700), NULL,
        stay.unplugged_at + interval '1 hour'
    FROM {PlugSession._meta.db_table} AS stay WHERE stay.unplugged_at <= %s - interval '1 hour'
"""  # noqa: S608, SLF001 - our names
