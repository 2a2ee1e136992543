"""One try of a delivery: its body is rendered now, signed, sent, and its result recorded. Read `deliver` from top to bottom."""

import time
from collections.abc import Callable, Mapping

import structlog
from msgspec import Struct

from imgen.domain.errors import JobNotFound, NoAnswer, TenantClosed, UnreadableRow, UnsafeUrl
from imgen.domain.job import Job
from imgen.domain.webhook import (
    GONE,
    REDIRECTS,
    TEST_EVENT,
    THROTTLED,
    Attempt,
    Delivery,
    DeliveryState,
    Endpoint,
    Secrets,
    pause_s,
    retry_after_of,
)
from imgen.outgoing.client import Answer, OutgoingClient
from imgen.records import jobs, webhook_outbox, webhooks
from imgen.services.core import Core
from imgen.services.webhooks.body import make_body
from imgen.services.webhooks.signing import signed_headers
from imgen.services.webhooks.throttle import Throttle

log = structlog.get_logger(__name__)

UNREADABLE_PAUSE_S = 60
"""Pause of a delivery whose job a newer version wrote, for a dispatcher of that version."""
Forms = Mapping[str, Callable[[Core, Job], Struct]]
"""Surface of a job → function that makes the answer to a poll of it, with its id; an empty name: that of all others."""


class Receiver(Struct, frozen=True, kw_only=True):
    """Address of a delivery."""

    url: str
    secrets: Secrets
    endpoint: Endpoint | None
    """None: the address is the job's own."""


