"""workbench.toml: the devices that the user declared, each with what it may be asked."""

from __future__ import annotations

import os
import re
import shlex
import stat
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeVar

import attrs

from workbench import spec
from workbench.faults import WorkbenchError
from workbench.tokens.budget import Budget, parse_window
from workbench.tokens.pins import PinSource, parse_pin_source
from workbench.tokens.toml_table import TomlTable, parse_toml
from workbench.tokens.uri import CLASSES, Uri, parse_uri

__all__ = [
    "CONSENT",
    "KEY_USES",
    "OPERATIONS",
    "AllowedKey",
    "Configuration",
    "Declared",
    "load",
    "read_declared",
]

T = TypeVar("T")

FILE = "workbench.toml"
LARGEST = 1 << 20  # bytes; a configuration is written by hand

# What a foreign key may be allowed, what a production device may be asked without a key, what needs a consent.
KEY_USES = ("sign", "verify", "encrypt")
OPERATIONS = ("random", "digest")
CONSENT = ("token-objects", "probe", "irreversible")
# Said apart, for these are what people will ask for.
NEVER = frozenset(
    [
        "decrypt",
        "derive",
        "wrap",
        "unwrap",
        "copy",
        "change",
        "set",
        "destroy",
        "delete",
        "export",
        "read",
        "decapsulate",
        "encapsulate",
    ]
)
USER = spec.value("CKU_USER")
VENDOR = 0x8000_0000  # CKU_VENDOR_DEFINED


@attrs.frozen
class AllowedKey:
    """A key that this workbench did not make and may use all the same, for the operations in ``allow`` only."""

    name: str
    uri: Uri
    allow: frozenset[str]


@attrs.frozen
class Declared:
    """A token as ``[tokens.NAME]`` declares it, in one form however it was written.

    ``uri`` says which token it is and nothing else: what a written URI said of the module and of the PIN stands
    in ``module``, ``module_name`` and ``pin``. With both of the first two, ``module`` is the directory in which
    ``module_name`` is; with neither, ``profile`` finds the module.
    ``user_type`` is a CKU number (3.3); ``user`` a name for C_LoginUser (5.6.9). ``reach`` holds the addresses
    at which the device answers, for the doctor.
    """

    name: str
    file: str
    uri: Uri
    module: Path | None = None
    module_name: str | None = None
    pin: PinSource | None = None
    user: str | None = None
    user_type: int = USER
    profile: str | None = None
    policy: Literal["guest", "production"] = "guest"
    budget: Budget = attrs.field(factory=Budget.guest)
    keys: tuple[AllowedKey, ...] = ()
    operations: frozenset[str] = frozenset()
    consent: frozenset[str] = frozenset()
    environment: Mapping[str, str] = attrs.field(factory=dict, repr=False)  # vendors keep credentials there
    init_string: str | None = attrs.field(default=None, repr=False)
    interpreter: Path | None = None
    reach: tuple[str, ...] = ()
    declared: Mapping[str, str] = attrs.field(factory=dict)
    """What only the owner knows of the device (its HA size, its licence tier), for every result to disclose."""


@attrs.frozen
class Configuration:
    """All that was declared, by name, and the files that were read."""

    tokens: Mapping[str, Declared]
    files: tuple[Path, ...] = ()


def load() -> Configuration:
    """Read the project's workbench.toml (here or above, up to the repository's root), then the user's own.

    ``$WORKBENCH_CONFIG`` names a file to read instead of both. A name that both define is the project's.
    Errors: ``WorkbenchError`` for the first mistake, and for a file that somebody else could have written.
    """
    tokens: dict[str, Declared] = {}
    files = _files()
    for file in files:
        for declared in read_declared(_safely_read(file), str(file)):
            tokens.setdefault(declared.name, declared)
    return Configuration(MappingProxyType(tokens), files)


def read_declared(text: str, file: str) -> tuple[Declared, ...]:
    """The tokens that the text of a workbench.toml declares; ``file`` is what the errors call it.

    Errors: ``WorkbenchError``: one sentence with file, table and key, without the value.
    """
    document = parse_toml(text, file)
    document.check_keys("tokens")
    tokens = document.table("tokens")
    if tokens is None:
        return ()
    for name in tokens.values:
        if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name) is None:
            raise tokens.fault(repr(name[:40]), "a token's name has letters, digits, '.', '_' and '-' only")
    return tuple(
        _declared(name, table) for name in tokens.values if (table := tokens.table(name)) is not None
    )


