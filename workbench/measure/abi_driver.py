"""The calls of an operation through cffi's ABI mode: the fallback where no compiler built the kernel."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from workbench.cryptoki.library import ffi
from workbench.measure.jobs import COUNTER_BYTES, IV_BYTES, Job, Limits, Stop, ThreadResult
from workbench.measure.operations import CLEANING, MULTI_PART, OPERATIONS, QUERIES
from workbench.measure.thread_driver import Call, Steps, drive_threads

__all__ = ["drive_abi"]

BLOCK = 16  # bytes; as in native/operations.c


def drive_abi(jobs: Sequence[Job], limits: Limits, stop: Stop) -> list[ThreadResult]:
    """Run the jobs in threads of Python."""
    return drive_threads(jobs, limits, stop, steps)


def steps(job: Job) -> Steps:
    """One operation of a job: what stands before the clock, on it, and after."""
    first, others, cleaning = _Calls(job).made()
    turn = turn_of_the_iv(job)
    timed = job.work.timed
    if job.operation == "initialize":  # C_Initialize is its second call
        timed = {"all": "all", "init": "rest", "rest": "init"}[timed]  # type: ignore[assignment]
    if timed == "init":
        return Steps(_chain(first), _chain(turn), _chain(others, cleaning))
    if timed == "rest":
        return Steps(_chain(others), _chain(turn, first), _chain(cleaning))
    return Steps(_chain(first, others), _chain(turn), _chain(cleaning))


def _chain(*parts: list[Call]) -> Any:
    """The calls one after the other until one fails, as one call; None for none."""
    calls = [call for part in parts for call in part]
    if len(calls) < 2:
        return calls[0] if calls else None
    if len(calls) == 2:
        one, two = calls
        return lambda: one() or two()

    def chain() -> int:
        for call in calls:
            rv = call()
            if rv:
                return rv
        return 0

    return chain


def turn_of_the_iv(job: Job) -> list[Call]:
    """An IV moves on even when the call fails; one that the token makes is zero before."""
    if job.counter:
        counter = ffi().buffer(job.counter, COUNTER_BYTES)

        def advance() -> int:
            counter[:] = (int.from_bytes(counter[:], "big") + 1).to_bytes(COUNTER_BYTES, "big")
            return 0

        return [advance]
    if job.fresh_iv:
        room, zero = ffi().buffer(job.fresh_iv, IV_BYTES), bytes(IV_BYTES)

        def clear() -> int:
            room[:] = zero
            return 0

        return [clear]
    return []


class _Calls:
    """The calls of one operation with their arguments, which never change."""

    def __init__(self, job: Job) -> None:
        self.job, self.work = job, job.work
        self.functions = ffi().cast("CK_FUNCTION_LIST_PTR", job.lists.v2_40)
        self.functions_3_2 = ffi().cast("CK_FUNCTION_LIST_3_2_PTR", job.lists.v3_2)
        self.length = ffi().new("CK_ULONG *")
        self.made_here = ffi().new("CK_OBJECT_HANDLE[2]")

    def made(self) -> tuple[list[Call], list[Call], list[Call]]:
        """The first call, the others, and the removal of what was made."""
        first, *names = OPERATIONS[self.job.operation]
        others = [name for name in names if name not in CLEANING]
        cleaning = [self._destroy(place) for place in range(len(names) - len(others))]
        return self._single(first), self._others(others), cleaning

    def _others(self, names: list[str]) -> list[Call]:
        if self.work.parts:
            return self._parts()
        if self.job.operation == "find":
            return [self._search(names)]
        return [call for name in names for call in self._single(name)]

    def _single(self, name: str) -> list[Call]:
        asked = self.work.length_query and name == QUERIES[self.job.operation]
        return [self._query(name), self._call(name)] if asked else [self._call(name)]

    def _arguments(self, name: str) -> tuple[Any, ...]:
        job, work, session = self.job, self.work, self.job.session
        data = (job.data, job.data_length)
        output = (job.output, self.length)
        templates = [argument for array, rooms in job.templates for argument in (array, len(rooms))]
        one, two = self.made_here, self.made_here + 1
        match name:
            case "C_DigestInit":
                return session, job.mechanism
            case "C_SignInit" | "C_VerifyInit" | "C_EncryptInit" | "C_DecryptInit":
                return session, job.mechanism, work.key
            case "C_Sign" | "C_Encrypt" | "C_Decrypt" | "C_Digest":
                return session, *data, *output
            case "C_Verify":
                return session, *data, job.signature, len(work.signature)
            case "C_SignFinal" | "C_EncryptFinal" | "C_DecryptFinal" | "C_DigestFinal":
                return session, *output
            case "C_VerifyFinal":
                return session, job.signature, len(work.signature)
            case "C_GenerateRandom":
                return session, job.output, work.capacity
            case "C_SeedRandom":
                return session, *data
            case "C_GenerateKey":
                return session, job.mechanism, *templates, one
            case "C_GenerateKeyPair":
                return session, job.mechanism, *templates, one, two
            case "C_WrapKey":
                return session, job.mechanism, work.key, work.target, *output
            case "C_UnwrapKey":
                return session, job.mechanism, work.key, *data, *templates, one
            case "C_DeriveKey":
                return session, job.mechanism, work.key, *templates, one
            case "C_EncapsulateKey":
                return session, job.mechanism, work.key, *templates, *output, one
            case "C_DecapsulateKey":
                return session, job.mechanism, work.key, *templates, *data, one
            case "C_FindObjectsInit":
                return session, *templates
            case "C_FindObjects":
                return session, job.output, work.capacity, self.length
            case "C_GetAttributeValue":
                return session, work.key, *templates
            case "C_OpenSession":
                return work.slot, work.flags, ffi().NULL, ffi().NULL, one
            case "C_Login":
                return session, work.flags, *data
            case "C_Initialize":
                return (job.arguments,)
            case "C_Finalize":
                return (ffi().NULL,)
            case _:  # C_FindObjectsFinal, C_Logout
                return (session,)

    def _function(self, name: str) -> Any:
        new = name in ("C_EncapsulateKey", "C_DecapsulateKey")
        return getattr(self.functions_3_2 if new else self.functions, name)

    def _call(self, name: str) -> Call:
        function, arguments = self._function(name), self._arguments(name)
        length, capacity = self.length, self.work.capacity
        if name == "C_CloseSession":
            made = self.made_here
            return lambda: int(function(made[0]))
        if not any(argument is length for argument in arguments):
            return partial(function, *arguments)

        bound: Call = partial(function, *arguments)

        def call() -> int:
            length[0] = capacity
            return bound()

        return call

    def _query(self, name: str) -> Call:
        function, (*arguments, _, length) = self._function(name), self._arguments(name)
        null = ffi().NULL
        return partial(function, *arguments, null, length)

    def _search(self, names: list[str]) -> Call:
        """A search that failed is over only after the final call."""
        find, final = (self._call(name) for name in names)

        def search() -> int:
            rv = find()
            ended = final()
            return rv or ended

        return search

    def _destroy(self, place: int) -> Call:
        function, session, made = self.functions.C_DestroyObject, self.job.session, self.made_here
        return lambda: int(function(session, made[place]))

    def _parts(self) -> list[Call]:
        """The updates, of whole blocks but for the last, which takes what does not divide, and the final call."""
        update_name, final_name = MULTI_PART[self.job.operation]
        update, final = self._function(update_name), self._function(final_name)
        count, job, length = self.work.parts, self.job, self.length
        piece = job.data_length // count
        piece -= piece % BLOCK if piece > BLOCK else 0
        places = [(job.data + i * piece, piece) for i in range(count - 1)]
        places.append((job.data + (count - 1) * piece, job.data_length - (count - 1) * piece))
        if job.operation not in ("encrypt", "decrypt"):
            taking: list[Call] = [partial(update, job.session, *place) for place in places]
            return [*taking, self._call(final_name)]
        session, output, room = job.session, job.output, self.work.capacity

        def moving() -> int:
            written = 0
            for start, size in places:
                length[0] = room - written
                rv = update(session, start, size, output + written, length)
                if rv:
                    return int(rv)
                written += length[0]
            length[0] = room - written
            return int(final(session, output + written, length))

        return [moving]
