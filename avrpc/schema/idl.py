"""Reading Avro IDL: from an .avdl text to the JSON that an .avpr or .avsc file would hold.

Only the language is known here. Names, namespaces, defaults and all other rules of Avro are those
of the JSON, checked where that is checked (`parse`, `messages`), and reported by line and column:
with each JSON value goes a `Spot`, from which a `LinePlace` knows where in the text it came from.

The grammar is that of Avro 1.12, with what older versions read besides ('single-quoted' strings).
The JSON is what Java's tool writes, down to the order of the keys, so that the text made from it,
and its hash, are those that a Java peer makes of the same file. docs/idl.md has the differences.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .idl_tokens import LinePlace, Spot, Text, Token
from .idl_types import KINDS, OF_DEFINITION, Annotations, PartReader, Read, in_namespace, one_of
from .names import suggest
from .strictjson import Place, decode

_IMPORTS = ("idl", "protocol", "schema")

# What no annotation may say, since IDL says it in its own way.
_OF_PROTOCOL = frozenset(("protocol", "doc", "types", "messages"))
_OF_FIELD = frozenset(("type", "name", "doc", "default"))
_OF_MESSAGE = frozenset(("doc", "request", "response", "errors", "one-way"))


@dataclass(frozen=True, slots=True)
class Import:
    """An import as it stands in a file.

    Attributes:
        kind: What the file is said to be: idl, protocol or schema.
        location: Its path, from the folder of the file that imports it.
        place: Where that stands.
        before: How many messages the importing file has in front of it.
    """

    kind: str
    location: str
    place: Place
    before: int


@dataclass(frozen=True, slots=True)
class Document:
    """What an IDL file says.

    Attributes:
        json: A protocol (a dict, as in an .avpr), or named types (a list, as in an .avsc).
        place: Makes errors for paths in it.
        imports: Its imports, in order.
        namespace: That of `namespace x;`, in which `main` is to be read.
        main: The type of `schema T;`, None if there is no such line; its place is
            `place / "schema"`.
    """

    json: Any
    place: Place
    imports: tuple[Import, ...]
    namespace: str = ""
    main: Any = None

    @property
    def is_protocol(self) -> bool:
        return isinstance(self.json, dict)


def read_idl(text: str | bytes, source: str = "") -> Document:
    """Read Avro IDL, following no imports.

    Args:
        text: The text, in UTF-8 if bytes.
        source: Where it is from, for errors.

    Raises:
        SchemaError: It is not UTF-8, or not IDL. Whether what it says is valid Avro, those tell
            who read its JSON.
    """
    return _FileReader(Text(decode(text, Place(source, "")), source)).file()


class _FileReader(PartReader):
    def __init__(self, text: Text) -> None:
        super().__init__(text)
        self._imports: list[Import] = []

    # -- files

    def file(self) -> Document:
        first = self._token
        namespace, main = "", None
        parts: dict[str | int, Spot] = {}
        if self._take("namespace"):
            namespace = self._name("a namespace").name
            self._need(";")
        if self._take("schema"):
            main = self._type(namespace, 0)
            parts["schema"] = main.spot
            self._need(";")
        types: list[Read] = []
        while self._token.kind != "end" or self._token is first:
            start = self._token
            annotations = self._annotations()
            if start is first and self._is("protocol"):
                return self._protocol(start, annotations)
            if self._is("import"):
                self._import(annotations, 0)
            elif self._token.text in KINDS:
                types.append(self._named(start, annotations, namespace, ""))
            else:
                words = [*KINDS, "import"]
                if start is first:
                    words += ["protocol", "namespace", "schema"]
                raise self._expected(one_of(words), words, self._no_semicolon())
        parts |= {at: one.spot for at, one in enumerate(types)}
        return Document(
            [one.json for one in types],
            LinePlace(self._text, Spot(first.at, parts)),
            tuple(self._imports),
            namespace,
            main and main.json,
        )

    def _no_semicolon(self) -> str:
        return "; none is needed after '}'" if self._is(";") else ""

    def _import(self, annotations: Annotations, before: int) -> None:
        for key in annotations.keys.values():
            raise self._error(key, f"@{key.name} can't stand in front of an import")
        self._need("import")
        kind = self._need(*_IMPORTS)
        location = self._need_kind("string", "the path of a file, in quotes")
        self._need(";")
        place = LinePlace(self._text, Spot(location.at))
        self._imports.append(Import(kind.text, self._text.string(location), place, before))

    def _protocol(self, start: Token, annotations: Annotations) -> Document:
        self._need("protocol")
        token = self._name("the protocol's name")
        json, parts, namespace = self._naming("protocol", token, annotations, "", "")
        json |= self._doc(start)
        self._add(annotations, _OF_PROTOCOL, json, parts)
        self._need("{")
        types: list[Read] = []
        messages: dict[str, Read] = {}
        while not self._take("}"):
            start = self._token
            annotations = self._annotations()
            if self._is("import"):
                self._import(annotations, len(messages))
            elif self._token.text in KINDS:
                types.append(self._named(start, annotations, namespace, namespace))
            else:
                name, message = self._message(start, annotations, namespace)
                if name in messages:
                    where = self._text.position(messages[name].spot.at)
                    problem = f"message {name!r} is there already, at {where}"
                    raise self._text.error(message.spot.at, problem)
                messages[name] = message
        self._need_kind("end", "the end of the file")
        json["types"] = [one.json for one in types]
        json["messages"] = {name: one.json for name, one in messages.items()}
        parts["types"] = Spot(token.at, {at: one.spot for at, one in enumerate(types)})
        parts["messages"] = Spot(token.at, {name: one.spot for name, one in messages.items()})
        place = LinePlace(self._text, Spot(token.at, parts))
        return Document(json, place, tuple(self._imports))

    def _naming(
        self, key: str, token: Token, annotations: Annotations, inherited: str, outer: str
    ) -> tuple[dict[str, Any], dict[str | int, Spot], str]:
        """Work out the name of a definition.

        Args:
            key: What the name stands under.
            token: The name; with dots, it holds the namespace.
            annotations: May hold a namespace.
            inherited: The namespace of a definition that has none.
            outer: The namespace that its JSON inherits where it stands.
        """
        before, _, name = token.name.rpartition(".")
        given = annotations.take("namespace")
        spot = given.spot if given and not before else Spot(token.at)
        namespace = before or (given.json if given else inherited)
        json = {key: name}
        parts: dict[str | int, Spot] = {key: Spot(token.at)}
        if namespace != outer:
            json["namespace"] = namespace
            parts["namespace"] = spot
        return json, parts, namespace if isinstance(namespace, str) else outer

    # -- definitions

    def _named(self, start: Token, annotations: Annotations, inherited: str, outer: str) -> Read:
        """Read a record, an error, an enum or a fixed, after its annotations."""
        kind = self._need(*KINDS).text
        token = self._name(f"the name of the {kind}")
        json, parts, namespace = self._naming("name", token, annotations, inherited, outer)
        aliases = annotations.take("aliases")
        json = {"type": kind, **json, **self._doc(start)}
        if kind == "fixed":
            self._fixed(json, parts)
        elif kind == "enum":
            self._enum(json, parts)
        else:
            fields = self._fields(namespace)
            json["fields"] = [one.json for one in fields]
            parts["fields"] = Spot(token.at, {at: one.spot for at, one in enumerate(fields)})
        self._add(annotations, OF_DEFINITION, json, parts)
        _add_aliases(aliases, namespace, json, parts)
        return Read(json, Spot(token.at, parts))

    def _fixed(self, json: dict[str, Any], parts: dict[str | int, Spot]) -> None:
        self._need("(")
        size, token = self._integer("the size in bytes")
        json["size"], parts["size"] = size, Spot(token.at)
        self._need(")")
        self._need(";")

    def _enum(self, json: dict[str, Any], parts: dict[str | int, Spot]) -> None:
        symbols: list[Token] = []

        def symbol() -> None:
            self._annotations()  # JSON has no place for them
            symbols.append(self._name("a symbol"))

        start = self._need("{")
        self._many("}", symbol)
        json["symbols"] = [one.name for one in symbols]
        parts["symbols"] = Spot(start.at, {at: Spot(one.at) for at, one in enumerate(symbols)})
        if self._take("="):
            default = self._name("a symbol")
            json["default"], parts["default"] = default.name, Spot(default.at)
            self._need(";")

    def _fields(self, namespace: str) -> list[Read]:
        found: list[Read] = []
        self._need("{")
        while not self._take("}"):
            start = self._token
            of = self._type(namespace, 0)
            found.append(self._variable(of, start, "field"))
            while self._need(",", ";").text == ",":
                found.append(self._variable(of, start, "field"))
        return found

    def _variable(self, of: Read, start: Token, what: str) -> Read:
        """Read what follows a field's or a parameter's type: one name, or one of several."""
        doc = self._doc(self._token) or self._doc(start)
        annotations = self._annotations()
        token = self._name(f"the {what}'s name")
        default = self._json(0) if self._take("=") else None
        type_spot = of.spot
        json = {"name": token.name, "type": of.json} | doc
        parts: dict[str | int, Spot] = {"name": Spot(token.at)}
        if default:
            json["default"], parts["default"] = default.json, default.spot
            if of.optional and default.json is not None:
                # The default of a union is one of its first type.
                json["type"] = of.json[::-1]
                first, second = of.spot.parts.values()
                type_spot = Spot(of.spot.at, {0: second, 1: first})
        parts["type"] = type_spot
        order = annotations.take("order")
        if order:
            name = order.json.lower() if isinstance(order.json, str) else order.json
            parts["order"] = order.spot
            if name != "ascending":
                json["order"] = name
        _add_aliases(annotations.take("aliases"), "", json, parts)
        self._add(annotations, _OF_FIELD, json, parts)
        return Read(json, Spot(token.at, parts))

    def _message(self, start: Token, annotations: Annotations, namespace: str) -> tuple[str, Read]:
        """Read a message, after its annotations."""
        token = self._token
        if token.kind != "name":
            raise self._expected(
                "a definition, a message, an import or '}'", hint=self._no_semicolon()
            )
        response = Read("null", Spot(token.at))
        if not self._take("void"):
            response = self._unannotated(namespace, 0, Annotations({}, {}))
        name = self._name("the message's name")
        if self._is("{"):
            kinds = [kind for kind in KINDS if kind != "fixed"]
            what = "a message, or 'record', 'error' or 'enum'"
            raise self._error(token, f"expected {what}, found {token}{suggest(token.text, kinds)}")
        request: list[Read] = []

        def parameter() -> None:
            start = self._token
            request.append(self._variable(self._type(namespace, 0), start, "parameter"))

        open_bracket = self._need("(")
        self._many(")", parameter)
        json: dict[str, Any] = dict(self._doc(start))
        parts: dict[str | int, Spot] = {}
        self._add(annotations, _OF_MESSAGE, json, parts)
        json |= {"request": [one.json for one in request], "response": response.json}
        parts["request"] = Spot(open_bracket.at, {at: one.spot for at, one in enumerate(request)})
        parts["response"] = response.spot
        end = self._need(";", "throws", "oneway")
        if end.text == "throws":
            errors: list[Token] = []
            while True:
                errors.append(self._name("the name of an error"))
                if self._need(",", ";").text == ";":
                    break
            json["errors"] = [self._reference(one, namespace) for one in errors]
            parts["errors"] = Spot(end.at, {at: Spot(one.at) for at, one in enumerate(errors)})
        elif end.text == "oneway":
            json["one-way"] = True
            self._need(";")
        return name.name, Read(json, Spot(name.at, parts))


def _add_aliases(
    aliases: Read | None, namespace: str, json: dict[str, Any], parts: dict[str | int, Spot]
) -> None:
    if aliases and aliases.json != []:
        json["aliases"], parts["aliases"] = aliases.json, aliases.spot
        if namespace and isinstance(aliases.json, list):
            json["aliases"] = [in_namespace(alias, namespace) for alias in aliases.json]
