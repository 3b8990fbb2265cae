"""`studio.registry.v1.ApiKeyService`, `SessionService`, and for services `CredentialService`."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import grpc
from google.protobuf.empty_pb2 import Empty
from google.protobuf.timestamp_pb2 import Timestamp

from services.registry.credentials.keys import ApiKeys, Wanted
from services.registry.credentials.sessions import Opened, Sessions
from services.registry.credentials.source import StoredCredentials
from services.registry.credentials.store import ApiKey
from services.runtime import context as call
from services.runtime.auth import api_keys, identity, sessions
from services.runtime.auth.claims import STUDIO_ROLES
from services.runtime.auth.credentials import Kind, Verdict
from services.runtime.context import Caller
from services.runtime.errors import StudioError
from studio.options.v1.errors_pb2 import ERROR_REASON_AUTH_REQUIRED
from studio.registry.v1 import api_key_service_pb2 as keys_pb
from studio.registry.v1 import credential_service_pb2 as credentials_pb
from studio.registry.v1 import session_service_pb2 as sessions_pb
from studio.registry.v1.api_key_service_pb2_grpc import ApiKeyServiceServicer
from studio.registry.v1.credential_service_pb2_grpc import CredentialServiceServicer
from studio.registry.v1.session_service_pb2_grpc import SessionServiceServicer

SET_COOKIE = "set-cookie"

Context = grpc.aio.ServicerContext[Any, Any]

_ROLE_NAMES = {role: name for name, role in STUDIO_ROLES.items()}
_VERDICTS = {
    Verdict.VALID: credentials_pb.ResolveApiKeyResponse.VERDICT_VALID,
    Verdict.UNKNOWN: credentials_pb.ResolveApiKeyResponse.VERDICT_UNKNOWN,
    Verdict.REVOKED: credentials_pb.ResolveApiKeyResponse.VERDICT_REVOKED,
    Verdict.EXPIRED: credentials_pb.ResolveApiKeyResponse.VERDICT_EXPIRED,
}
_KINDS = {
    Kind.ENDED: credentials_pb.WatchCredentialsResponse.KIND_ENDED,
    Kind.SYNCED: credentials_pb.WatchCredentialsResponse.KIND_SYNCED,
    Kind.HEARTBEAT: credentials_pb.WatchCredentialsResponse.KIND_HEARTBEAT,
}


class ApiKeyHandler(ApiKeyServiceServicer):
    """Answers owners.

    Args:
        keys: issues and revokes.
    """

    def __init__(self, keys: ApiKeys) -> None:
        self._keys = keys

    async def ListApiKeys(  # noqa: N802  the rpc's name
        self,
        request: keys_pb.ListApiKeysRequest,
        context: Context,  # noqa: ARG002
    ) -> keys_pb.ListApiKeysResponse:
        """A page of keys."""
        found, next_token = await self._keys.list(_caller(), request.page_size, request.page_token)
        return keys_pb.ListApiKeysResponse(
            api_keys=[_to_message(each) for each in found], next_page_token=next_token
        )

    async def CreateApiKey(  # noqa: N802  the rpc's name
        self,
        request: keys_pb.CreateApiKeyRequest,
        context: Context,  # noqa: ARG002
    ) -> keys_pb.CreateApiKeyResponse:
        """Issues a key."""
        expires_at = request.expires_at.ToDatetime(UTC) if request.HasField("expires_at") else None
        wanted = Wanted(request.name, request.role, tuple(request.project_refs), expires_at)
        stored, text = await self._keys.create(_caller(), wanted)
        return keys_pb.CreateApiKeyResponse(api_key=_to_message(stored), key=text)

    async def GetApiKey(  # noqa: N802  the rpc's name
        self,
        request: keys_pb.GetApiKeyRequest,
        context: Context,  # noqa: ARG002
    ) -> keys_pb.ApiKey:
        """One key."""
        return _to_message(await self._keys.get(_caller(), request.id))

    async def RevokeApiKey(  # noqa: N802  the rpc's name
        self,
        request: keys_pb.RevokeApiKeyRequest,
        context: Context,  # noqa: ARG002
    ) -> Empty:
        """Revokes a key."""
        await self._keys.revoke(_caller(), request.id)
        return Empty()


class SessionHandler(SessionServiceServicer):
    """Answers browsers.

    Args:
        opened: the sessions.
    """

    def __init__(self, opened: Sessions) -> None:
        self._sessions = opened

    async def CreateSession(  # noqa: N802  the rpc's name
        self,
        request: sessions_pb.CreateSessionRequest,  # noqa: ARG002
        context: Context,
    ) -> sessions_pb.Session:
        """Signs in."""
        return await _answered(await self._sessions.open(_caller()), context)

    async def GetSession(  # noqa: N802  the rpc's name
        self,
        request: sessions_pb.GetSessionRequest,  # noqa: ARG002
        context: Context,
    ) -> sessions_pb.Session:
        """Shows the session."""
        caller = _caller()
        csrf_token = self._sessions.csrf_token(caller)
        cookie = sessions.in_cookies(_headers(context).get("cookie", ""))
        return _session(Opened(caller, csrf_token, cookie, self._sessions.cookie_ends(cookie)))

    async def RenewSession(  # noqa: N802  the rpc's name
        self,
        request: sessions_pb.RenewSessionRequest,  # noqa: ARG002
        context: Context,
    ) -> sessions_pb.Session:
        """Sets the cookie anew."""
        return await _answered(self._sessions.renew(_caller()), context)

    async def DeleteSession(  # noqa: N802  the rpc's name
        self,
        request: sessions_pb.DeleteSessionRequest,  # noqa: ARG002
        context: Context,
    ) -> Empty:
        """Signs out."""
        await self._sessions.end(_caller())
        # Both: which of them the browser has, it has said to nobody who could tell for sure.
        await context.send_initial_metadata(
            tuple((SET_COOKIE, sessions.set_cookie("", 0, secure=secure)) for secure in (True, False))
        )
        return Empty()


class CredentialHandler(CredentialServiceServicer):
    """Answers services.

    Args:
        source: knows keys, and what ends.
    """

    def __init__(self, source: StoredCredentials) -> None:
        self._source = source

    async def ResolveApiKey(  # noqa: N802  the rpc's name
        self,
        request: credentials_pb.ResolveApiKeyRequest,
        context: Context,  # noqa: ARG002
    ) -> credentials_pb.ResolveApiKeyResponse:
        """What a key is worth."""
        found = await self._source.resolve(request.id, request.secret_digest)
        answer = credentials_pb.ResolveApiKeyResponse(verdict=_VERDICTS[found.verdict])
        if found.caller is not None:
            answer.role = found.caller.role
            answer.all_projects = found.caller.projects is None
            answer.project_refs.extend(sorted(found.caller.projects or ()))
            if found.caller.expires_at != float("inf"):
                answer.expires_at.CopyFrom(_timestamp(found.caller.expires_at))
        return answer

    async def WatchCredentials(  # noqa: N802  the rpc's name
        self,
        request: credentials_pb.WatchCredentialsRequest,
        context: Context,  # noqa: ARG002
    ) -> AsyncIterator[credentials_pb.WatchCredentialsResponse]:
        """What ends."""
        async for event in self._source.watch(request.known_keys):
            yield credentials_pb.WatchCredentialsResponse(
                kind=_KINDS[event.kind], id=event.id, forget_after_s=event.forget_after_s
            )

    async def NoteApiKeyUse(  # noqa: N802  the rpc's name
        self,
        request: credentials_pb.NoteApiKeyUseRequest,
        context: Context,  # noqa: ARG002
    ) -> Empty:
        """Notes that keys have been used."""
        await self._source.note_use(request.ids)
        return Empty()


def _caller() -> Caller:
    caller = call.caller.get()
    if caller is None:
        raise StudioError(ERROR_REASON_AUTH_REQUIRED, "The call has no caller.")
    return caller


async def _answered(opened: Opened, context: Context) -> sessions_pb.Session:
    secure = identity.is_over_https(_headers(context))
    max_age_s = max(0, int(opened.expires_at - time.time()))
    cookie = sessions.set_cookie(opened.cookie, max_age_s, secure=secure)
    await context.send_initial_metadata(((SET_COOKIE, cookie),))
    return _session(opened)


def _headers(context: Context) -> dict[str, str]:
    return identity.read_headers(call.headers_of(context))


def _session(opened: Opened) -> sessions_pb.Session:
    caller = opened.caller
    return sessions_pb.Session(
        subject=caller.subject,
        role=_ROLE_NAMES.get(caller.role, "none"),
        projects=sorted(caller.projects or ()),
        all_projects=caller.projects is None,
        expires_at=_timestamp(opened.expires_at),
        ends_at=_timestamp(caller.expires_at),
        csrf_token=opened.csrf_token,
    )


def _to_message(key: ApiKey) -> keys_pb.ApiKey:
    message = keys_pb.ApiKey(
        id=key.id,
        name=key.name,
        role=key.role,
        project_refs=key.project_refs or (),
        subject=f"{api_keys.SUBJECT_PREFIX}{key.id}",
        created_by=key.created_by,
    )
    for name in ("created_at", "expires_at", "last_used_at", "revoked_at"):
        moment: datetime | None = getattr(key, name)
        if moment is not None:
            getattr(message, name).FromDatetime(moment)
    return message


def _timestamp(seconds: float) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(datetime.fromtimestamp(seconds, UTC))
    return stamp
