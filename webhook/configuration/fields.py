"""What all sections share: strict fields with camelCase names, and texts with the grammar of Kubernetes' keys."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from cniplugin.access.model.labels import is_key
from cniplugin.netspec.errors import show

CONTENT = "content"
"""The type of the problems that sections find themselves; their text says what is wrong, and what is allowed."""

ALLOWED_KEY = (
    "[PREFIX/]NAME, such as example.com/uplink: the prefix a DNS name, the name at most 63 letters, digits, '-', '_' "
    "and '.', starting and ending with a letter or digit"
)


COUNT_MAX = 10_000_000
Count = Annotated[int, Field(ge=1, le=COUNT_MAX)]
"""A limit. Nothing is without one: a very large one says that the limit of something else is meant to hold."""
ALLOWED_COUNT = f"1 to {COUNT_MAX}"


class Section(BaseModel):
    """A mapping of the configuration. A key that it does not name is a problem, and no type becomes another."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, alias_generator=to_camel)


def problem(said: str) -> PydanticCustomError:
    """Return what a validator raises: what is wrong, what is allowed, what to do."""
    return PydanticCustomError(CONTENT, "{said}", {"said": said})


def _check_key(text: str) -> str:
    if not is_key(text):
        raise problem(f"this is no key of a label or annotation: {show(text)}; allowed: {ALLOWED_KEY}")
    return text


Key = Annotated[str, AfterValidator(_check_key)]
"""The key of a label or an annotation (apimachinery, IsQualifiedName)."""
