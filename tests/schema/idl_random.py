"""Random protocols, each in IDL and as the JSON that it means. Only the grammar is kept to."""

import json
from typing import Any

from hypothesis import strategies as st

PRIMITIVES = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
LOGICAL: dict[str, dict[str, Any]] = {
    "date": {"type": "int", "logicalType": "date"},
    "time_ms": {"type": "int", "logicalType": "time-millis"},
    "timestamp_ms": {"type": "long", "logicalType": "timestamp-millis"},
    "local_timestamp_ms": {"type": "long", "logicalType": "local-timestamp-millis"},
    "uuid": {"type": "string", "logicalType": "uuid"},
    "decimal(5)": {"type": "bytes", "logicalType": "decimal", "precision": 5, "scale": 0},
    "decimal( 9, 2)": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
}
NAMES = ("a", "b_1", "C", "error", "record", "date", "void", "import", "namespace", "éa")
KEYS = ("x", "java-class", "a.b", "y.z-q", "error", "version")
NAMESPACES = ("", "n", "a.b")

_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 63) - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
_lines = st.lists(st.text("ab .é@", min_size=1).map(str.strip).filter(bool), min_size=1, max_size=3)

Pair = tuple[str, Any]  # a text, and what it means


class _Writer:
    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.references: list[tuple[str, str]] = [("", "Other"), ("x.y", "Other")]

    def chance(self) -> bool:
        return self.draw(st.booleans())

    def one(self, of: Any) -> Any:
        return self.draw(st.sampled_from(of))

    def count(self, most: int) -> range:
        return range(self.draw(st.integers(0, most)))

    def space(self) -> str:
        return str(self.one((" ", " ", "\n", " // ' /*\n", ' /* " */ ', "\t/**/ ")))

    def name(self, name: str) -> str:
        return f"`{name}`" if self.chance() else name

    def value(self) -> Pair:
        value = self.draw(_values)
        return json.dumps(value, ensure_ascii=self.chance()), value

    def doc(self) -> tuple[str, dict[str, str]]:
        if self.chance():
            return "", {}
        lines = self.draw(_lines)
        form = self.one(("/** {} */ ", "/**\n * {}\n */\n"))
        end = "\n * " if "\n" in form else "\n"
        lost = "/** Lost. */" if self.chance() else ""
        return lost + form.format(end.join(lines)), {"doc": "\n".join(lines)}

    def annotations(self) -> tuple[str, dict[str, Any]]:
        text, found = "", {}
        for key in self.draw(st.lists(st.sampled_from(KEYS), unique=True, max_size=2)):
            value, found[key] = self.value()
            text += f"@{self.space()}{key}({value}){self.space()}"
        return text, found

    def aliases(self) -> tuple[str, dict[str, Any]]:
        if self.chance():
            return "", {}
        names = self.draw(st.lists(st.sampled_from(("Old", "x.Old")), unique=True))
        return f"@aliases({json.dumps(names)}) ", {"aliases": names} if names else {}

    def reference(self, namespace: str) -> Pair:
        at, name = self.one(self.references)
        if not at:  # found by its short name alone
            return self.name(name), name
        if at != namespace:
            return f"{at}.{name}", f"{at}.{name}"
        return f"{at}.{name}" if self.chance() else self.name(name), name

    def type(self, namespace: str, depth: int = 2) -> Pair:
        """A type that is not optional."""
        kinds = ["primitive", "logical", "reference"] + ["array", "map", "union"] * (depth > 0)
        kind = self.one(kinds)
        if kind == "reference":
            return self.reference(namespace)
        text, found = self.annotations() if depth < 2 else ("", {})
        if kind == "union":
            inner = [self.inner(namespace, depth) for _ in self.count(3)]
            return f"{text}union{{{', '.join(one for one, _ in inner)}}}", [of for _, of in inner]
        if kind in ("array", "map"):
            inside, of = self.inner(namespace, depth)
            key = "items" if kind == "array" else "values"
            return f"{text}{kind}<{inside}>", {"type": kind, key: of} | found
        if kind == "logical":
            name, of = self.one(list(LOGICAL.items()))
            return text + name, of | found
        name = self.one(PRIMITIVES)
        return text + name, {"type": name} | found if found else name

    def inner(self, namespace: str, depth: int) -> Pair:
        text, of = self.type(namespace, depth - 1)
        if self.optional(of):
            return f"{text}?", ["null", of]
        return text, of

    def optional(self, of: Any) -> bool:
        complex_one = isinstance(of, list) or (
            isinstance(of, dict) and of["type"] in ("array", "map")
        )
        return not complex_one and self.chance()

    def variables(self, namespace: str, most: int) -> tuple[str, list[Any]]:
        """A type with names after it."""
        doc_text, outer_doc = self.doc()
        text, of = self.type(namespace)
        optional = self.optional(of)
        texts, found = [], []
        for _ in range(self.draw(st.integers(1, most))):
            inner_text, inner_doc = self.doc()
            annotations, more = self.annotations()
            alias_text, aliases = self.aliases()
            order = self.one((None, None, "ignore", "descending", "ASCENDING"))
            order_text = f'@order("{order}") ' if order else ""
            name = self.one(NAMES)
            one = {"name": name, "type": ["null", of] if optional else of}
            one |= inner_doc or outer_doc
            default_text = ""
            if self.chance():
                default_text, one["default"] = self.value()
                default_text = f"={self.space()}{default_text}"
                if optional and one["default"] is not None:
                    one["type"] = [of, "null"]
            if order in ("ignore", "descending"):
                one["order"] = order
            found.append(one | aliases | more)
            texts.append(
                f"{inner_text}{alias_text}{annotations}{order_text}{self.name(name)}{default_text}"
            )
        mark = "?" if optional else ""
        return f"{doc_text}{text}{mark}{self.space()}{', '.join(texts)}", found

    def definition(self, at: str, name: str, outer: str) -> Pair:
        doc_text, doc = self.doc()
        annotations, more = self.annotations()
        alias_text, aliases = self.aliases()
        kind = self.one(("record", "error", "enum", "fixed"))
        made: dict[str, Any] = {"type": kind, "name": name}
        if at != outer:
            made["namespace"] = at
        made |= doc
        shown = f"{at}.{name}" if at else self.name(name)
        if at != outer and (not at or self.chance()):
            shown = name
            alias_text += f'@namespace("{at}")'
        match kind:
            case "enum":
                made["symbols"] = symbols = self.draw(st.lists(st.sampled_from(NAMES), unique=True))
                body = f"{{{', '.join(map(self.name, symbols))}}}"
                if symbols and self.chance():
                    made["default"] = symbols[-1]
                    body += f" = {symbols[-1]};"
            case "fixed":
                made["size"] = self.draw(st.integers(0, 99))
                body = f"({made['size']});"
            case _:
                groups = [self.variables(at, 3) for _ in self.count(3)]
                made["fields"] = [one for _, found in groups for one in found]
                body = f"{{{''.join(f'{text};{self.space()}' for text, _ in groups)}}}"
        text = f"{doc_text}{alias_text}{annotations}{kind}{self.space()}{shown} {body}"
        return text, made | more | aliases

    def message(self, name: str, namespace: str) -> Pair:
        doc_text, made = self.doc()
        annotations, more = self.annotations()
        text, response = ("void", "null") if self.chance() else self.type(namespace)
        request = [self.variables(namespace, 1) for _ in self.count(2)]
        json_ = {
            **made,
            **more,
            "request": [one for _, found in request for one in found],
            "response": response,
        }
        end = self.one(("", "throws", "oneway"))
        if end == "throws":
            errors = [self.reference(namespace) for _ in range(self.draw(st.integers(1, 3)))]
            json_["errors"] = [one for _, one in errors]
            end = f"throws {', '.join(one for one, _ in errors)}"
        elif end:
            json_["one-way"] = True
        parameters = ", ".join(one for one, _ in request)
        text = f"{text}{self.space()}{self.name(name)}({parameters}) {end};"
        return f"{doc_text}{annotations}{text}", json_


