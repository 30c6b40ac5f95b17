"""The demo's people: three owners who link six cars, and an admin who asks for help on two weeks of evenings."""

import json
import os
import sys
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import requests

from journey.admin import ADMINS, Admin
from journey.owner import Home, Owner
from journey.stack import HOME
from journey.world import World

TEXAN_PROGRAMS = HOME / "grid" / "data" / "lone_star_power.json"
TONIGHT = 13  # days after the first date, by UTC: the history begins at night
EVENINGS = 15  # two weeks of history, tonight and tomorrow
REVIEW_HOURS = 12  # minutes, by the demo's clock: long enough to approve tonight's result, or to object to it


def owners(web_url: str, world: World) -> list[Owner]:
    """Return the three owners, one of them in Canada."""
    austin = Home("1100 Congress Ave, Austin", "78701", "America/Chicago", "market", "11.5", "9.6")
    houston = Home("900 Bagby St, Houston", "77002", "America/Chicago", "market", "11.5", "9.6")
    toronto = Home("100 Queen St W, Toronto", "M5H", "America/Toronto", "ultra-low", "11.5", "9.6")
    return [
        Owner(web_url, world, "alice@example.com", "Alice Moreno", "US", austin, "alice@ford.sandbox"),
        Owner(web_url, world, "bob@example.com", "Bob Chen", "US", houston, "bob@ford.sandbox"),
        Owner(web_url, world, "chloe@example.com", "Chloé Tremblay", "CA", toronto, "chloe@ford.sandbox"),
    ]


def move_in(owner: Owner) -> None:
    """Walk one owner through the whole onboarding."""
    owner.sign_up()
    owner.introduce_yourself()
    owner.agree()
    owner.describe_home()
    owner.link_cars()
    owner.say_home_is_here()
    for car in owner.car_ids():
        owner.set_wishes(
            car, target_soc_percent="85", minimum_soc_percent="25", reserve_soc_percent="40", is_v2g_allowed="on"
        )
        owner.enroll(car)
    owner.set_up_payouts()


def ask_for_help(admin: Admin, *, first_date: datetime) -> None:
    """Create the evenings' events in Texas and Ontario: some hold, some discharge.

    From tonight on the Texan utility asks by itself, from its own desk.
    """
    for day in range(EVENINGS):
        date = (first_date + timedelta(days=day)).date()
        for program, zone, hour, kind in (
            ("Evening Relief", "America/Chicago", 18, "discharge" if day % 2 == 0 else "hold"),
            ("Peak Rewards", "America/Toronto", 18, "discharge" if day % 3 == 2 else "hold"),
        ):
            if program == "Evening Relief" and day >= TONIGHT:
                continue
            if day != TONIGHT and (date.weekday() >= 5 or day % 7 == 4):
                continue  # evenings without an event belong to a real fortnight; a newcomer's first has one
            starts_at = datetime.combine(date, time(hour), ZoneInfo(zone))
            admin.create_event(
                program=program,
                kind=kind,
                starts_at=starts_at,
                ends_at=starts_at + timedelta(hours=2),
                zone=zone,
                target_kw=40,
                announce_at=max(starts_at - timedelta(hours=4), first_date + timedelta(minutes=5)),
            )


def let_the_utility_review(admin: Admin, *, since: datetime) -> None:
    """Give Evening Relief a version of its terms from `since` on that leaves the utility time to object to results.

    The history's results are final at once, so that owners have been paid; what comes tonight waits for the desk.
    """
    record = json.loads(TEXAN_PROGRAMS.read_text())
    versions = record["programs"][0]["terms"]
    newest = versions[-1]
    later = {"version": newest["version"] + 1, "valid_from_at": since.isoformat(), "objection_hours": REVIEW_HOURS}
    versions.append(newest | later)
    admin.load_programs(record)


def simulated_now(world_url: str) -> datetime:
    """Return the demo's time, as the sandbox shows it."""
    answer = requests.get(f"{world_url}/control/clock", timeout=30)
    return datetime.fromisoformat(answer.json()["now"]).astimezone(UTC)


def main(web_url: str, world_url: str) -> None:
    """Make the demo's people at these addresses."""
    world = World(world_url)
    for owner in owners(web_url, world):
        move_in(owner)
        print(f"{owner.name} has moved in", flush=True)
    admin = Admin(web_url, ADMINS[0][0])
    admin.sign_in()
    admin.link_server(
        utility="Lone Star Power",
        program="Evening Relief",
        url=f"{world_url}/vtn/3.1.0",
        secret=os.environ["DEMO_VTN_SECRET"],
        program_id=world.utility_program(),
    )
    began_at = simulated_now(world_url)
    ask_for_help(admin, first_date=began_at)
    let_the_utility_review(admin, since=began_at + timedelta(days=TONIGHT))


if __name__ == "__main__":
    main(*sys.argv[1:3])