class Sender:
    """Sender of deliveries, in one dispatcher."""

    def __init__(self, core: Core, client: OutgoingClient, forms: Forms) -> None:
        self._core = core
        self._client = client
        self._forms = forms
        self.throttle = Throttle()

    async def deliver(self, delivery: Delivery) -> None:
        """Makes one try of a claimed delivery, and records its result.

        Raises:
            Retryable: the database does not answer; the claim runs out, and the delivery is tried again.
        """
        database, pauses_s = self._core.database, self._core.settings.webhooks.retry_pauses_s
        if delivery.attempts > len(pauses_s) + 1:  # the last try ended with its process
            return await self._end(delivery, DeliveryState.DEAD, "The last try came to no end")
        try:
            receiver = await self._receiver(delivery)
            if receiver is None:
                return await self._end(delivery, DeliveryState.CANCELLED, "The endpoint was removed")
            if receiver.endpoint is not None and not receiver.endpoint.enabled and delivery.event != TEST_EVENT:
                return await self._end(delivery, DeliveryState.DEAD, receiver.endpoint.reason)
            body = await self._body(delivery)
        except (JobNotFound, TenantClosed) as exc:
            gone = "tenant" if isinstance(exc, TenantClosed) else "job"
            return await self._end(delivery, DeliveryState.CANCELLED, f"The {gone} was deleted")
        except UnreadableRow:
            return await database.writing(webhook_outbox.put_back, delivery, pause_s=UNREADABLE_PAUSE_S)
        attempt, retry_after_s = await self._try(delivery, receiver, body)
        state, pause, switch_off = self._consequence(delivery, receiver, attempt, retry_after_s)
        await database.writing(
            webhook_outbox.settle, delivery, attempt, state=state, pause_s=pause, switch_off=switch_off
        )
        self._tell(delivery, attempt, state, switch_off)
        return None

    async def _receiver(self, delivery: Delivery) -> Receiver | None:
        """Returns the address as it is now; None: its endpoint was removed."""
        database = self._core.database
        if not delivery.endpoint_id:
            secrets = await database.writing(webhooks.tenant_secrets, delivery.tenant_id)
            return Receiver(url=delivery.url, secrets=secrets, endpoint=None)
        endpoint = await database.reading(webhooks.find_endpoint, delivery.endpoint_id)
        if endpoint is None:
            return None
        return Receiver(url=endpoint.url, secrets=endpoint.secrets, endpoint=endpoint)

    async def _body(self, delivery: Delivery) -> bytes:
        """Renders the body anew, with fresh URLs.

        Raises:
            JobNotFound, UnreadableRow: see `jobs.find`.
        """
        if delivery.event == TEST_EVENT:
            return make_body(delivery.event, delivery.created_at, {"id": delivery.id})
        job = await self._core.database.reading(jobs.find, delivery.job_id, tenant_id=delivery.tenant_id)
        form = self._forms.get(job.surface) or self._forms[""]
        return make_body(delivery.event, delivery.created_at, form(self._core, job))

    async def _try(self, delivery: Delivery, receiver: Receiver, body: bytes) -> tuple[Attempt, float | None]:
        """Sends the body; returns the try and the pause that the receiver asked for."""
        now, started = self._core.clock(), time.monotonic()
        headers = signed_headers(receiver.secrets, delivery.id, body, now=now)
        answer, reason = Answer(0, {}), ""
        try:
            answer = await self._client.post(receiver.url, headers, body)
        except (UnsafeUrl, NoAnswer) as exc:
            reason = str(exc)
        if answer.status in REDIRECTS:
            reason = "A redirect is not followed"
        attempt = Attempt(
            at=now, duration_s=round(time.monotonic() - started, 3), status=answer.status or None, reason=reason
        )
        retry_after_s = retry_after_of(answer.headers.get("retry-after", ""), now=now)
        if attempt.is_success:
            self.throttle.recover(delivery.target)
        elif answer.status in THROTTLED:
            self.throttle.slow_down(delivery.target, now=now, asked_s=retry_after_s)
        return attempt, retry_after_s

    def _consequence(
        self, delivery: Delivery, receiver: Receiver, attempt: Attempt, retry_after_s: float | None
    ) -> tuple[DeliveryState, float, str]:
        """Returns the delivery's new state, the pause before its next try, and the reason to switch its endpoint off."""
        if attempt.is_success:
            return DeliveryState.DELIVERED, 0, ""
        endpoint = receiver.endpoint
        if delivery.event == TEST_EVENT:
            return DeliveryState.DEAD, 0, ""
        if attempt.status == GONE:
            return DeliveryState.DEAD, 0, "The receiver answered 410 Gone" if endpoint else ""
        pause = pause_s(
            self._core.settings.webhooks.retry_pauses_s,
            delivery.attempts,
            jitter=self._core.rng.random(),
            retry_after_s=retry_after_s,
        )
        if pause is not None:
            return DeliveryState.WAITING, pause, ""
        took_others = endpoint is not None and (endpoint.delivered_at or 0) > delivery.created_at
        is_off = endpoint is not None and not took_others
        reason = f"It took none of {delivery.attempts} tries of a message, and nothing since"
        return DeliveryState.DEAD, 0, reason if is_off else ""

    async def _end(self, delivery: Delivery, state: DeliveryState, reason: str) -> None:
        await self._core.database.writing(webhook_outbox.end, delivery, state, reason)
        log.info("webhook ended without a try", delivery=delivery.id, state=state.value, reason=reason)

    def _tell(self, delivery: Delivery, attempt: Attempt, state: DeliveryState, switch_off: str) -> None:
        """Logs the result, without the address: its path may be a secret of the receiver."""
        facts = {
            "delivery": delivery.id,
            "tenant": delivery.tenant_id,
            "endpoint": delivery.endpoint_id,
            "status": attempt.status,
            "reason": attempt.reason,
            "seconds": attempt.duration_s,
        }
        if state is DeliveryState.DEAD:
            log.warning("webhook given up", attempts=delivery.attempts, **facts)
        else:
            log.info("webhook tried", state=state.value, attempts=delivery.attempts, **facts)
        if switch_off:
            log.warning("webhook endpoint switched off", endpoint=delivery.endpoint_id, reason=switch_off)
