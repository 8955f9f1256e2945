"""What `inspect` says of mechanisms, held against programs that share nothing with it: pkcs11-tool, and one in C."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from independent_view import Rows, mechanism_rows
from programs import brought_up, compiler, pkcs11_tool

from workbench import spec, tokens
from workbench.tokens import Token
from workbench.workers import Worker

# pkcs11-tool prints the flags that it knows in words of its own
TOOL_FLAGS = {
    "hw": "CKF_HW",
    "encrypt": "CKF_ENCRYPT",
    "decrypt": "CKF_DECRYPT",
    "digest": "CKF_DIGEST",
    "sign": "CKF_SIGN",
    "sign_recover": "CKF_SIGN_RECOVER",
    "verify": "CKF_VERIFY",
    "verify_recover": "CKF_VERIFY_RECOVER",
    "generate": "CKF_GENERATE",
    "generate_key_pair": "CKF_GENERATE_KEY_PAIR",
    "wrap": "CKF_WRAP",
    "unwrap": "CKF_UNWRAP",
    "derive": "CKF_DERIVE",
    "EC F_P": "CKF_EC_F_P",
    "EC F_2M": "CKF_EC_F_2M",
    "EC parameters": "CKF_EC_ECPARAMETERS",
    "EC OID": "CKF_EC_OID",
    "EC uncompressed": "CKF_EC_UNCOMPRESS",
    "EC compressed": "CKF_EC_COMPRESS",
    "EC curve name": "CKF_EC_CURVENAME",
}


def tool_rows(text: str) -> Rows:
    rows = {}
    for line in text.splitlines()[1:]:
        name, *said = line.strip().split(", ")
        low = high = "0"  # it leaves sizes out that are both 0
        size = re.fullmatch(r"keySize=\{(\d+),(\d+)\}", said[0]) if said else None
        if size is not None:
            low, high = size.groups()
            del said[0]
        flags = sum(spec.value(TOOL_FLAGS[word]) for word in said if not word.startswith("other flags"))
        rows[tool_number(name)] = (int(low), int(high), flags)
    return rows


def tool_number(name: str) -> int:
    if name.startswith("mechtype-"):
        return int(name.removeprefix("mechtype-"), 16)
    return spec.value("CKM_" + name.replace("-", "_"))


def test_pkcs11_tool_lists_the_same_mechanisms_sizes_and_flags_on_softhsm(softhsm: Token) -> None:
    tool, environment = pkcs11_tool()
    command = [tool, "--module", softhsm.module.path, "--token-label", softhsm.label, "--list-mechanisms"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    found = tool_rows(done.stdout)
    assert len(found) == 70
    assert found == mechanism_rows(softhsm)


# not of p11-kit: SoftHSM behind its server adds flags to what stands in memory, which is another thing each time
@pytest.mark.notebook
def test_pkcs11_tool_lists_the_same_mechanisms_sizes_and_flags_on_the_tpm() -> None:
    sandbox, (tool, environment) = brought_up("tpm"), pkcs11_tool()
    exports = tokens.provider("tpm").exports()
    libraries = ":".join(filter(None, (exports.get("LD_LIBRARY_PATH"), environment.get("LD_LIBRARY_PATH"))))
    command = [tool, "--module", str(sandbox.module), "--token-label", sandbox.label, "--list-mechanisms"]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=True,
        env={**environment, **exports, "LD_LIBRARY_PATH": libraries},
    )
    with Worker("tpm") as worker:
        assert tool_rows(done.stdout) == worker.run(mechanism_rows)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("independent") / "mechanisms"
    source = Path(__file__).with_name("mechanisms.c")
    subprocess.run([compiler(), "-Wall", "-Wextra", "-Werror", "-o", made, source, "-ldl"], check=True)
    return made


def rows_of(done: subprocess.CompletedProcess[str]) -> Rows:
    """What the C program printed."""
    rows = [line.split() for line in done.stdout.splitlines()]
    return {int(n, 16): (int(low), int(high), int(flags, 16)) for n, low, high, flags in rows}


def test_a_c_program_lists_the_same_mechanisms_sizes_and_flags(token: Token, program: Path) -> None:
    environment = dict(os.environ)
    if token.module.init_string is not None:
        environment["MODULE_INIT"] = token.module.init_string
    command = [program, token.module.path, token.label]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert len(rows_of(done)) >= 70
    assert rows_of(done) == mechanism_rows(token)


@pytest.mark.notebook
@pytest.mark.parametrize("name", ["p11-kit", "tpm", "nss-new", "freehsm", "opencryptoki"])
def test_a_c_program_lists_the_same_of_modules_that_need_a_process_of_their_own(
    name: str, program: Path
) -> None:
    sandbox = brought_up(name)
    provider = tokens.provider(name)
    # the command ends with the Python to run: another program runs there as well
    command = [*tokens.interpreter(name)[:-1], str(program), str(sandbox.module), sandbox.label]
    environment = {**os.environ, **provider.exports()}
    if sandbox.init_string is not None:
        environment["MODULE_INIT"] = sandbox.init_string
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    with Worker(name) as worker:
        assert rows_of(done) == worker.run(mechanism_rows)
