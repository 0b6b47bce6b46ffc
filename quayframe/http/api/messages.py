"""Messages of the operators to everybody."""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict

from quayframe.errors import InvalidRequest

from . import needs
from .operation import Body, Call, Resource, operation


class NewMessage(Body):
    content: str
    media_type: Literal["text/plain", "text/markdown"]
    severity: Literal["info", "warning", "error"]


class MessageBody(Body):
    message: NewMessage | None = None


class MessageView(TypedDict):
    uuid: str
    content: str
    severity: str
    media_type: str


class MessageList(TypedDict):
    messages: list[MessageView]


class Messages(Resource):
    path = "/api/v1/messages"

    @operation("getGlobalMessages", "globalmessages", needs.ANYONE, answer=MessageList)
    def get(self, call: Call) -> MessageList:
        """The operators' messages to everybody."""
        return {
            "messages": [
                {"uuid": m.uuid, "content": m.content, "severity": m.severity, "media_type": m.media_type}
                for m in call.registry.tenancy.messages.all()
            ]
        }

    @operation(
        "createGlobalMessage",
        "globalmessages",
        needs.SUPERUSER,
        scopes=("super:user",),
        body=MessageBody,
        status=201,
        fresh=True,
    )
    def post(self, call: Call) -> None:
        """Tells everybody something."""
        message: NewMessage | None = call.body.message
        if message is None:
            raise InvalidRequest("'message' is a required property")
        call.registry.tenancy.messages.create(
            call.principal, message.content, message.media_type, message.severity
        )


class Message(Resource):
    path = "/api/v1/message/{uuid}"

    @operation(
        "deleteGlobalMessage",
        "globalmessages",
        needs.SUPERUSER,
        scopes=("super:user",),
        status=204,
        feature="FEATURE_SUPER_USERS",
        fresh=True,
    )
    def delete(self, call: Call, uuid: str) -> None:
        """Takes a message back."""
        call.registry.tenancy.messages.delete(call.principal, uuid)


RESOURCES = (Messages, Message)
