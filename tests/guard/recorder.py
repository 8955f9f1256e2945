"""A PKCS#11 module of ours that stands in front of another and writes down what it is asked.

Its C source is made from the tables of the standard: every function of v2.40 hands its call on to the real module
(``RECORDER_TARGET``) and appends one line to a file (``RECORDER_LOG``). It holds numbers only: handles, flags,
kinds of user, mechanisms, types of attributes, CKA_TOKEN; nothing that was behind a pointer to bytes.

``RECORDER_FAULTS`` names a file with what real devices do and no software token can be made to do, one a line:

    flags HEX               C_GetTokenInfo's flags have these too
    answer FUNCTION N HEX   the Nth call of the function is answered so and not handed on
    slow FUNCTION N MS      after N calls of the function each one takes so much longer
    keep FUNCTION           the function makes token objects, whatever CKA_TOKEN says
"""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import attrs

from workbench import spec
from workbench.spec.declarations import cdef

__all__ = ["Asked", "build", "counted", "read"]

_HEAD = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static CK_FUNCTION_LIST *real;
static CK_FUNCTION_LIST ours;

struct line { char text[4096]; int length; };

static void add(struct line *line, const char *name, unsigned long value) {
    if (line->length < 4000)
        line->length += snprintf(line->text + line->length, 64, " %s=%lu", name, value);
}

static void begin(struct line *line, const char *function) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    line->length = snprintf(line->text, 128, "%lld %d %s",
                            now.tv_sec * 1000000000LL + now.tv_nsec, getpid(), function);
}

