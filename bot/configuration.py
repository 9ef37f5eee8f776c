"""`firstcause.yaml`: which sources there are, what is known of the services, how far to go.

Precedence: an option of the command, then the environment, then this file, then the default. Every
complaint is one line that names the file, the line and the field, and says what to write instead.
Reading the file looks the secrets of sources up, but connects to nothing. Those of `serve:` are looked up
when `serve` is asked for: only the process that listens has them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self, TypeVar, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from bot import configuration_text
from bot.configuration_fields import Dsn, Duration, LocalPath, Name, Vault, wrong
from bot.configuration_text import Text, Where
from bot.errors import BadInputError
from bot.live_kinds import KINDS, SourceFields
from bot.safetext import one_line
from bot.serve_fields import ServeFields
from bot.settings import Settings, variable
from connectors.contract import Frozen

if TYPE_CHECKING:
    from bot.store import Where as StorePlace

FILE = "firstcause.yaml"
Model = TypeVar("Model", bound=BaseModel)


class ServiceFields(Frozen):
    """What is written about one service; whatever can be discovered may be left out."""

    namespace: str | None = None
    workload: str | None = Field(default=None, pattern=r"^[a-z]+/[a-z0-9.-]+$")
    databases: tuple[Name, ...] = ()
    repository: str | None = None
    dashboards: tuple[str, ...] = ()
    aliases: Annotated[
        tuple[str, ...], Field(description="pager services and alert labels that mean this service")
    ] = ()


class InvestigationFields(Frozen):
    """How far an investigation goes. `baseline` is how long before `since` is looked at as well."""

    since: Duration = timedelta(minutes=30)
    baseline: Duration | None = None
    budget: Duration = timedelta(seconds=60)
    discovery: Duration = timedelta(seconds=5)


class StoreFields(BaseModel):
    """Where the record is kept: in a file, or in a database on a PostgreSQL server."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    store: LocalPath | None = None
    store_url: Annotated[
        Dsn | None, Field(description="postgresql://USER@HOST/DATABASE, instead of a file: replicas share it")
    ] = None

    @field_validator("store_url")
    @classmethod
    def _of_postgresql(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not url.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise wrong("a store's URL begins with postgresql://")
        return url

    def place(self) -> StorePlace | None:
        """Where it is, None where that is not said."""
        return self.store_url or (Path(self.store) if self.store else None)


class _Rest(StoreFields):
    """Everything in the file but its sources, which are told apart by their kind first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    sources: object = None
    services: dict[str, ServiceFields] = Field(default_factory=dict)
    backstage: tuple[LocalPath, ...] = ()
    investigation: InvestigationFields = InvestigationFields()
    serve: ServeFields = ServeFields()

    @model_validator(mode="after")
    def _one_store(self) -> Self:
        if self.store and self.store_url:
            raise wrong("`store` and `store_url` are two places: write one of them")
        return self


@dataclass(frozen=True)
class Configuration:
    """A configuration that was read and makes sense."""

    path: Path
    sources: tuple[SourceFields, ...]
    services: Mapping[str, ServiceFields]
    backstage: tuple[str, ...]
    investigation: InvestigationFields
    serving: Callable[[], ServeFields]
    store: StorePlace | None

    @property
    def serve(self) -> ServeFields:
        """What the serving process listens for, with its secrets.

        Raises:
            BadInputError: a secret is not where it is said to be.
        """
        return self.serving()


def find(chosen: Path | None, settings: Settings) -> Path:
    """The configuration file: the chosen one, the environment's, or the one in this directory.

    Raises:
        BadInputError: there is none.
    """
    path = chosen or settings.config
    if path is None:
        path = Path(FILE)
        if not path.is_file():
            raise BadInputError(f"no {FILE} here; `firstcause init` writes one, --config FILE names another")
    if not path.is_file():
        raise BadInputError(f"--config {path}: no such file; `firstcause init` writes a {FILE}")
    return path


def load(path: Path) -> Configuration:
    """Read a configuration and look its secrets up.

    Raises:
        BadInputError: the first thing wrong with it, in one line.
    """
    text = _text(path)
    vault = Vault(path.parent, variable)
    _serve(text, replace(vault, closed=True))
    rest = validated(_Rest, _without_serve(text), (), vault)
    return Configuration(
        path=path,
        sources=_sources(text, rest.sources, vault),
        services=rest.services,
        backstage=rest.backstage,
        investigation=rest.investigation,
        serving=lambda: _serve(text, vault),
        store=rest.place(),
    )


def store_of(chosen: Path | None, settings: Settings) -> StorePlace:
    """Where the record is, by the environment, the configuration if there is one, or the default.

    Nothing else of the configuration is looked at: its other secrets need not be there.

    Raises:
        BadInputError: the configuration does not make sense so far.
    """
    if chosen is None and (settings.store or not (settings.config or Path(FILE).is_file())):
        return settings.store_path
    path = find(chosen, settings)
    text = _text(path)
    assert isinstance(text.value, dict)
    known = {key: value for key, value in text.value.items() if key in StoreFields.model_fields}
    read = validated(StoreFields, replace(text, value=known), (), Vault(path.parent, variable))
    return settings.store or read.place() or settings.store_path


def _text(path: Path) -> Text:
    documents = configuration_text.read(path, path.name)
    text = documents[0] if documents else Text(path.name, None, {})
    if len(documents) > 1 or not isinstance(text.value, dict):
        raise BadInputError(f"{path.name}: must hold one mapping with `sources`; see `firstcause init`")
    return text


def _serve(text: Text, vault: Vault) -> ServeFields:
    present = isinstance(text.value, dict) and "serve" in text.value
    return validated(ServeFields, text, ("serve",), vault) if present else ServeFields()


def _without_serve(text: Text) -> Text:
    assert isinstance(text.value, dict)
    return replace(text, value={key: value for key, value in text.value.items() if key != "serve"})


def _sources(text: Text, listed: object, vault: Vault) -> tuple[SourceFields, ...]:
    if not isinstance(listed, list) or not listed:
        raise text.refused(("sources",), "at least one source is needed; `firstcause init` shows each kind")
    sources = tuple(_source(text, n, item, vault) for n, item in enumerate(listed))
    for n, source in enumerate(sources):
        if any(each.title == source.title for each in sources[:n]):
            raise text.refused(("sources", n), f"two sources are called {source.title}; give each a `name`")
    return sources


def _source(text: Text, n: int, item: object, vault: Vault) -> SourceFields:
    where: Where = ("sources", n)
    if not isinstance(item, dict):
        raise text.refused(where, "must be a mapping with `kind`")
    kind = item.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        known = ", ".join(sorted(KINDS))
        why = "is missing" if kind is None else f"no kind is called {one_line(str(kind), 40)!r}"
        raise text.refused((*where, "kind"), f"{why}{_nearest(str(kind), KINDS)}; known: {known}")
    model: type[SourceFields] = KINDS[kind].model
    return validated(model, text, where, vault)


def validated(model: type[Model], text: Text, where: Where, vault: Vault | None) -> Model:
    """The part of a document at `where` as a model.

    Raises:
        BadInputError: the first complaint by line, as one line.
    """
    value = text.value
    for step in where:
        value = value[step]  # type: ignore[index]  # the caller looked
    try:
        return model.model_validate(value, context=vault)
    except ValidationError as error:
        complaints = sorted(
            (_complaint(model, each["type"], each["msg"], each["loc"]) for each in error.errors()),
            # A key that is missing is most often one that was misspelt: the word that is there says more.
            key=lambda each: (text.line((*where, *each.where)) or 0, each.why == _MISSING),
        )
        first = complaints[0]
        raise text.refused((*where, *first.where), first.why) from None


_MISSING = "is missing"


@dataclass(frozen=True, slots=True)
class _Complaint:
    where: Where
    why: str


def _complaint(model: type[BaseModel], kind: str, message: str, where: Where) -> _Complaint:
    where = tuple(step for step in where if not (isinstance(step, str) and step.startswith("function-")))
    if kind == "extra_forbidden":
        around = model_at(model, where[:-1])
        known = list(around.model_fields) if around else []
        return _Complaint(where, f"unknown key{_nearest(str(where[-1]), known)}")
    if kind == "missing":
        return _Complaint(where, _MISSING)
    plain = message.replace("Input should be", "must be")
    return _Complaint(where, one_line(plain.replace("a valid tuple", "a list, such as [one, two]"), 300))


def _nearest(word: str, known: Sequence[str] | Mapping[str, object]) -> str:
    close = get_close_matches(word, list(known), n=1, cutoff=0.5)
    if close:
        return f"; the nearest known is `{close[0]}`"
    return f"; known: {', '.join(sorted(known))}" if isinstance(known, list) and known else ""


def model_at(model: type[BaseModel], where: Where) -> type[BaseModel] | None:
    """The model a field below another holds, or None where it holds none."""
    annotation: object = model
    for step in where:
        if get_origin(annotation) in (dict, tuple, list, Mapping):
            annotation = get_args(annotation)[-1 if get_origin(annotation) is dict else 0]
        else:
            inner = next(_models(annotation), None)
            if inner is None or step not in inner.model_fields:
                return None
            annotation = inner.model_fields[str(step)].annotation
    return next(_models(annotation), None)


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


def schema() -> dict[str, object]:
    """The JSON Schema (2020-12) of the file, for editors."""
    whole = _Rest.model_json_schema()
    definitions = whole.setdefault("$defs", {})
    kinds = []
    for name, kind in sorted(KINDS.items()):
        own = kind.model.model_json_schema(ref_template="#/$defs/{model}")
        definitions.update(own.pop("$defs", {}))
        definitions[name] = own
        kinds.append({"$ref": f"#/$defs/{name}"})
    whole["properties"]["sources"] = {
        "type": "array", "minItems": 1, "items": {"oneOf": kinds}, "description": "where to ask",
    }  # fmt: skip
    whole["required"] = ["sources"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **whole,
        "title": FILE,
        "description": "The configuration of firstcause.",
    }
