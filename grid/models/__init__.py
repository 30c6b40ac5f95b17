"""Tables of the grid room, one module a subject."""

from grid.models.dispatches import Dispatch
from grid.models.events import EventApproval, EventParticipation, GridEvent
from grid.models.operators import OperatorAsk, OperatorEvent, OperatorLink, OperatorProgram, OperatorReport
from grid.models.plans import Plan, PlanningState, PlanningWatch
from grid.models.programs import Enrollment, Program, ProgramTerms, ShareRule
from grid.models.reminders import EventReminder, PlugReminder, RiskWatch, TermsNotice
from grid.models.savings import StaySaving
from grid.models.series import Feed, SeriesPoint
from grid.models.settlements import GroupSettlement, Settlement
from grid.models.sites import CarbonChoice, Site, Tariff
from grid.models.utilities import Utility

__all__ = [
    "CarbonChoice",
    "Dispatch",
    "Enrollment",
    "EventApproval",
    "EventParticipation",
    "EventReminder",
    "Feed",
    "GridEvent",
    "GroupSettlement",
    "OperatorAsk",
    "OperatorEvent",
    "OperatorLink",
    "OperatorProgram",
    "OperatorReport",
    "Plan",
    "PlanningState",
    "PlanningWatch",
    "PlugReminder",
    "Program",
    "ProgramTerms",
    "RiskWatch",
    "SeriesPoint",
    "Settlement",
    "ShareRule",
    "Site",
    "StaySaving",
    "Tariff",
    "TermsNotice",
    "Utility",
]
