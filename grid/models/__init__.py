"""Tables of the grid room, one module a subject."""

from grid.models.dispatches import Dispatch
from grid.models.events import EventApproval, EventParticipation, GridEvent
from grid.models.plans import Plan, PlanningState
from grid.models.programs import Enrollment, Program, ProgramTerms
from grid.models.series import Feed, SeriesPoint
from grid.models.settlements import Settlement
from grid.models.sites import Site, Tariff
from grid.models.utilities import Utility

__all__ = [
    "Dispatch",
    "Enrollment",
    "EventApproval",
    "EventParticipation",
    "Feed",
    "GridEvent",
    "Plan",
    "PlanningState",
    "Program",
    "ProgramTerms",
    "SeriesPoint",
    "Settlement",
    "Site",
    "Tariff",
    "Utility",
]