def _files() -> tuple[Path, ...]:
    named = os.environ.get("WORKBENCH_CONFIG")
    if named:
        file = Path(named).absolute()
        if not file.is_file():
            raise WorkbenchError(f"WORKBENCH_CONFIG names {file}, which is not there; correct it or unset it")
        return (file,)
    found = (_project_file(), _user_file())
    return tuple(dict.fromkeys(file for file in found if file is not None))


def _project_file() -> Path | None:
    try:
        start = Path.cwd()
        for directory in (start, *start.parents):
            if (directory / FILE).is_file():
                return directory / FILE
            if (directory / ".git").exists():
                return None
    except OSError:
        pass  # a directory that is gone, or that this user may not look into, has no project for us
    return None


def _user_file() -> Path | None:
    base = os.environ.get("XDG_CONFIG_HOME")
    try:
        file = (Path(base) if base else Path.home() / ".config") / "pkcs11-workbench" / FILE
        return file if file.is_file() else None
    except (OSError, RuntimeError):  # RuntimeError: this user has no home directory
        return None


def _safely_read(file: Path) -> str:
    """The file, unless somebody else could have written it: it names programs to load and keys to use."""
    try:
        with file.open("rb") as opened:
            found = os.fstat(opened.fileno())
            content = opened.read(LARGEST + 1)
    except OSError as error:
        raise WorkbenchError(f"{file} cannot be read ({error.strerror})") from None
    if found.st_uid not in {os.geteuid(), 0}:
        raise WorkbenchError(
            f"{file} belongs to another user, so nothing in it is used; "
            "make a copy of your own and name it in WORKBENCH_CONFIG"
        )
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise WorkbenchError(
            f"{file} can be written by other users, so nothing in it is used; "
            f"close it with: chmod go-w {shlex.quote(str(file))}"
        )
    if len(content) > LARGEST:
        raise WorkbenchError(f"{file} is larger than {LARGEST >> 20} MiB; it is no configuration")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise WorkbenchError(f"{file}: this is not TOML (it is not UTF-8)") from None


def _declared(name: str, table: TomlTable) -> Declared:
    table.check_keys(
        *("module", "module_name", "uri", "label", "serial", "slot", "pin", "user", "user_type", "profile"),
        *(
            "policy",
            "budget",
            "keys",
            "operations",
            "consent",
            "environment",
            "init_string",
            "interpreter",
            "reach",
            "declared",
        ),
    )
    uri = _token_uri(table)
    production = table.chosen("policy", "guest", "production") == "production"
    profile = table.text("profile")
    module = _one(table, "module", table.path("module"), Path(uri.module_path) if uri.module_path else None)
    module_name = _one(table, "module_name", table.text("module_name"), uri.module_name)
    if module is None and module_name is None and profile is None:
        raise table.fault("module", "nothing says which module to load; give module, module_name or profile")
    return Declared(
        name=name,
        file=table.file,
        uri=uri.without_query(),
        module=module,
        module_name=module_name,
        pin=_one(table, "pin", table.parsed("pin", _trusted_pin_source), uri.pin_source),
        user=table.text("user"),
        user_type=_user_type(table),
        profile=profile,
        policy="production" if production else "guest",
        budget=_budget(table.table("budget"), Budget.production() if production else Budget.guest()),
        keys=tuple(_allowed_key(key) for key in table.tables("keys")),
        operations=_words(table, "operations", OPERATIONS),
        consent=_words(table, "consent", CONSENT),
        environment=_environment(table.table("environment")),
        init_string=table.text("init_string"),
        interpreter=table.path("interpreter"),
        reach=table.texts("reach"),
        declared=_facts(table.table("declared")),
    )


def _trusted_uri(text: str) -> Uri:
    return parse_uri(text, trusted=True)


def _trusted_pin_source(text: str) -> PinSource:
    return parse_pin_source(text, trusted=True)


def _one(table: TomlTable, key: str, written: T | None, in_uri: T | None) -> T | None:
    if written is not None and in_uri is not None:
        raise table.fault(key, "the URI says this too; leave one of the two out")
    return in_uri if written is None else written


