"""`manage.py load_series`: loads a file of prices or carbon into a feed, with the report that the admin shows."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

from django.core.management.base import BaseCommand, CommandError

from foundation import clock
from grid.flows.prices.uploads import UnableToUpload, load_file
from grid.models import Feed


class Command(BaseCommand):
    help = "Loads a CSV file (starts_at, ends_at, value, unit; docs/feeds.md) into a feed; any size."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", type=Path)
        parser.add_argument("--source", required=True)
        parser.add_argument("--zone", required=True)
        parser.add_argument("--kind", required=True, choices=Feed.Kind.values)
        parser.add_argument("--time-zone", default="", help="By which times without an offset are read.")
        parser.add_argument("--make-feed", action="store_true", help="Make the feed, not fetched, if it is not there.")
        parser.add_argument("--dry-run", action="store_true", help="Only report.")

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["time_zone"] and options["time_zone"] not in available_timezones():
            raise CommandError(f"{options['time_zone']} is no time zone.")
        feed, is_dry = self._feed(options), options["dry_run"]
        try:
            with options["path"].open("rb") as file:
                report, stored = load_file(
                    feed=feed, file=file, time_zone=options["time_zone"], now=clock.now(), is_dry=is_dry
                )
        except (OSError, UnableToUpload) as error:
            raise CommandError(f"{options['path'].name}: {getattr(error, 'reason', error)}") from error
        counts = ", ".join(
            f"{report[name]} {name}" for name in ("lines", "good", "bad", "duplicate", "blank", "flagged")
        )
        self.stdout.write(f"{counts}; {report['gap_count']} gaps, {report['overlap_count']} overlaps")
        for finding in report["findings"]:
            self.stderr.write(f"line {finding['line']}: {finding['reason']}: {finding['text']!r}")
        self.stdout.write("Nothing was loaded (dry run)." if is_dry else f"{stored} values are new.")

    def _feed(self, options: dict[str, Any]) -> Feed:
        key = {name: options[name] for name in ("source", "zone", "kind")}
        feed = Feed.objects.filter(**key).first()
        if feed is None and options["make_feed"]:
            feed = Feed.objects.create(**key, is_active=False)
        if feed is None:
            raise CommandError(f"There is no feed {' '.join(key.values())}: make it with --make-feed.")
        return feed
