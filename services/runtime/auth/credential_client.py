"""API keys and what has been revoked, as the registry tells it over gRPC."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncGenerator, Sequence

import grpc

from services.runtime.auth import api_keys
from services.runtime.auth.credentials import Answer, Event, Kind, Verdict
from services.runtime.auth.refusals import unknown_now
from services.runtime.auth.service_tokens import ServiceTokens
from services.runtime.backoff import retry
from services.runtime.context import Caller, Credential
from services.runtime.errors import StudioError
from services.runtime.service_client import open_channel
from services.runtime.statuses import from_other_service
from studio.options.v1 import errors_pb2 as reasons
from studio.registry.v1 import credential_service_pb2 as messages
from studio.registry.v1.credential_service_pb2_grpc import CredentialServiceStub

TIMEOUT_S = 2.0
"""One try; a registry that does not answer so long is not asked again for this call."""

_VERDICTS = {
    messages.ResolveApiKeyResponse.VERDICT_VALID: Verdict.VALID,
    messages.ResolveApiKeyResponse.VERDICT_REVOKED: Verdict.REVOKED,
    messages.ResolveApiKeyResponse.VERDICT_EXPIRED: Verdict.EXPIRED,
}
_KINDS = {
    messages.WatchCredentialsResponse.KIND_ENDED: Kind.ENDED,
    messages.WatchCredentialsResponse.KIND_SYNCED: Kind.SYNCED,
}
# What gRPC itself says when nobody answers; a reason of the registry's own is passed on.
_AWAY = (reasons.ERROR_REASON_SERVICE_UNAVAILABLE, reasons.ERROR_REASON_DEADLINE_EXCEEDED)


class RegistryCredentials:
    """A `Source`.

    Args:
        address: gRPC address of the registry.
        tokens: this service's tokens.
    """

    def __init__(self, address: str, tokens: ServiceTokens) -> None:
        self._channel = open_channel(address, tokens)
        self._stub = CredentialServiceStub(self._channel)

    async def resolve(self, key_id: str, secret_digest: bytes) -> Answer:
        """What a key is worth."""
        request = messages.ResolveApiKeyRequest(id=key_id, secret_digest=secret_digest)

        async def once() -> messages.ResolveApiKeyResponse:
            return await self._stub.ResolveApiKey(request, timeout=TIMEOUT_S)

        try:
            found = await retry(once, when=_is_refused)
        except grpc.aio.AioRpcError as error:
            raise _failure(error) from error
        verdict = _VERDICTS.get(found.verdict, Verdict.UNKNOWN)
        return Answer(verdict, _caller(key_id, found) if verdict is Verdict.VALID else None)

    async def watch(self, known: Sequence[str]) -> AsyncGenerator[Event, None]:
        """What ends."""
        stream = self._stub.WatchCredentials(messages.WatchCredentialsRequest(known_keys=known))
        try:
            while True:
                event = await stream.read()
                if not isinstance(event, messages.WatchCredentialsResponse):
                    return
                yield Event(_KINDS.get(event.kind, Kind.HEARTBEAT), event.id, event.forget_after_s)
        except grpc.aio.AioRpcError as error:
            raise _failure(error) from error
        finally:
            stream.cancel()

    async def note_use(self, key_ids: Sequence[str]) -> None:
        """Notes that these keys have been used."""
        try:
            await self._stub.NoteApiKeyUse(messages.NoteApiKeyUseRequest(ids=key_ids), timeout=TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            raise _failure(error) from error

    async def aclose(self) -> None:
        """Closes the channel to the registry."""
        await self._channel.close()


def _caller(key_id: str, found: messages.ResolveApiKeyResponse) -> Caller:
    caller = Caller(
        subject=f"{api_keys.SUBJECT_PREFIX}{key_id}",
        role=found.role,
        projects=None if found.all_projects else frozenset(found.project_refs),
        credential=Credential.API_KEY,
        credential_id=key_id,
    )
    if not found.HasField("expires_at"):
        return caller
    return dataclasses.replace(caller, expires_at=found.expires_at.seconds + found.expires_at.nanos / 1e9)


def _failure(error: grpc.aio.AioRpcError) -> StudioError:
    found = from_other_service(error)
    if found.reason not in _AWAY:
        return found
    return unknown_now("The registry can't be reached, and this API key has not been used here before.")


def _is_refused(error: BaseException) -> bool:
    return isinstance(error, grpc.aio.AioRpcError) and error.code() is grpc.StatusCode.UNAVAILABLE
