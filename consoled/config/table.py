"""Tables of options: what pydantic does for us, and its only door.

A table is checked as it stands, all of it at once. What is wrong with it comes back as
faults in our words, never as an exception.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal, TypeVar, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainValidator,
    ValidationError,
)
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema

from consoled.config.kinds import Kind
from consoled.config.locate import Path
from consoled.config.problem import nearest
from consoled.config.spelling import shown
from consoled.errors import ConfigError

Effect = Literal["at once", "at the next start", "at server restart"]
NOW: Final = "at once"
NEXT_START: Final = "at the next start"
SERVER_RESTART: Final = "at server restart"

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


class Table(BaseModel):
    """What all tables have in common: no unknown keys, no changes."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, protected_namespaces=()
    )


T = TypeVar("T", bound=Table)


def option(
    text: str, effect: Effect, default: Any = None, *, example: str, unset: str = "", **more: Any
) -> Any:
    """An option with its sentence of help; ``unset`` says what holds when it is not given.

    ``default`` and ``example`` are as a user would write them, the latter in TOML.
    """
    notes: dict[str, Any] = {"x-takes-effect": effect, "x-example": example}
    if unset:
        notes["x-unset"] = unset
    if "default_factory" not in more:
        more["default"] = default
    return Field(description=text, json_schema_extra=notes, **more)


@dataclass(frozen=True)
class Reads:
    """Lets a kind read the values of a field, as pydantic wants to be told."""

    kind: Kind

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> Any:
        return PlainValidator(self._read).__get_pydantic_core_schema__(source, handler)

    def __get_pydantic_json_schema__(self, _: Any, handler: GetJsonSchemaHandler) -> Any:
        return dict(self.kind.schema)

    def _read(self, value: Any) -> Any:
        # TOML has no null: None is the default of what is unset.
        if value is None:
            return None
        try:
            return _read_text(self.kind, value) if type(value) is str else self.kind.read(value)
        except ConfigError as error:
            raise ValueError(str(error)) from None


@lru_cache(maxsize=1024)
def _read_text(kind: Kind, text: str) -> Any:
    """Thousands of consoles mostly say the same, and have the same defaults."""
    return kind.read(text)


class OneOrMany:
    """``listen``: one item or a list, each of them a table or the text that is its ``at``."""

    word: Final = "endpoint or list"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> Any:
        return BeforeValidator(self._listed).__get_pydantic_core_schema__(source, handler)

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> Any:
        table = handler(schema)["items"]
        item = [{"type": "integer"}, {"type": "string"}, table]
        return {"anyOf": [*item, {"type": "array", "items": {"anyOf": item}}]}

    @staticmethod
    def _listed(value: Any) -> list[Any]:
        items = value if isinstance(value, list) else [value]
        return [item if isinstance(item, dict) else {"at": item} for item in items]


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with the value at ``path`` of a table."""

    path: Path
    text: str


def read_table(model: type[T], table: Mapping[str, Any]) -> tuple[T | None, list[Fault]]:
    """The options in a table, and its faults.

    Options that are wrong are as if not given, so that whatever depends on the others can
    still be checked. None if one is wrong that must be given.
    """
    try:
        return model.model_validate(table), []
    except ValidationError as error:
        faults = list(_faults(model, error))
    wrong = {fault.path[0] for fault in faults}
    try:
        return model.model_validate({k: v for k, v in table.items() if k not in wrong}), faults
    except ValidationError:
        return None, faults


def _faults(model: type[Table], error: ValidationError) -> Iterator[Fault]:
    for item in error.errors(include_url=False):
        # The name of a wrong variable is followed by a word of pydantic's own.
        path = tuple(part for part in item["loc"] if part != "[key]")
        yield Fault(path, _words(model, item, path))


def _words(model: type[Table], item: Any, path: Path) -> str:
    """pydantic's kinds of errors in our words."""
    match item["type"]:
        case "value_error":
            return str(item["ctx"]["error"])
        case "extra_forbidden":
            known = names_of(_table_at(model, path[:-1]))
            return f"unknown option{nearest(str(path[-1]), known)}{_quoting(item['input'])}"
        case "missing":
            return "must be given"
        case "model_type" | "dict_type" | "mapping_type" | "model_attributes_type":
            return f"expected a table, not {shown(item['input'])}"
    return f"cannot be used: {shown(item['input'])}"