static CK_RV end(struct line *line, CK_RV rv) {
    static int file = -1;
    if (file < 0) file = open(getenv("RECORDER_LOG"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    add(line, "rv", rv);
    line->text[line->length++] = '\n';
    if (write(file, line->text, line->length) != line->length) abort();
    return rv;
}

static void attributes(struct line *line, CK_ATTRIBUTE *given, CK_ULONG count) {
    for (CK_ULONG i = 0; given && i < count; i++) {
        add(line, "attribute", given[i].type);
        if (given[i].type == CKA_TOKEN && given[i].pValue && given[i].ulValueLen)
            add(line, "token", *(unsigned char *)given[i].pValue != 0);
    }
}

/* The line of the faults that begins so, or 0; the numbers behind it. */
static int fault(const char *kind, const char *function, unsigned long *first, unsigned long *second) {
    const char *path = getenv("RECORDER_FAULTS");
    FILE *file = path ? fopen(path, "r") : 0;
    char text[256], what[64], whom[64];
    int found = 0;
    while (file && !found && fgets(text, sizeof text, file)) {
        *first = *second = 0;
        if (sscanf(text, "%63s %63s %lu %li", what, whom, first, (long *)second) < 2) continue;
        found = !strcmp(what, kind) && (!function || !strcmp(whom, function));
        if (found && !function) *first = strtoul(whom, 0, 16);
    }
    if (file) fclose(file);
    return found;
}

/* Whether the call is answered here; how often the function was called is counted here too. */
static int answered(const char *function, unsigned long *calls, CK_RV *rv) {
    unsigned long number, value, count = __atomic_add_fetch(calls, 1, __ATOMIC_SEQ_CST);
    if (fault("slow", function, &number, &value) && count > number) usleep(value * 1000);
    if (!fault("answer", function, &number, &value) || count != number) return 0;
    *rv = value;
    return 1;
}

/* The template, or a copy of it that asks for a token object. */
static CK_ATTRIBUTE *kept(const char *function, CK_ATTRIBUTE *given, CK_ULONG *count) {
    static CK_BYTE yes = 1;
    unsigned long unused, other;
    if (!fault("keep", function, &unused, &other)) return given;
    CK_ATTRIBUTE *copy = calloc(*count + 1, sizeof *copy);
    CK_ULONG n = 0;
    for (CK_ULONG i = 0; i < *count; i++) if (given[i].type != CKA_TOKEN) copy[n++] = given[i];
    copy[n].type = CKA_TOKEN; copy[n].pValue = &yes; copy[n++].ulValueLen = 1;
    *count = n;
    return copy;
}
"""

_TAIL = r"""
CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR ppFunctionList) {
    if (!real) {
        void *library = dlopen(getenv("RECORDER_TARGET"), RTLD_NOW | RTLD_LOCAL);
        CK_C_GetFunctionList get = library ? (CK_C_GetFunctionList)dlsym(library, "C_GetFunctionList") : 0;
        if (!get || get(&real)) return 5;
        ours.version = real->version;
FORWARDED    }
    *ppFunctionList = &ours;
    return 0;
}
"""


def _function(function: spec.Function) -> str:
    name, params = function.name, function.params
    head = ", ".join(f"{p.ctype} {p.name}" for p in params) or "void"
    before, after, reshaped = [], [], []
    for place, p in enumerate(params):
        if p.ctype == "CK_MECHANISM_PTR" and p.direction == "in":
            before.append(f'if ({p.name}) add(&line, "mechanism", {p.name}->mechanism);')
        elif p.ctype == "CK_ATTRIBUTE_PTR":
            count = params[place + 1].name
            before.append(f"attributes(&line, {p.name}, {count});")
            if name != "C_GetAttributeValue":
                reshaped.append(f'{p.name} = kept("{name}", {p.name}, &{count});')
        elif p.ctype in ("CK_OBJECT_HANDLE_PTR", "CK_SESSION_HANDLE_PTR") and name != "C_FindObjects":
            after.append(f'if (!rv && {p.name}) add(&line, "made", *{p.name});')
        elif not p.ctype.endswith("_PTR") and p.ctype != "CK_NOTIFY" and "Pin" not in p.name:
            before.append(f'add(&line, "{p.name}", {p.name});')
    if name == "C_GetTokenInfo":
        after.append('unsigned long f, g; if (!rv && fault("flags", 0, &f, &g)) pInfo->flags |= f;')
    if name == "C_FindObjects":
        after.append('if (!rv) add(&line, "found", *pulObjectCount);')
    call = f"real->{name}({', '.join(p.name for p in params)})"
    return f"""static CK_RV {name}_({head}) {{
    static unsigned long calls; struct line line; CK_RV rv;
    begin(&line, "{name}"); {" ".join(before)}
    if (answered("{name}", &calls, &rv)) return end(&line, rv);
    {" ".join(reshaped)}
    rv = {call};
    {" ".join(after)}
    return end(&line, rv);
}}
"""


def source() -> str:
    """The module's C source."""
    functions = [f for f in spec.functions() if f.introduced == "2.40"]
    forwarded = [f for f in functions if f.name != "C_GetFunctionList"]
    listed = "".join(f"        if (real->{f.name}) ours.{f.name} = {f.name}_;\n" for f in forwarded)
    listed += "        ours.C_GetFunctionList = C_GetFunctionList;\n"
    define = f"#define CKA_TOKEN {spec.value('CKA_TOKEN')}\n"
    return "".join([cdef(), define, _HEAD, *map(_function, forwarded), _TAIL.replace("FORWARDED", listed)])


def build(directory: Path, compiler: str) -> Path:
    """Compile the module; its file."""
    text, module = directory / "recorder.c", directory / "recorder.so"
    text.write_text(source(), encoding="utf-8")
    command = [compiler, "-shared", "-fPIC", "-O0", "-w", "-o", str(module), str(text), "-ldl"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return module


@attrs.frozen
class Asked:
    """One call that reached the module: when (ns), from which process, its numbers, and the answer."""

    ns: int
    pid: int
    function: str
    numbers: tuple[tuple[str, int], ...]

    def __getitem__(self, name: str) -> int | None:
        return next((value for key, value in self.numbers if key == name), None)

    @property
    def rv(self) -> int:
        return self["rv"] or 0

    @property
    def token(self) -> bool:
        """Whether a template of the call asked for a token object."""
        return ("token", 1) in self.numbers


def read(log: Path, offset: int = 0) -> list[Asked]:
    """The calls in the order of their answers, from an offset in bytes on."""
    asked = []
    for line in log.read_bytes()[offset:].decode("ascii").splitlines() if log.exists() else ():
        ns, pid, function, *rest = line.split()
        pairs = tuple((name, int(value)) for name, value in (one.split("=") for one in rest))
        asked.append(Asked(int(ns), int(pid), function, pairs))
    return asked


def counted(asked: Iterable[Asked]) -> Counter[str]:
    """How often each function was called."""
    return Counter(one.function for one in asked)