def _token_uri(table: TomlTable) -> Uri:
    """Which token: a URI, or the three attributes that people know by heart."""
    uri = table.parsed("uri", _trusted_uri)
    plain = Uri(
        token=table.text("label"),
        serial=table.text("serial"),
        slot_id=table.integer("slot", maximum=2**64 - 1),
    )
    if uri is None and not plain.names_token:
        raise table.fault("uri", "nothing says which token it is; give uri, or label, serial or slot")
    if uri is None:
        return plain
    if plain.names_token:
        raise table.fault("uri", "the token is named by label, serial or slot too; leave one of the two out")
    if uri.names_object:
        raise table.fault(
            "uri", "it names an object (object, type or id); here it names a token, and a key under keys"
        )
    if not uri.names_token:
        raise table.fault("uri", "it says nothing of the token; give at least its token or serial attribute")
    if uri.vendor_path:
        raise table.fault(
            "uri", f"its attribute {uri.vendor_path[0][0]} is not known here, so no token could match it"
        )
    return uri


def _user_type(table: TomlTable) -> int:
    value = table.values.get("user_type")
    if value is None or value == "CKU_USER":
        return USER
    if value in ("CKU_SO", spec.value("CKU_SO")) and not isinstance(value, bool):
        raise table.fault(
            "user_type", "the security officer never logs in to a token that the workbench did not make"
        )
    if (
        isinstance(value, int)
        and not isinstance(value, bool)
        and (value == USER or VENDOR <= value < 1 << 64)
    ):
        return value
    raise table.fault("user_type", 'it is "CKU_USER", or a number that the vendor gives (from 0x80000000 on)')


def _budget(table: TomlTable | None, budget: Budget) -> Budget:
    if table is None:
        return budget
    table.check_keys(*(field.name for field in attrs.fields(Budget)))
    written = Budget(
        max_sessions=table.integer("max_sessions", minimum=1),
        max_rate=table.number("max_rate"),
        max_operations=table.integer("max_operations"),
        max_seconds=table.number("max_seconds"),
        max_objects=table.integer("max_objects"),
        max_logins=table.integer("max_logins"),
        window=table.parsed("window", parse_window),
    )
    changed: dict[str, Any] = {
        key: value for key, value in attrs.asdict(written, recurse=False).items() if value is not None
    }
    return attrs.evolve(budget, **changed)


def _allowed_key(table: TomlTable) -> AllowedKey:
    table.check_keys("name", "uri", "label", "id", "class", "allow")
    uri = table.parsed("uri", _trusted_uri)
    plain = Uri(
        object=table.text("label"),
        id=table.parsed("id", _key_id),
        type=table.chosen("class", *CLASSES),
    )
    if uri is not None and plain.names_object:
        raise table.fault("uri", "the key is named by label, id or class too; leave one of the two out")
    uri = uri or plain
    if uri.object is None and uri.id is None:
        raise table.fault("label", "nothing says which key it is; give its label or its id, or both")
    if uri != Uri(object=uri.object, type=uri.type, id=uri.id):
        raise table.fault(
            "uri", "a key's URI has the attributes object, id and type; the token is the one around it"
        )
    for use in table.texts("allow"):
        if use in NEVER:
            raise table.fault(
                "allow",
                f"{use} is never done with a key that the workbench did not make; allowed: {', '.join(KEY_USES)}",
            )
    allow = _words(table, "allow", KEY_USES)
    if not allow:
        raise table.fault("allow", f"it must say what the key may be used for: {', '.join(KEY_USES)}")
    return AllowedKey(table.text("name") or uri.object or (uri.id or b"").hex(), uri, allow)


def _key_id(text: str) -> bytes:
    try:
        return bytes.fromhex(text.replace(":", ""))
    except ValueError:
        raise WorkbenchError("it must be hexadecimal, as in 0a1b or 0a:1b") from None


def _words(table: TomlTable, key: str, known: tuple[str, ...]) -> frozenset[str]:
    given = table.texts(key)
    if not set(given) <= set(known):
        raise table.fault(key, f"it may hold {', '.join(known)}, and something else stands there")
    return frozenset(given)


def _facts(table: TomlTable | None) -> Mapping[str, str]:
    if table is None:
        return MappingProxyType({})
    return MappingProxyType({key: table.text(key) or "" for key in table.values})


def _environment(table: TomlTable | None) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for key in table.values if table is not None else ():
        assert table is not None
        value = table.values[key]
        if (
            re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key) is None
            or not isinstance(value, str)
            or "\0" in value
        ):
            raise table.fault(
                repr(key[:40]), "an environment variable has a plain name, and text as its value"
            )
        found[key] = value
    return MappingProxyType(found)
