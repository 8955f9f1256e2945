"""Generated PKCS#11 URIs, for the tests that read and write them."""

from __future__ import annotations

import string

from hypothesis import strategies as st

from workbench.cryptoki.records import Version
from workbench.tokens.pins import PinSource
from workbench.tokens.uri import CLASSES, Uri

# Text that a person may write: all of Unicode, without what UTF-8 cannot hold.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
plain = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), min_size=1, max_size=12)
paths = st.lists(plain, min_size=1, max_size=3).map(lambda parts: "/" + "/".join(parts))
# No RFC name begins so, and ours refuse the ones that sound like a PIN.
vendor_names = st.text(string.ascii_letters + string.digits + "-_", max_size=8).map(lambda end: f"x-v{end}-z")
words = st.text(string.ascii_letters, min_size=1, max_size=8)
pin_sources = st.one_of(
    st.just(PinSource("prompt")),
    st.just(PinSource("protected")),
    st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,9}", fullmatch=True).map(lambda name: PinSource("env", name)),
    paths.map(lambda path: PinSource("file", path)),
    st.tuples(words, plain).map(lambda parts: PinSource("keyring", "/".join(parts))),
    st.lists(words, min_size=1, max_size=3).map(lambda parts: PinSource("command", " ".join(parts))),
)


def maybe(strategy: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.none() | strategy


uris = st.builds(
    Uri,
    token=maybe(texts),
    manufacturer=maybe(texts),
    serial=maybe(texts),
    model=maybe(texts),
    library_manufacturer=maybe(texts),
    library_version=maybe(st.tuples(st.integers(0, 255), st.integers(0, 255)).map(Version)),
    library_description=maybe(texts),
    slot_manufacturer=maybe(texts),
    slot_description=maybe(texts),
    slot_id=maybe(st.integers(0, 2**64 - 1)),
    object=maybe(texts),
    type=maybe(st.sampled_from(sorted(CLASSES))),
    id=maybe(st.binary(max_size=20)),
    module_name=maybe(plain),
    module_path=maybe(paths),
    pin_source=maybe(pin_sources),
    vendor_path=st.lists(st.tuples(vendor_names, texts), max_size=2, unique_by=lambda pair: pair[0]).map(
        tuple
    ),
    vendor_query=st.lists(st.tuples(vendor_names, texts), max_size=2).map(tuple),
)
