"""What owners are told of their money, and a utility's people of theirs."""

from django.utils.translation import gettext_lazy as _

from accounts.notice_kinds.base import DESK, MONEY, Kind, NoticeText

KINDS: dict[str, Kind] = {
    "settlement_posted": Kind(
        _("You earned something"),
        NoticeText(
            _("You earned {amount}"),
            _(
                "For the event of {starts_at}, {energy} is credited to your car. The earnings page shows how it was "
                "worked out."
            ),
        ),
        MONEY,
        path="/earnings/",
    ),
    "payout_sent": Kind(
        _("A payout is on its way"),
        NoticeText(_("{amount} is on its way to your bank"), _("It usually arrives within two working days.")),
        MONEY,
        path="/payouts/",
        pushes=True,
    ),
    "payout_cancelled": Kind(
        _("A payout could not be made"),
        NoticeText(
            _("Your payout of {amount} could not be made"),
            _(
                "The payment processor did not accept it. The money is back in your balance. Please look at your "
                "payout details; we try again on the next payday."
            ),
        ),
        MONEY,
        path="/payouts/",
        pushes=True,
        is_locked=True,
    ),
    "payout_failed": Kind(
        _("Your bank sent a payout back"),
        NoticeText(
            _("Your bank sent {amount} back"),
            _("The money is safe. Please check your bank details; we try again after that."),
        ),
        MONEY,
        path="/payouts/",
        pushes=True,
        is_locked=True,
    ),
    "utility_result": Kind(
        _("A result of an event is there"),
        NoticeText(
            _("{program}: the result of {starts_at} is there"),
            _("The cars together come to {amount}. You may approve it or object until {objection_ends_at}."),
        ),
        DESK,
        path="/desk/",
        is_locked=True,
    ),
    "utility_dispute": Kind(
        _("An objection is resolved"),
        NoticeText(_("Your objection about {starts_at} is resolved"), _("What was found: {resolution}")),
        DESK,
        path="/desk/",
        is_locked=True,
        variants={
            "upheld": NoticeText(
                _("Your objection about {starts_at} is upheld"),
                _("The result was worked out anew and waits for your review. What was found: {resolution}"),
            ),
            "rejected": NoticeText(
                _("Your objection about {starts_at} is rejected"),
                _("The result stands. What was found: {resolution}"),
            ),
        },
    ),
    "utility_invoice": Kind(
        _("An invoice is there"),
        NoticeText(_("Invoice {number}: {amount}"), _("It stands at your desk with its evidence.")),
        DESK,
        path="/desk/",
        is_locked=True,
    ),
}