@st.composite
def protocols(draw: st.DrawFn) -> Pair:
    """A protocol's IDL, and the JSON that it means."""
    writer = _Writer(draw)
    namespace = writer.one(NAMESPACES)
    defined = [(writer.one((namespace, *NAMESPACES)), f"T{number}") for number in writer.count(4)]
    writer.references += defined
    types = [writer.definition(at, name, namespace) for at, name in defined]
    messages = {f"m{number}": writer.message(f"m{number}", namespace) for number in writer.count(3)}
    doc_text, doc = writer.doc()
    annotations, more = writer.annotations()
    made: dict[str, Any] = {"protocol": "P"}
    shown = "P"
    if namespace:
        made["namespace"] = namespace
        shown = f"{namespace}.P"
        if writer.chance():
            shown = "P"
            annotations += f'@namespace("{namespace}")'
    made |= doc | more
    made["types"] = [one for _, one in types]
    made["messages"] = {name: one for name, (_, one) in messages.items()}
    # Types and messages stand in any order, each kind in its own.
    left = [[text for text, _ in types], [text for text, _ in messages.values()]]
    texts = []
    while any(left):
        texts.append(writer.one([kind for kind in left if kind]).pop(0))
    body = "".join(f"\n{text}{writer.space()}" for text in texts)
    return f"{doc_text}{annotations}protocol{writer.space()}{shown}{{{body}}}", made
