"""`studio.redis.v1.ConsoleService`: lines to words, answers to messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from services.redis_svc.console.bounds import BOUNDS
from services.redis_svc.console.facts import Descriptions
from services.redis_svc.console.policy import judge
from services.redis_svc.console.quoting import QuotingError, split
from services.redis_svc.console.resp import Kind, Node
from services.redis_svc.console.run import Console, Request, role_name
from services.redis_svc.console.wire import Answer
from services.redis_svc.handlers import blobs
from services.runtime import context as call
from services.runtime.access import current_role
from services.runtime.databases import is_read_only
from services.runtime.errors import StudioError, invalid_argument
from studio.options.v1 import errors_pb2 as e
from studio.redis.v1 import console_service_pb2 as pb
from studio.redis.v1.console_service_pb2_grpc import ConsoleServiceServicer

if TYPE_CHECKING:
    import grpc

    from services.redis_svc.handlers.databases import Databases

    Context = grpc.aio.ServicerContext[Any, Any]

_LISTS = frozenset({Kind.LIST, Kind.SET, Kind.MAP})


class ConsoleHandler(ConsoleServiceServicer):
    """The service.

    Args:
        databases: gives the clients.
        console: runs commands.
    """

    def __init__(self, databases: Databases, console: Console) -> None:
        self._databases = databases
        self._console = console
        self._descriptions = Descriptions()

    async def RunCommands(self, request: pb.RunCommandsRequest, context: Context) -> pb.RunCommandsResponse:  # noqa: N802  the rpc
        """Runs commands."""
        del context
        commands = _commands(request.commands)
        connection = await self._databases.connection(request.database_id)
        async with await self._databases.client(request.database_id) as client:
            answers = await self._console.run(
                client,
                Request(
                    database_id=request.database_id,
                    commands=commands,
                    caller=call.current_caller().subject,
                    role=current_role(),
                    read_only=is_read_only(connection.config),
                    confirmation=request.confirmation,
                ),
                time_left_s=call.remaining_s(BOUNDS.call_s),
            )
        return pb.RunCommandsResponse(replies=map(_reply, answers))

    async def DescribeCommands(  # noqa: N802  the rpc
        self, request: pb.DescribeCommandsRequest, context: Context
    ) -> pb.DescribeCommandsResponse:
        """What there is to run."""
        del context
        async with await self._databases.client(request.database_id) as client:
            descriptions = await self._descriptions.of(client)
        response = pb.DescribeCommandsResponse()
        for each in descriptions:
            verdict = judge(each.fact)
            response.commands.add(
                name=verdict.name,
                arity=each.fact.arity,
                flags=sorted(each.fact.flags),
                role="" if verdict.refused else role_name(verdict.rule.role),
                confirmation=not verdict.refused and verdict.rule.confirmation,
                refused=verdict.refused,
                summary=each.summary,
                group=each.group,
            )
        return response


def _commands(commands: Sequence[pb.Command]) -> list[list[bytes]]:
    found = [_words(command, f"commands[{at}]") for at, command in enumerate(commands)]
    size = sum(len(word) for words in found for word in words)
    if size > BOUNDS.request_bytes:
        raise StudioError(
            e.ERROR_REASON_PAYLOAD_TOO_LARGE,
            f"The commands have {size} bytes; {BOUNDS.request_bytes} are the most of one call.",
        )
    return found


def _words(command: pb.Command, field: str) -> list[bytes]:
    if command.line and command.arguments:
        raise invalid_argument(field, "give `line` or `arguments`, not both")
    try:
        words = split(command.line.encode()) or blobs.all_bytes(command.arguments, f"{field}.arguments")
    except QuotingError as error:
        raise invalid_argument(f"{field}.line", str(error)) from None
    if not words:
        raise invalid_argument(field, "must hold a command")
    return words


def _reply(answer: Answer) -> pb.CommandReply:
    return pb.CommandReply(
        reply=_node(answer.node), duration_ms=answer.after_s * 1000, truncated=answer.truncated
    )


def _node(node: Node) -> pb.Reply:
    fields: dict[str, Any]
    if node.kind in _LISTS:
        fields = {node.kind.value: pb.ReplyList(items=map(_node, node.items))}
    elif node.kind is Kind.BULK:
        fields = {"bulk": blobs.to_blob(node.content, node.full_length)}
    elif node.kind is Kind.NULL:
        fields = {"null": True}
    elif node.kind is Kind.BOOLEAN:
        fields = {"boolean": node.content == b"t"}
    else:
        fields = {node.kind.value: node.content.decode("utf-8", "backslashreplace")}
    return pb.Reply(**fields)
