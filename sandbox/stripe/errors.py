"""What the stand-in answers when it refuses, in Stripe's shapes (https://docs.stripe.com/api/errors)."""

from typing import Any


class StripeError(Exception):
    """A refusal: an HTTP status and what stands in the body's `error`."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        code: str = "",
        param: str = "",
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.kind = kind
        self.code = code
        self.param = param
        self.headers = headers or {}

    def body(self, *, is_v2: bool) -> dict[str, Any]:
        """Return the JSON body: v1 names the parameter, v2 always has a code."""
        error: dict[str, Any] = {"message": self.message, "type": self.kind}
        if self.code or is_v2:
            error["code"] = self.code or self.kind
        if self.code:
            error["doc_url"] = f"https://docs.stripe.com/error-codes#{self.code.replace('_', '-')}"
        if self.param and not is_v2:
            error["param"] = self.param
        return {"error": error}


def missing(what: str, object_id: str, *, param: str, is_v2: bool = False) -> StripeError:
    """Return the refusal for an id that names nothing the caller may see; 404 in a path, 400 in a parameter."""
    if is_v2:
        return StripeError(f"{what} {object_id!r} does not exist.", status=404, code="not_found")
    status = 404 if param == "id" else 400
    return StripeError(f"No such {what}: '{object_id}'", status=status, code="resource_missing", param=param)


def insufficient_balance() -> StripeError:
    """Return the refusal of a movement that the balance does not cover."""
    return StripeError(
        "You have insufficient available funds in your Stripe account. "
        "One option is to add funds to your available balance with a top-up.",
        code="balance_insufficient",
    )
