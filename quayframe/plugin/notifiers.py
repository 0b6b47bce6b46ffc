"""The contract of notifiers: how a message about an event reaches somebody."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from pydantic import BaseModel

from .provider import NoConfig, Provider

Level = Literal["primary", "info", "success", "warning", "error"]


class Undeliverable(Exception):
    """This message will never arrive by these options; it is not tried again. The text goes to the log."""


class InvalidOptions(Exception):
    """These options cannot work. The text is shown to whoever wrote them."""


@dataclass(frozen=True)
class Message:
    """What is to be said.

    `id` is the same in every try of one delivery, so that a receiver can drop repetitions. `event` is the
    notification's event (`repo_push`), `summary` one line of plain text, `html` the message as HTML,
    `payload` the JSON object that webhooks carry. `repository` is without its namespace, None for an
    event of a namespace. `homepage` is a URL of the console.
    """

    id: str
    event: str
    level: Level
    namespace: str
    repository: str | None
    summary: str
    html: str
    homepage: str | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)


class Notifier(Provider):
    """Delivers messages by one method. Called in the worker, outside of transactions.

    `options` is always an instance of the class's model `Options`.
    """

    kind = "notifier"

    Options: ClassVar[type[BaseModel]] = NoConfig
    """What a user fills in for one notification, over the API or in the console."""

    @abstractmethod
    def send(self, message: Message, options: BaseModel) -> None:
        """Delivers; returning means that the receiver has it. Bounded in time by the notifier itself
        (10 s). Raises Retry = later, Undeliverable = never."""

    def validate(self, options: BaseModel) -> None:
        """A look at the options when a user saves them, beyond what the model checks.
        Raises InvalidOptions."""
        return
