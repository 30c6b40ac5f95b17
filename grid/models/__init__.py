"""Tables of the grid room, one module a subject."""

from grid.models.dispatches import Dispatch
from grid.models.events import EventApproval, EventParticipation, GridEvent
from grid.models.feeders import Feeder
from grid.models.invoices import Invoice, InvoiceLine, InvoicePosting
from grid.models.loops import EventProgress
from grid.models.measurements import ControlDraw, LoadHistory, Measurement
from grid.models.members import UtilityMember
from grid.models.nominations import Nomination, Rehearsal
from grid.models.operators import (
    OperatorAsk,
    OperatorEvent,
    OperatorLink,
    OperatorProgram,
    OperatorReport,
    OperatorReportRequest,
)
from grid.models.owed import OperatorResource, OwedReport
from grid.models.plans import Plan, PlanningState, PlanningWatch
from grid.models.programs import (
    TAKES_PART,
    Enrollment,
    EnrollmentConfirmation,
    Program,
    ProgramElsewhere,
    ProgramTerms,
    ShareRule,
)
from grid.models.reminders import EventReminder, PlugReminder, RiskWatch, TermsNotice
from grid.models.reviews import Dispute
from grid.models.savings import StaySaving
from grid.models.series import Feed, SeriesPoint, SeriesUpload
from grid.models.settlements import GroupSettlement, Settlement
from grid.models.sites import CarbonChoice, Site, Tariff
from grid.models.utilities import Utility

__all__ = [
    "TAKES_PART",
    "CarbonChoice",
    "ControlDraw",
    "Dispatch",
    "Dispute",
    "Enrollment",
    "EnrollmentConfirmation",
    "EventApproval",
    "EventParticipation",
    "EventProgress",
    "EventReminder",
    "Feed",
    "Feeder",
    "GridEvent",
    "GroupSettlement",
    "Invoice",
    "InvoiceLine",
    "InvoicePosting",
    "LoadHistory",
    "Measurement",
    "Nomination",
    "OperatorAsk",
    "OperatorEvent",
    "OperatorLink",
    "OperatorProgram",
    "OperatorReport",
    "OperatorReportRequest",
    "OperatorResource",
    "OwedReport",
    "Plan",
    "PlanningState",
    "PlanningWatch",
    "PlugReminder",
    "Program",
    "ProgramElsewhere",
    "ProgramTerms",
    "Rehearsal",
    "RiskWatch",
    "SeriesPoint",
    "SeriesUpload",
    "Settlement",
    "ShareRule",
    "Site",
    "StaySaving",
    "Tariff",
    "TermsNotice",
    "Utility",
    "UtilityMember",
]
