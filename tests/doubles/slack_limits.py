"""What Slack refuses in blocks and views, by its documentation, with the reasons it gives. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

Json = Mapping[str, Any]
Wrong = Iterator[str]

MOST_BLOCKS = {"message": 50, "modal": 100}
MOST_TEXT = 40_000
MOST_METADATA = 16_000


def wrong_with_blocks(blocks: object, surface: str = "message") -> list[str]:
    """Why Slack would refuse these blocks; empty where it takes them."""
    if not isinstance(blocks, list):
        return ["[ERROR] must be an array [json-pointer:/blocks]"]
    return [*_blocks(blocks, surface)]


def wrong_with_view(view: object) -> list[str]:
    """Why Slack would refuse to open this view."""
    if not isinstance(view, dict) or view.get("type") != "modal":
        return ["[ERROR] unsupported type [json-pointer:/view/type]"]
    found = [*_plain(view.get("title"), "/title", 24, required=True)]
    for name in ("submit", "close"):
        found += _plain(view.get(name), f"/{name}", 24)
    for name, most in (("private_metadata", 3000), ("callback_id", 255)):
        found += _string(view.get(name), f"/{name}", most)
    found += _blocks(view.get("blocks") or [], "modal")
    if any(_kind(each) == "input" for each in view.get("blocks") or []) and "submit" not in view:
        found.append("[ERROR] missing required field: submit [json-pointer:/submit]")
    return found


def _blocks(blocks: Sequence[Any], surface: str) -> Wrong:
    most = MOST_BLOCKS[surface]
    if len(blocks) > most:
        yield f"[ERROR] no more than {most} items allowed [json-pointer:/blocks]"
    seen: set[str] = set()
    for number, block in enumerate(blocks):
        at = f"/blocks/{number}"
        check = _BLOCKS.get(_kind(block))
        if check is None:
            yield f"[ERROR] unsupported type: {_kind(block)} [json-pointer:{at}/type]"
            continue
        name = block.get("block_id")
        yield from _string(name, f"{at}/block_id", 255)
        if name in seen:
            yield f"[ERROR] block_id {name} already exists [json-pointer:{at}/block_id]"
        seen.add(name) if name else None
        yield from check(block, at)


def _kind(block: object) -> str:
    return str(block.get("type")) if isinstance(block, dict) else "?"


def _string(value: object, at: str, most: int, least: int = 1) -> Wrong:
    if value is None:
        return
    if not isinstance(value, str):
        yield f"[ERROR] must be a string [json-pointer:{at}]"
    elif len(value) > most:
        yield f"[ERROR] must be less than {most + 1} characters [json-pointer:{at}]"
    elif len(value) < least:
        yield f"[ERROR] must be more than {least - 1} characters [json-pointer:{at}]"


def _text(value: object, at: str, most: int, required: bool = False) -> Wrong:
    if value is None:
        if required:
            yield f"[ERROR] missing required field [json-pointer:{at}]"
        return
    if _kind(value) not in ("plain_text", "mrkdwn"):
        yield f"[ERROR] unsupported type: {_kind(value)} [json-pointer:{at}/type]"
        return
    assert isinstance(value, dict)
    if value["type"] == "plain_text" and "verbatim" in value:
        yield f"[ERROR] invalid additional property: verbatim [json-pointer:{at}]"
    yield from _string(value.get("text", ""), f"{at}/text", most)


def _plain(value: object, at: str, most: int, required: bool = False) -> Wrong:
    yield from _text(value, at, most, required)
    if value is not None and _kind(value) == "mrkdwn":
        yield f"[ERROR] must be plain_text [json-pointer:{at}/type]"


def _section(block: Json, at: str) -> Wrong:
    yield from _text(block.get("text"), f"{at}/text", 3000, required="fields" not in block)
    fields = block.get("fields", [])
    if len(fields) > 10:
        yield f"[ERROR] no more than 10 items allowed [json-pointer:{at}/fields]"
    for number, each in enumerate(fields):
        yield from _text(each, f"{at}/fields/{number}", 2000, required=True)
    if "accessory" in block:
        yield from _elements([block["accessory"]], f"{at}/accessory", 1)


def _header(block: Json, at: str) -> Wrong:
    yield from _plain(block.get("text"), f"{at}/text", 150, required=True)


def _context(block: Json, at: str) -> Wrong:
    elements = block.get("elements") or []
    if not 1 <= len(elements) <= 10:
        yield f"[ERROR] 1 to 10 items allowed [json-pointer:{at}/elements]"
    for number, each in enumerate(elements):
        if _kind(each) != "image":
            yield from _text(each, f"{at}/elements/{number}", 3000, required=True)


def _actions(block: Json, at: str) -> Wrong:
    yield from _elements(block.get("elements") or [], f"{at}/elements", 25)


def _input(block: Json, at: str) -> Wrong:
    yield from _plain(block.get("label"), f"{at}/label", 2000, required=True)
    yield from _plain(block.get("hint"), f"{at}/hint", 2000)
    yield from _elements([block.get("element")], f"{at}/element", 1)


def _image(block: Json, at: str) -> Wrong:
    yield from _string(block.get("alt_text", ""), f"{at}/alt_text", 2000)
    yield from _string(block.get("image_url"), f"{at}/image_url", 3000)
    yield from _plain(block.get("title"), f"{at}/title", 2000)


def _nothing(block: Json, at: str) -> Wrong:
    del block, at
    yield from ()


def _markdown(block: Json, at: str) -> Wrong:
    yield from _string(block.get("text", ""), f"{at}/text", 12_000)


_RICH = ("rich_text_section", "rich_text_list", "rich_text_preformatted", "rich_text_quote")
_RICH_PARTS = {
    "text": "text", "link": "url", "user": "user_id", "channel": "channel_id", "emoji": "name",
    "usergroup": "usergroup_id", "broadcast": "range", "date": "timestamp", "color": "value",
}  # fmt: skip


def _rich_text(block: Json, at: str) -> Wrong:
    elements = block.get("elements")
    if not isinstance(elements, list) or not elements:
        yield f"[ERROR] missing required field: elements [json-pointer:{at}]"
        return
    for number, each in enumerate(elements):
        yield from _rich(each, f"{at}/elements/{number}")


def _rich(element: object, at: str) -> Wrong:
    kind = _kind(element)
    assert isinstance(element, dict)
    if kind not in _RICH:
        yield f"[ERROR] unsupported type: {kind} [json-pointer:{at}/type]"
        return
    for number, each in enumerate(element.get("elements") or []):
        place = f"{at}/elements/{number}"
        if kind == "rich_text_list":
            yield from _rich(each, place)
        elif _kind(each) not in _RICH_PARTS:
            yield f"[ERROR] unsupported type: {_kind(each)} [json-pointer:{place}/type]"
        elif each.get(_RICH_PARTS[each["type"]]) in (None, ""):
            yield f"[ERROR] must be more than 0 characters [json-pointer:{place}]"


_BLOCKS: dict[str, Callable[[Json, str], Wrong]] = {
    "section": _section,
    "header": _header,
    "context": _context,
    "actions": _actions,
    "input": _input,
    "image": _image,
    "divider": _nothing,
    "rich_text": _rich_text,
    "markdown": _markdown,
}


def _elements(elements: Sequence[Any], at: str, most: int) -> Wrong:
    if not 1 <= len(elements) <= most:
        yield f"[ERROR] 1 to {most} items allowed [json-pointer:{at}]"
    seen: set[str] = set()
    for number, each in enumerate(elements):
        place = f"{at}/{number}"
        check = _ELEMENTS.get(_kind(each))
        if check is None:
            yield f"[ERROR] unsupported type: {_kind(each)} [json-pointer:{place}/type]"
            continue
        name = each.get("action_id")
        yield from _string(name, f"{place}/action_id", 255)
        if name in seen:
            yield f"[ERROR] action_id {name} already exists [json-pointer:{place}/action_id]"
        seen.add(name) if name else None
        yield from _confirm(each.get("confirm"), f"{place}/confirm")
        yield from _plain(each.get("placeholder"), f"{place}/placeholder", 150)
        yield from check(each, place)


def _confirm(confirm: Any, at: str) -> Wrong:
    if confirm is None:
        return
    yield from _plain(confirm.get("title"), f"{at}/title", 100, required=True)
    yield from _text(confirm.get("text"), f"{at}/text", 300, required=True)
    yield from _plain(confirm.get("confirm"), f"{at}/confirm", 30, required=True)
    yield from _plain(confirm.get("deny"), f"{at}/deny", 30, required=True)


def _button(element: Json, at: str) -> Wrong:
    yield from _plain(element.get("text"), f"{at}/text", 75, required=True)
    yield from _string(element.get("value"), f"{at}/value", 2000)
    yield from _string(element.get("url"), f"{at}/url", 3000)
    yield from _string(element.get("accessibility_label"), f"{at}/accessibility_label", 75)
    if element.get("style", "primary") not in ("primary", "danger"):
        yield f"[ERROR] must be a valid enum value [json-pointer:{at}/style]"


def _select(element: Json, at: str) -> Wrong:
    groups = element.get("option_groups")
    if groups is None:
        yield from _options(element, at)
        return
    if not 1 <= len(groups) <= 100 or "options" in element:
        yield f"[ERROR] 1 to 100 items allowed, and no options besides [json-pointer:{at}/option_groups]"
    for number, each in enumerate(groups):
        place = f"{at}/option_groups/{number}"
        yield from _plain(each.get("label"), f"{place}/label", 75, required=True)
        yield from _options(each, place)


def _options(element: Json, at: str, most: int = 100) -> Wrong:
    options = element.get("options") or []
    if not 1 <= len(options) <= most:
        yield f"[ERROR] 1 to {most} items allowed [json-pointer:{at}/options]"
    for number, each in enumerate(options):
        yield from _text(each.get("text"), f"{at}/options/{number}/text", 75, required=True)
        yield from _string(each.get("value", ""), f"{at}/options/{number}/value", 150)
        yield from _text(each.get("description"), f"{at}/options/{number}/description", 75)


def _few_options(element: Json, at: str) -> Wrong:
    yield from _options(element, at, 10)


def _overflow(element: Json, at: str) -> Wrong:
    yield from _options(element, at, 5)


def _typed(element: Json, at: str) -> Wrong:
    if int(element.get("max_length", 1)) > 3000:
        yield f"[ERROR] must be at most 3000 [json-pointer:{at}/max_length]"
    yield from _string(element.get("initial_value"), f"{at}/initial_value", 3000, least=0)


_ELEMENTS: dict[str, Callable[[Json, str], Wrong]] = {
    "button": _button,
    "static_select": _select,
    "radio_buttons": _few_options,
    "checkboxes": _few_options,
    "overflow": _overflow,
    "plain_text_input": _typed,
    "users_select": _nothing,
    "image": _image,
}
