"""`python -m sandbox migrate|serve|...`: the sandbox's own manage.py."""

import os
import sys

from django.core.management import execute_from_command_line


def main() -> None:
    """Run one management command with the sandbox's settings, whatever the platform's environment says."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "sandbox.world.settings"
    execute_from_command_line(["python -m sandbox", *sys.argv[1:]])


if __name__ == "__main__":
    main()
