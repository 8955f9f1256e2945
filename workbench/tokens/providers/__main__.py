"""``python -m workbench.tokens.providers NAME MODULE``: make a sandbox token here and print its serial number.

The process that a provider starts, under the interpreter that the module needs. Nothing secret is printed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from workbench.cryptoki import CryptokiError
from workbench.faults import WorkbenchError
from workbench.tokens.providers import provider
from workbench.tokens.providers.base import make


def main() -> int:
    """Exit 0 with one line of JSON, or 1 with one line of reason."""
    try:
        serial = make(provider(sys.argv[1]), Path(sys.argv[2]))
    except (WorkbenchError, CryptokiError) as error:
        print(str(error).splitlines()[0], file=sys.stderr)
        return 1
    print(json.dumps({"serial": serial}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
