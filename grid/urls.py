"""Addresses of home, car pages, events and earnings."""

from django.urls import path

from grid.views import carbon, cars, earnings, events, homes, programs
from grid.views.desk import doors as desk_doors
from grid.views.desk import enrollments as desk_enrollments
from grid.views.desk import events as desk_events
from grid.views.desk import invoices as desk_invoices
from grid.views.desk import overview as desk_overview
from grid.views.desk import programs as desk_programs
from grid.views.desk import rehearsals as desk_rehearsals

urlpatterns = [
    path("home/", homes.site, name="site"),
    path("cars/<uuid:vehicle>/", cars.car, name="car"),
    path("cars/<uuid:vehicle>/record/", cars.record, name="car_record"),
    path("cars/<uuid:vehicle>/program/", programs.program, name="car_program"),
    path("cars/<uuid:vehicle>/enroll/", programs.enroll, name="enroll"),
    path("cars/<uuid:vehicle>/withdraw/", programs.withdraw, name="withdraw"),
    path("cars/<uuid:vehicle>/elsewhere/", programs.declare, name="declare_elsewhere"),
    path("elsewhere/<uuid:declared>/end/", programs.undeclare, name="end_elsewhere"),
    path("events/", events.events, name="events"),
    path("events/<uuid:participation>/", events.event, name="event"),
    path("events/<uuid:participation>/opt-out/", events.leave_out, name="opt_out"),
    path("events/<uuid:participation>/opt-in/", events.come_back, name="opt_in"),
    path("carbon/", carbon.carbon, name="carbon"),
    path("earnings/", earnings.earnings, name="earnings"),
    path("earnings/<uuid:settlement>/", earnings.earning, name="earning"),
]

DESK = "desk/<slug:utility>/"
urlpatterns += [
    path("desk/", desk_doors.desk, name="desk"),
    path(DESK, desk_overview.overview, name="desk_overview"),
    path(f"{DESK}events/", desk_events.events, name="desk_events"),
    path(f"{DESK}events/files/events.<slug:form>", desk_events.events_file, name="desk_events_file"),
    path(f"{DESK}events/<uuid:event>/", desk_events.event, name="desk_event"),
    path(f"{DESK}events/<uuid:event>/evidence.json", desk_events.event_evidence, name="desk_event_evidence"),
    path(f"{DESK}events/<uuid:event>/<slug:what>.csv", desk_events.event_file, name="desk_event_file"),
    path(f"{DESK}events/<uuid:event>/approve/", desk_events.approve, name="desk_approve"),
    path(f"{DESK}events/<uuid:event>/object/", desk_events.dispute, name="desk_object"),
    path(f"{DESK}programs/", desk_programs.programs, name="desk_programs"),
    path(f"{DESK}programs/enrolments/", desk_enrollments.enrollments, name="desk_enrollments"),
    path(f"{DESK}programs/enrolments/file.csv", desk_enrollments.enrollment_csv, name="desk_enrollment_file"),
    path(f"{DESK}programs/<uuid:program>/", desk_programs.program, name="desk_program"),
    path(f"{DESK}nominations/", desk_invoices.nominations, name="desk_nominations"),
    path(f"{DESK}nominations/files/nominations.<slug:form>", desk_invoices.nominations_file,
         name="desk_nominations_file"),
    path(f"{DESK}invoices/", desk_invoices.invoices, name="desk_invoices"),
    path(f"{DESK}invoices/<uuid:invoice>/", desk_invoices.invoice, name="desk_invoice"),
    path(f"{DESK}invoices/<uuid:invoice>/invoice.<slug:form>", desk_invoices.invoice_file, name="desk_invoice_file"),
    path(f"{DESK}rehearsals/", desk_rehearsals.rehearsals, name="desk_rehearsals"),
    path(f"{DESK}rehearsals/<uuid:rehearsal>/", desk_rehearsals.rehearsal, name="desk_rehearsal"),
    path(f"{DESK}rehearsals/<uuid:rehearsal>/rehearsal.json", desk_rehearsals.rehearsal_file,
         name="desk_rehearsal_file"),
]  # fmt: skip
