"""Every call of the API. Written by client/generate.py from the schema: change that, not this."""

from typing import Any, Literal

from client import models
from client.http import Transport


class Api(Transport):
    """One method a call, named as the schema names it."""

    def account_closing_list(
        self,
    ) -> list[models.Closing]:
        """Return the wish that waits, or none."""
        found: list[models.Closing] = self.call("GET", "/api/v1/account/closing/")
        return found

    def account_close(
        self,
        body: models.CloseRequest,
        *,
        key: str | None = None,
    ) -> None:
        """Let the cars go, pay what is owed, then forget the owner.

        Where money is still on its way the answer is 202 and says what is waited for; the account closes by itself
        as soon as nothing is owed any more. Until then the wish can be taken back.
        """
        self.call("POST", "/api/v1/account/closing/", body=body, key=key)

    def account_closing_withdraw(
        self,
        *,
        key: str | None = None,
    ) -> None:
        """Take the wish back; cars that were let go have to be linked again."""
        self.call("POST", "/api/v1/account/closing/withdraw/", key=key)

    def balances_list(
        self,
    ) -> list[models.Balance]:
        """Return available, pending, paid and earned money."""
        found: list[models.Balance] = self.call("GET", "/api/v1/balances/")
        return found

    def carbon_retrieve(
        self,
    ) -> models.Carbon:
        """Return what steering kept out of the air by month and by night, and how plans may weigh it."""
        found: models.Carbon = self.call("GET", "/api/v1/carbon/")
        return found

    def carbon_choice_partial_update(
        self,
        body: models.PatchedCarbonChoiceRequest,
        *,
        key: str | None = None,
        if_match: str | None = None,
    ) -> models.Carbon:
        """Let plans weigh carbon as chosen; they are made anew within minutes."""
        found: models.Carbon = self.call("PATCH", "/api/v1/carbon/choice/", body=body, key=key, if_match=if_match)
        return found

    def carbon_tonight_list(
        self,
    ) -> list[models.CarbonStop]:
        """Return what each choice would make of the plans of now; each is planned anew, which takes a moment."""
        found: list[models.CarbonStop] = self.call("GET", "/api/v1/carbon/tonight/")
        return found

    def changes_retrieve(
        self,
        *,
        page_size: int | None = None,
        since: str | None = None,
    ) -> models.Changes:
        """Return which objects are new, have changed or are gone since the cursor.

        Readings age by the second and are no changes: read the car for its newest. No change is ever left out; one
        may be told twice. A cursor lives for the fifty answers after it; an older one is answered 410: begin anew.
        """
        found: models.Changes = self.call("GET", "/api/v1/changes/", query={"page_size": page_size, "since": since})
        return found

    def chargers_list(
        self,
        *,
        cursor: str | None = None,
        page_size: int | None = None,
    ) -> models.PaginatedChargerList:
        """The signed-in owner's wall boxes."""
        found: models.PaginatedChargerList = self.call("GET", "/api/v1/chargers/", query={"cursor": cursor, "page_size": page_size})
        return found

    def chargers_retrieve(
        self,
        public_id: str,
    ) -> models.Charger:
        """The signed-in owner's wall boxes."""
        found: models.Charger = self.call("GET", f"/api/v1/chargers/{public_id}/")
        return found

    def chargers_serves_update(
        self,
        public_id: str,
        body: models.AssignRequest,
        *,
        key: str | None = None,
        if_match: str | None = None,
    ) -> models.Charger:
        """Say which car the box serves."""
        found: models.Charger = self.call("PUT", f"/api/v1/chargers/{public_id}/serves/", body=body, key=key, if_match=if_match)
        return found

    def consents_list(
        self,
        *,
        cursor: str | None = None,
        page_size: int | None = None,
    ) -> models.PaginatedConsentList:
        """The signed-in user's receipts, newest first."""
        found: models.PaginatedConsentList = self.call("GET", "/api/v1/consents/", query={"cursor": cursor, "page_size": page_size})
        return found

    def consents_create(
        self,
        body: models.PurposeRequest,
        *,
        key: str | None = None,
    ) -> models.Consent:
        """Agree to the text in force for one purpose."""
        found: models.Consent = self.call("POST", "/api/v1/consents/", body=body, key=key)
        return found

    def consents_revoke_create(
        self,
        body: models.PurposeRequest,
        *,
        key: str | None = None,
    ) -> models.Consent:
        """Take the agreement to one purpose back; reading and steering stop with the next sweep."""
        found: models.Consent = self.call("POST", "/api/v1/consents/revoke/", body=body, key=key)
        return found

    def consents_texts_list(
        self,
    ) -> list[models.ConsentText]:
        """Return the texts in force and whether the user agrees to each."""
        found: list[models.ConsentText] = self.call("GET", "/api/v1/consents/texts/")
        return found

    def consents_retrieve(
        self,
        public_id: str,
    ) -> models.Consent:
        """The signed-in user's receipts, newest first."""
        found: models.Consent = self.call("GET", f"/api/v1/consents/{public_id}/")
        return found

    def dated_departures_list(
        self,
        *,
        cursor: str | None = None,
        page_size: int | None = None,
    ) -> models.PaginatedDatedDepartureList:
        """Holidays and early mornings of the signed-in owner's cars."""
        found: models.PaginatedDatedDepartureList = self.call("GET", "/api/v1/dated-departures/", query={"cursor": cursor, "page_size": page_size})
        return found

    def dated_departures_create(
        self,
        body: models.DatedDepartureRequest,
        *,
        key: str | None = None,
    ) -> models.DatedDeparture:
        """Say something of some dates; they stand before the week."""
        found: models.DatedDeparture = self.call("POST", "/api/v1/dated-departures/", body=body, key=key)
        return found

    def dated_departures_destroy(
        self,
        public_id: str,
        *,
        key: str | None = None,
    ) -> None:
        """Let the week count again; days that are over keep what was said of them."""
        self.call("DELETE", f"/api/v1/dated-departures/{public_id}/", key=key)

    def dated_departures_retrieve(
        self,
        public_id: str,
    ) -> models.DatedDeparture:
        """Holidays and early mornings of the signed-in owner's cars."""
        found: models.DatedDeparture = self.call("GET", f"/api/v1/dated-departures/{public_id}/")
        return found

    def dispatches_list(
        self,
        *,
        cursor: str | None = None,
        page_size: int | None = None,
        vehicle: str | None = None,
    ) -> models.PaginatedDispatchList:
        """Holds and discharges of the signed-in owner's cars, newest first."""
        found: models.PaginatedDispatchList = self.call("GET", "/api/v1/dispatches/", query={"cursor": cursor, "page_size": page_size, "vehicle": vehicle})
        return found

    def dispatches_retrieve(
        self,
        public_id: str,
    ) -> models.Dispatch:
        """Holds and discharges of the signed-in owner's cars, newest first."""
        found: models.Dispatch = self.call("GET", f"/api/v1/dispatches/{public_id}/")
        return found

    def earnings_list(
        self,
        *,
        cursor: str | None = None,
        page_size: int | None = None,
    ) -> models.PaginatedEarningList:
        """What the signed-in owner earned besides the rate per kWh, newest first; one opens to its whole sum."""
        found: models.PaginatedEarningList = self.call("GET", "/api/v1/earnings/", query={"cursor": cursor, "page_size": page_size})
        return found

    def earnings_retrieve(
        self,
        public_id: str,
    ) -> models.EarningDetail:
        """What the signed-in owner earned besides the rate per kWh, newest first; one opens to its whole sum."""
        found: models.EarningDetail = self.call("GET", f"/api/v1/earnings/{public_id}/")
        return found

    def enrollments_list(
        self,
        *,
        cursor: str | None = None,
        page_size: int | None = None,
    ) -> models.PaginatedEnrollmentList:
        """The owner's cars in programs, ended ones included."""
        found: models.PaginatedEnrollmentList = self.call("GET", "/api/v1/enrollments/", query={"cursor": cursor, "page_size": page_size})
        return found

    def enrollments_create(
        self,
        body: models.EnrollRequest,
        *,
        key: str | None = None,
    ) -> models.Enrollment:
        """Let one car join one program; beside others only where the terms of both let it (`goes_with`)."""
        found: models.Enrollment = self.call("POST", "/api/v1/enrollments/", body=body, key=key)
        return found

    def enrollments_retrieve(
        self,
        public_id: str,
    ) -> models.Enrollment:
        """The owner's cars in programs, ended ones included."""
        found: models.Enrollment = self.call("GET", f"/api/v1/enrollments/{public_id}/")
        return found

    def enrollments_withdraw_create(
        self,
        public_id: str,
        *,
        key: str | None = None,
    ) -> models.Enrollment:
        """Let the car leave the program; what it earned stays."""
        found: models.Enrollment = self.call("POST", f"/api/v1/enrollments/{public_id}/withdraw/", key=key)
        return found

    def exports_list(
        self,
        *,
        cursor: str | None = None,
        page_size: int | None = None,
    ) -> models.PaginatedExportList:
        """Copies of everything held about the signed-in owner, newest first."""
        found: models.PaginatedExportList = self.call("GET", "/api/v1/exports/", query={"cursor": cursor, "page_size": page_size})
        return found

    def exports_create(
        self,
        *,
        key: str | None = None,
    ) -> models.Export:
        """Ask for a copy; a small one is ready at once, a large one within a minute: read it again until then."""
        found: models.Export = self.call("POST", "/api/v1/exports/", key=key)
        return found

    def exports_download_retrieve(
        self,
        *,
        token: str,
    ) -> bytes:
        """Hand out the zip file to whoever shows a fresh link."""
        found: bytes = self.call("GET", "/api/v1/exports/download/", query={"token": token})
        return found

    def exports_retrieve(
        self,
        public_id: str,
    ) -> models.Export:
        """Copies of everything held about the signed-in owner, newest first."""
        found: models.Export = self.call("GET", f"/api/v1/exports/{public_id}/")
        return found

    def link_attempts_retrieve(
        self,
        public_id: str,
    ) -> models.Attempt:
        """Say how far it is. A device code is asked about at the maker, as often as the maker allows."""
        found: models.Attempt = self.call("GET", f"/api/v1/link-attempts/{public_id}/")
        return found

    def link_attempts_complete_create(
        self,
        public_id: str,
        body: models.ProofRequest,
        *,
        key: str | None = None,
    ) -> models.Link:
        """End the link with what the browser brought back to the app."""
        found: models.Link = self.call("POST", f"/api/v1/link-attempts/{public_id}/complete/", body=body, key=key)
        return found

    def links_list(
        self,
        *,
        cursor: str | None = None,
        page_size: int | None = None,
    ) -> models.PaginatedLinkList:
        """The signed-in owner's linked accounts."""
        found: models.PaginatedLinkList = self.call("GET", "/api/v1/links/", query={"cursor": cursor, "page_size": page_size})
        return found

    def links_create(
        self,
        body: models.LinkBeginRequest,
        *,
        key: str | None = None,
    ) -> models.Attempt:
        """Begin a link from an app: a code to type, or a one-time address to open in the system browser.

        The address signs nobody in. The browser comes back to `return_url` with `attempt` and `proof`; send the
        proof
        to `/link-attempts/<attempt>/complete/` from the session that began.
        """
        found: models.Attempt = self.call("POST", "/api/v1/links/", body=body, key=key)
        return found

    def links_begin_create(
        self,
        body: models.LinkBeginRequest,
        *,
        key: str | None = None,
    ) -> models.LinkUrl:
        """Start linking: send the owner's browser, in which they are signed in here, to the answered address."""
        found: models.LinkUrl = self.call("POST", "/api/v1/links/begin/", body=body, key=key)
        return found

    def links_retrieve(
        self,
        public_id: str,
    ) -> models.Link:
        """The signed-in owner's linked accounts."""
        found: models.Link = self.call("GET", f"/api/v1/links/{public_id}/")
        return found

    def links_choose_create(
        self,
        public_id: str,
        body: models.ChooseRequest,
        *,
        key: str | None = None,
    ) -> list[models.Vehicle]:
        """Let cars of the account take part."""
        found: list[models.Vehicle] = self.call("POST", f"/api/v1/links/{public_id}/choose/", body=body, key=key)
        return found

    def links_revoke_create(
        self,
        public_id: str,
        *,
        key: str | None = None,
    ) -> models.Link:
        """Unlink the account; a held car is released first, history stays."""
        found: models.Link = self.call("POST", f"/api/v1/links/{public_id}/revoke/", key=key)
        return found

    def makers_list(
        self,
    ) -> list[models.Maker]:
        """Return the makers on offer."""
        found: list[models.Maker] = self.call("GET", "/api/v1/makers/")
        return found

    def me_retrieve(
        self,
    ) -> models.Me:
        """Return who is signed in."""
        found: models.Me = self.call("GET", "/api/v1/me/")
        return found

    def me_profile_partial_update(
        self,
        body: models.PatchedMeChangeRequest,
        *,
        key: str | None = None,
        if_match: str | None = None,
    ) -> models.Me:
        """Change name, country or time zone."""
        found: models.Me = self.call("PATCH", "/api/v1/me/profile/", body=body, key=key, if_match=if_match)
        return found

    def notices_list(
        self,
        *,
        cursor: str | None = None,
        page_size: int | None = None,
    ) -> models.PaginatedNoticeList:
        """What the signed-in user was told, newest first, and what can be done about it."""
        found: models.PaginatedNoticeList = self.call("GET", "/api/v1/notices/", query={"cursor": cursor, "page_size": page_size})
        return found

    def notices_devices_list(
        self,
        *,
        cursor: str | None = None,
        page_size: int | None = None,
    ) -> models.PaginatedPushDeviceList:
        """The browsers that are told by push."""
        found: models.PaginatedPushDeviceList = self.call("GET", "/api/v1/notices/devices/", query={"cursor": cursor, "page_size": page_size})
        return found

    def notices_devices_create(
        self,
        body: models.PushSubscriptionRequest,
        *,
        key: str | None = None,
    ) -> models.PushDevice:
        """Let a browser be told; subscribing again renews it. Only browsers' own push services are taken."""
        found: models.PushDevice = self.call("POST", "/api/v1/notices/devices/", body=body, key=key)
        return found

    def notices_devices_key_retrieve(
        self,
    ) -> models.PushKey:
        """Return the key with which a browser subscribes."""
        found: models.PushKey = self.call("GET", "/api/v1/notices/devices/key/")
        return found

    def notices_devices_destroy(
        self,
        public_id: str,
        *,
        key: str | None = None,
    ) -> None:
        """The browsers that are told by push."""
        self.call("DELETE", f"/api/v1/notices/devices/{public_id}/", key=key)

    def notices_read_all_create(
        self,
        *,
        key: str | None = None,
    ) -> models.ReadAll:
        """Mark every notice as read."""
        found: models.ReadAll = self.call("POST", "/api/v1/notices/read/", key=key)
        return found

    def notice_settings_retrieve(
        self,
    ) -> models.NoticeSettings:
        """Return quiet hours, the daily e-mail and every switch."""
        found: models.NoticeSettings = self.call("GET", "/api/v1/notices/settings/")
        return found

    def notice_settings_update(
        self,
        body: models.PatchedNoticeSettingsRequest,
        *,
        key: str | None = None,
        if_match: str | None = None,
    ) -> models.NoticeSettings:
        """Change what is given; some notices are always shown in the app, and turning them off there is refused."""
        found: models.NoticeSettings = self.call("PATCH", "/api/v1/notices/settings/change/", body=body, key=key, if_match=if_match)
        return found

    def notices_retrieve(
        self,
        public_id: str,
    ) -> models.Notice:
        """What the signed-in user was told, newest first, and what can be done about it."""
        found: models.Notice = self.call("GET", f"/api/v1/notices/{public_id}/")
        return found

    def notices_act_create(
        self,
        public_id: str,
        body: models.ActRequest,
        *,
        key: str | None = None,
    ) -> models.Notice:
        """Do what the notice offers, once: leave its event out, charge now, or stop e-mails of its kind."""
        found: models.Notice = self.call("POST", f"/api/v1/notices/{public_id}/act/", body=body, key=key)
        return found

    def notices_read_create(
        self,
        public_id: str,
        *,
        key: str | None = None,
    ) -> models.Notice:
        """Mark the notice as read."""
        found: models.Notice = self.call("POST", f"/api/v1/notices/{public_id}/read/", key=key)
        return found

    def onboarding_list(
        self,
    ) -> list[models.OnboardingStep]:
        """Return the steps in order: agree, home, car, wishes and program, payouts. Leaving and resuming is safe."""
        found: list[models.OnboardingStep] = self.call("GET", "/api/v1/onboarding/")
        return found

    def overrides_list(
        self,
        *,
        cursor: str | None = None,
        page_size: int | None = None,
    ) -> models.PaginatedOverrideList:
        """What the owner put over the plans, newest first."""
        found: models.PaginatedOverrideList = self.call("GET", "/api/v1/overrides/", query={"cursor": cursor, "page_size": page_size})
        return found

    def overrides_retrieve(
        self,
        public_id: str,
    ) -> models.Override:
        """What the owner put over the plans, newest first."""
        found: models.Override = self.call("GET", f"/api/v1/overrides/{public_id}/")
        return found

    def overrides_cancel_create(
        self,
        public_id: str,
        *,
        key: str | None = None,
    ) -> models.Override:
        """Take it back, so that plans count again."""
        found: models.Override = self.call("POST", f"/api/v1/overrides/{public_id}/cancel/", key=key)
        return found

    def participations_list(
        self,
        *,
        cursor: str | None = None,
        page_size: int | None = None,
    ) -> models.PaginatedParticipationList:
        """The owner's cars in events, newest first."""
        found: models.PaginatedParticipationList = self.call("GET", "/api/v1/participations/", query={"cursor": cursor, "page_size": page_size})
        return found

    def participations_retrieve(
        self,
        public_id: str,
    ) -> models.Participation:
        """The owner's cars in events, newest first."""
        found: models.Participation = self.call("GET", f"/api/v1/participations/{public_id}/")
        return found

    def participations_opt_in_create(
        self,
        public_id: str,
        *,
        key: str | None = None,
    ) -> models.Participation:
        """Take part after all; possible until it begins."""
        found: models.Participation = self.call("POST", f"/api/v1/participations/{public_id}/opt-in/", key=key)
        return found

    def participations_opt_out_costs_retrieve(
        self,
        public_id: str,
    ) -> models.Leaving:
        """Return what leaving this event out would cost, for every form of pay that it touches."""
        found: models.Leaving = self.call("GET", f"/api/v1/participations/{public_id}/opt-out-costs/")
        return found

    def participations_opt_out_create(
        self,
        public_id: str,
        *,
        key: str | None = None,
    ) -> models.Participation:
        """Leave the car out of this event; possible until it ends."""
        found: models.Participation = self.call("POST", f"/api/v1/participations/{public_id}/opt-out/", key=key)
        return found

    def payout_accounts_list(
        self,
        *,
        cursor: str | None = None,
        page_size: int | None = None,
    ) -> models.PaginatedPayoutAccountList:
        """Where the signed-in owner is paid."""
        found: models.PaginatedPayoutAccountList = self.call("GET", "/api/v1/payout-accounts/", query={"cursor": cursor, "page_size": page_size})
        return found

    def payout_accounts_onboarding_link_create(
        self,
        *,
        key: str | None = None,
    ) -> models.OnboardingLink:
        """Make a single-use page of the payment processor where the owner says who they are and which bank they use."""
        found: models.OnboardingLink = self.call("POST", "/api/v1/payout-accounts/onboarding-link/", key=key)
        return found

    def payout_accounts_retrieve(
        self,
        public_id: str,
    ) -> models.PayoutAccount:
        """Where the signed-in owner is paid."""
        found: models.PayoutAccount = self.call("GET", f"/api/v1/payout-accounts/{public_id}/")
        return found

    def payout_accounts_partial_update(
        self,
        public_id: str,
        body: models.PatchedPayoutSettingsRequest,
        *,
        key: str | None = None,
        if_match: str | None = None,
    ) -> models.PayoutAccount:
        """Choose threshold and rhythm, or pause and resume scheduled payouts."""
        found: models.PayoutAccount = self.call("PATCH", f"/api/v1/payout-accounts/{public_id}/", body=body, key=key, if_match=if_match)
        return found

    def payout_accounts_refresh_create(
        self,
        public_id: str,
        *,
        key: str | None = None,
    ) -> models.PayoutAccount:
        """Ask the payment processor how the account stands."""
        found: models.PayoutAccount = self.call("POST", f"/api/v1/payout-accounts/{public_id}/refresh/", key=key)
        return found

    def payouts_list(
        self,
        *,
        cursor: str | None = None,
        page_size: int | None = None,
    ) -> models.PaginatedPayoutList:
        """The signed-in owner's payouts, newest first."""
        found: models.PaginatedPayoutList = self.call("GET", "/api/v1/payouts/", query={"cursor": cursor, "page_size": page_size})
        return found

    def payouts_pause_retrieve(
        self,
    ) -> models.Pause:
        """Say whether all payouts are paused, why, and what happens next."""
        found: models.Pause = self.call("GET", "/api/v1/payouts/pause/")
        return found

    def payouts_pay_now_create(
        self,
        body: models.PayNowRequest,
        *,
        key: str | None = None,
    ) -> models.Payout:
        """Pay out everything available now, without waiting for threshold or payday."""
        found: models.Payout = self.call("POST", "/api/v1/payouts/pay-now/", body=body, key=key)
        return found

    def payouts_retrieve(
        self,
        public_id: str,
    ) -> models.Payout:
        """The signed-in owner's payouts, newest first."""
        found: models.Payout = self.call("GET", f"/api/v1/payouts/{public_id}/")
        return found

    def plans_list(
        self,
        *,
        cursor: str | None = None,
        page_size: int | None = None,
        vehicle: str | None = None,
    ) -> models.PaginatedPlanList:
        """Plans of the signed-in owner's cars, newest first."""
        found: models.PaginatedPlanList = self.call("GET", "/api/v1/plans/", query={"cursor": cursor, "page_size": page_size, "vehicle": vehicle})
        return found

    def plans_retrieve(
        self,
        public_id: str,
    ) -> models.PlanDetail:
        """Plans of the signed-in owner's cars, newest first."""
        found: models.PlanDetail = self.call("GET", f"/api/v1/plans/{public_id}/")
        return found

    def programs_list(
        self,
        *,
        cursor: str | None = None,
        page_size: int | None = None,
    ) -> models.PaginatedProgramList:
        """Programs that utilities offer."""
        found: models.PaginatedProgramList = self.call("GET", "/api/v1/programs/", query={"cursor": cursor, "page_size": page_size})
        return found

    def programs_open_to_list(
        self,
        *,
        vehicle: str,
    ) -> list[models.ProgramChoice]:
        """Return each program in the owner's country and whether one car may join it, with the reason if not."""
        found: list[models.ProgramChoice] = self.call("GET", "/api/v1/programs/open-to/", query={"vehicle": vehicle})
        return found

    def programs_retrieve(
        self,
        public_id: str,
    ) -> models.Program:
        """Programs that utilities offer."""
        found: models.Program = self.call("GET", f"/api/v1/programs/{public_id}/")
        return found

    def programs_coming_retrieve(
        self,
        public_id: str,
    ) -> models.ComingTerms:
        """Return the program's next version with what it changes; 204 where none is known."""
        found: models.ComingTerms = self.call("GET", f"/api/v1/programs/{public_id}/coming/")
        return found

    def proof_retrieve(
        self,
        *,
        year: int | None = None,
    ) -> dict[str, Any]:
        """Return every settlement's evidence, every transfer and the chain over them; of one year where it is named."""
        found: dict[str, Any] = self.call("GET", "/api/v1/proof/", query={"year": year})
        return found

    def settlements_list(
        self,
        *,
        cursor: str | None = None,
        page_size: int | None = None,
        vehicle: str | None = None,
    ) -> models.PaginatedSettlementList:
        """What the signed-in owner's cars earned, newest first; one settlement opens to its whole sum."""
        found: models.PaginatedSettlementList = self.call("GET", "/api/v1/settlements/", query={"cursor": cursor, "page_size": page_size, "vehicle": vehicle})
        return found

    def settlements_retrieve(
        self,
        public_id: str,
    ) -> models.SettlementDetail:
        """What the signed-in owner's cars earned, newest first; one settlement opens to its whole sum."""
        found: models.SettlementDetail = self.call("GET", f"/api/v1/settlements/{public_id}/")
        return found

    def sites_list(
        self,
        *,
        cursor: str | None = None,
        page_size: int | None = None,
    ) -> models.PaginatedSiteList:
        """The signed-in owner's home; there is at most one."""
        found: models.PaginatedSiteList = self.call("GET", "/api/v1/sites/", query={"cursor": cursor, "page_size": page_size})
        return found

    def sites_create(
        self,
        body: models.HomeRequest,
        *,
        key: str | None = None,
    ) -> models.Site:
        """Keep the owner's home: the first call makes it, later ones change it."""
        found: models.Site = self.call("POST", "/api/v1/sites/", body=body, key=key)
        return found

    def sites_retrieve(
        self,
        public_id: str,
    ) -> models.Site:
        """The signed-in owner's home; there is at most one."""
        found: models.Site = self.call("GET", f"/api/v1/sites/{public_id}/")
        return found

    def statement_list(
        self,
        *,
        cursor: str | None = None,
        page_size: int | None = None,
    ) -> models.PaginatedStatementLineList:
        """Return what came in and what left, each with the balance after it."""
        found: models.PaginatedStatementLineList = self.call("GET", "/api/v1/statement/", query={"cursor": cursor, "page_size": page_size})
        return found

    def tariffs_list(
        self,
        *,
        country: str | None = None,
        cursor: str | None = None,
        page_size: int | None = None,
    ) -> models.PaginatedTariffList:
        """Return the tariffs."""
        found: models.PaginatedTariffList = self.call("GET", "/api/v1/tariffs/", query={"country": country, "cursor": cursor, "page_size": page_size})
        return found

    def tariffs_retrieve(
        self,
        slug: str,
    ) -> models.Tariff:
        """Tariffs that homes can have; `?country=CA` shows one country's."""
        found: models.Tariff = self.call("GET", f"/api/v1/tariffs/{slug}/")
        return found

    def taxes_list(
        self,
    ) -> list[models.TaxMeter]:
        """Return the year's total and threshold, one entry a currency. Information, not tax advice."""
        found: list[models.TaxMeter] = self.call("GET", "/api/v1/taxes/")
        return found

    def tonight_list(
        self,
        *,
        vehicle: str | None = None,
    ) -> list[models.Tonight]:
        """Return each car that takes part: where it stands, what it will do and why, what the grid wants next."""
        found: list[models.Tonight] = self.call("GET", "/api/v1/tonight/", query={"vehicle": vehicle})
        return found

    def utility_disputes_list(
        self,
        *,
        cursor: str | None = None,
        page_size: int | None = None,
    ) -> models.PaginatedDisputeList:
        """Objections of the caller's utility, newest first."""
        found: models.PaginatedDisputeList = self.call("GET", "/api/v1/utility/disputes/", query={"cursor": cursor, "page_size": page_size})
        return found

    def utility_events_list(
        self,
        *,
        cursor: str | None = None,
        page_size: int | None = None,
    ) -> models.PaginatedDeskEventList:
        """Return a page of events."""
        found: models.PaginatedDeskEventList = self.call("GET", "/api/v1/utility/events/", query={"cursor": cursor, "page_size": page_size})
        return found

    def utility_events_retrieve(
        self,
        public_id: str,
    ) -> models.DeskEvidence:
        """Return one event with its quarter hours and cars, as far as the group is large enough."""
        found: models.DeskEvidence = self.call("GET", f"/api/v1/utility/events/{public_id}/")
        return found

    def utility_events_approve_create(
        self,
        public_id: str,
        *,
        key: str | None = None,
    ) -> models.DeskEvent:
        """Let the event's result stand; the owners' credits are paid then."""
        found: models.DeskEvent = self.call("POST", f"/api/v1/utility/events/{public_id}/approve/", key=key)
        return found

    def utility_events_object_create(
        self,
        public_id: str,
        body: models.ObjectionRequest,
        *,
        key: str | None = None,
    ) -> models.Dispute:
        """Object to the event's result, in time and with a reason; nothing is paid until it is resolved."""
        found: models.Dispute = self.call("POST", f"/api/v1/utility/events/{public_id}/object/", body=body, key=key)
        return found

    def utility_invoices_list(
        self,
        *,
        cursor: str | None = None,
        page_size: int | None = None,
    ) -> models.PaginatedInvoiceList:
        """Invoices to the caller's utility, newest first; one opens to its lines."""
        found: models.PaginatedInvoiceList = self.call("GET", "/api/v1/utility/invoices/", query={"cursor": cursor, "page_size": page_size})
        return found

    def utility_invoices_retrieve(
        self,
        public_id: str,
    ) -> models.InvoiceDetail:
        """Invoices to the caller's utility, newest first; one opens to its lines."""
        found: models.InvoiceDetail = self.call("GET", f"/api/v1/utility/invoices/{public_id}/")
        return found

    def utility_nominations_list(
        self,
        *,
        cursor: str | None = None,
        page_size: int | None = None,
    ) -> models.PaginatedNominationList:
        """What the caller's utility's programs were nominated for, newest first."""
        found: models.PaginatedNominationList = self.call("GET", "/api/v1/utility/nominations/", query={"cursor": cursor, "page_size": page_size})
        return found

    def utility_overview_retrieve(
        self,
        *,
        cursor: str | None = None,
        page_size: int | None = None,
    ) -> models.PaginatedDeskOverviewList:
        """Return what the caller's utility could count on, with the age of what it is told from."""
        found: models.PaginatedDeskOverviewList = self.call("GET", "/api/v1/utility/overview/", query={"cursor": cursor, "page_size": page_size})
        return found

    def utility_programs_list(
        self,
        *,
        cursor: str | None = None,
        page_size: int | None = None,
    ) -> models.PaginatedDeskProgramList:
        """The caller's utility's programs."""
        found: models.PaginatedDeskProgramList = self.call("GET", "/api/v1/utility/programs/", query={"cursor": cursor, "page_size": page_size})
        return found

    def utility_programs_retrieve(
        self,
        public_id: str,
    ) -> models.DeskProgram:
        """The caller's utility's programs."""
        found: models.DeskProgram = self.call("GET", f"/api/v1/utility/programs/{public_id}/")
        return found

    def vehicles_list(
        self,
        *,
        cursor: str | None = None,
        page_size: int | None = None,
    ) -> models.PaginatedVehicleList:
        """Return the owner's cars; what a serializer is made of is worked out once, not once a call."""
        found: models.PaginatedVehicleList = self.call("GET", "/api/v1/vehicles/", query={"cursor": cursor, "page_size": page_size})
        return found

    def vehicles_retrieve(
        self,
        public_id: str,
    ) -> models.Vehicle:
        """The signed-in owner's cars, offered or taking part."""
        found: models.Vehicle = self.call("GET", f"/api/v1/vehicles/{public_id}/")
        return found

    def vehicles_bill_list(
        self,
        public_id: str,
    ) -> list[models.Bill]:
        """What our asking cost the car, and us: this month and the two before."""
        found: list[models.Bill] = self.call("GET", f"/api/v1/vehicles/{public_id}/bill/")
        return found

    def vehicles_charge_now_create(
        self,
        public_id: str,
        *,
        key: str | None = None,
    ) -> models.Override:
        """Charge at once, whatever plan or event says."""
        found: models.Override = self.call("POST", f"/api/v1/vehicles/{public_id}/charge-now/", key=key)
        return found

    def vehicles_control_create(
        self,
        public_id: str,
        *,
        key: str | None = None,
    ) -> models.Vehicle:
        """Steer the car from here, once no other link that works does."""
        found: models.Vehicle = self.call("POST", f"/api/v1/vehicles/{public_id}/control/", key=key)
        return found

    def vehicles_home_here_create(
        self,
        public_id: str,
        *,
        key: str | None = None,
    ) -> None:
        """Make the place where the car stands the owner's home. The place itself is never shown."""
        self.call("POST", f"/api/v1/vehicles/{public_id}/home-here/", key=key)

    def vehicles_pause_update(
        self,
        public_id: str,
        body: models.PauseRequest,
        *,
        key: str | None = None,
        if_match: str | None = None,
    ) -> models.Preference:
        """Pause the car, or let it take part again."""
        found: models.Preference = self.call("PUT", f"/api/v1/vehicles/{public_id}/pause/", body=body, key=key, if_match=if_match)
        return found

    def vehicles_preference_retrieve(
        self,
        public_id: str,
    ) -> models.Preference:
        """Read or replace what the owner wants of the car."""
        found: models.Preference = self.call("GET", f"/api/v1/vehicles/{public_id}/preference/")
        return found

    def vehicles_preference_update(
        self,
        public_id: str,
        body: models.PreferenceRequest,
        *,
        key: str | None = None,
        if_match: str | None = None,
    ) -> models.Preference:
        """Read or replace what the owner wants of the car."""
        found: models.Preference = self.call("PUT", f"/api/v1/vehicles/{public_id}/preference/", body=body, key=key, if_match=if_match)
        return found

    def vehicles_skip_create(
        self,
        public_id: str,
        body: models.SkipRequest,
        *,
        key: str | None = None,
    ) -> models.Override:
        """Leave the car alone: until it leaves, or `until` a time within 90 days."""
        found: models.Override = self.call("POST", f"/api/v1/vehicles/{public_id}/skip/", body=body, key=key)
        return found

    def vehicles_specs_update(
        self,
        public_id: str,
        body: models.SpecsRequest,
        *,
        key: str | None = None,
        if_match: str | None = None,
    ) -> models.Vehicle:
        """Say what battery and charging power the car has."""
        found: models.Vehicle = self.call("PUT", f"/api/v1/vehicles/{public_id}/specs/", body=body, key=key, if_match=if_match)
        return found

    def vehicles_steering_retrieve(
        self,
        public_id: str,
    ) -> models.Steering:
        """Who else steers the car, and what keeps it from giving energy back."""
        found: models.Steering = self.call("GET", f"/api/v1/vehicles/{public_id}/steering/")
        return found

    def worth_list(
        self,
    ) -> list[models.Worth]:
        """Return one estimate, or none without finished stays at home."""
        found: list[models.Worth] = self.call("GET", "/api/v1/worth/")
        return found