def _quoting(value: Any) -> str:
    """TOML takes an unquoted name with a dot for a table within a table."""
    return '; a name with a dot needs quotes: "a.b"' if isinstance(value, dict) else ""


def _table_at(model: type[Table], path: Path) -> type[Table]:
    for part in path:
        field = None if isinstance(part, int) else _fields(model).get(part)
        model = (field and _inner(field)) or model
    return model


def _fields(model: type[Table]) -> dict[str, FieldInfo]:
    """Fields by the names that users know."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _inner(field: FieldInfo) -> type[Table] | None:
    """The table, or the table of each item, that a field holds."""
    for kind in (field.annotation, *get_args(field.annotation)):
        if isinstance(kind, type) and issubclass(kind, Table):
            return kind
    return None


def _word(field: FieldInfo) -> str:
    """What the values of a field are called, by the note in its annotation or its optional."""
    if _is_table(field.annotation):
        return "table"
    notes = list(field.metadata)
    for part in get_args(field.annotation):
        notes += getattr(part, "__metadata__", ())
    words = [note.kind.word if isinstance(note, Reads) else OneOrMany.word for note in notes]
    return words[-1]


def names_of(model: type[Table]) -> list[str]:
    """The options of a table, as users write them."""
    return list(_fields(model))


def merged_names(model: type[Table]) -> frozenset[str]:
    """Options that are tables: given twice they are merged key by key."""
    fields = _fields(model).items()
    return frozenset(name for name, field in fields if _is_table(field.annotation))


def _is_table(annotation: Any) -> bool:
    if getattr(annotation, "__origin__", None) is dict:
        return True
    return isinstance(annotation, type) and issubclass(annotation, Table)


@dataclass(frozen=True, slots=True)
class OptionText:
    """One option for a reader: ``word`` is its kind, ``default`` the TOML value or None.

    ``is_table`` tells that it is written as a table, ``inner`` has the options of a table
    within, or of each table in a list.
    """

    name: str
    word: str
    text: str
    default: Any
    unset: str
    effect: str
    example: str
    is_table: bool
    inner: type[Table] | None


def describe(model: type[Table]) -> list[OptionText]:
    """The options of a table in the order of their declaration."""
    return [_option_text(name, field) for name, field in _fields(model).items()]


def _option_text(name: str, field: FieldInfo) -> OptionText:
    notes: Any = field.json_schema_extra or {}
    is_table = _is_table(field.annotation)
    return OptionText(
        name=name,
        word=_word(field),
        text=field.description or "",
        default=None if field.is_required() or is_table else field.default,
        unset=notes.get("x-unset", ""),
        effect=notes.get("x-takes-effect", ""),
        example=notes.get("x-example", ""),
        is_table=is_table,
        inner=_inner(field),
    )


def json_schema(model: type[Table]) -> dict[str, Any]:
    """The JSON schema of a table and all within it, draft 2020-12."""
    return {"$schema": _DIALECT, **model.model_json_schema(schema_generator=_AsWritten)}


class _AsWritten(GenerateJsonSchema):
    """Defaults as users write them; what is unset in the model is not null in TOML."""

    def encode_default(self, dft: Any) -> Any:
        return dft

    def default_schema(self, schema: Any) -> dict[str, Any]:
        written = super().default_schema(schema)
        if written.get("default", ...) is None or isinstance(written.get("default"), Table):
            del written["default"]
        return written

    def nullable_schema(self, schema: Any) -> dict[str, Any]:
        return self.generate_inner(schema["schema"])

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False
