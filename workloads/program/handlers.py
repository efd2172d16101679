"""What each instruction does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.memory.errors import ForkError, OutOfMemory, ProcessAbort
from simulator.memory.tagged_heap import NoFrame
from workloads.program import code

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import simpy

    from simulator.syscalls import SystemCalls
    from workloads.program.interpreter import Interpreter

    Steps = Generator[simpy.Event, Any, Any]

PIECE_BYTES = 1 << 16
"""Long ranges are read and written in such pieces, so that a size of 2**64 - 1 ends with a fault."""
MOST_PRINTED = 80
FIRST_SHOWN, LAST_SHOWN = 0x20, 0x7E
WORD = 1 << 64


def _signed(value: int) -> int:
    return value - WORD if value >= WORD // 2 else value


def _local(run: Interpreter, step: code.Local) -> Steps:
    run.make_local(step.name, step.size)
    yield from ()


def _assign(run: Interpreter, step: code.Assign) -> Steps:
    value = yield from run.value(step.value)
    yield run.store_word((yield from run.value(step.to)), value)


def _malloc(run: Interpreter, step: code.Malloc) -> Steps:
    size = _signed((yield from run.value(step.size)))
    count = None if step.count is None else _signed((yield from run.value(step.count)))
    into = yield from run.address(step.into)
    try:
        address = run.system.malloc(size) if count is None else run.system.calloc(count, size)
    except NoFrame:
        raise
    except OutOfMemory:
        address = 0
    yield run.store_word(into, address)


def _realloc(run: Interpreter, step: code.Realloc) -> Steps:
    of = yield from run.value(step.of)
    size = _signed((yield from run.value(step.size)))
    into = yield from run.address(step.into)
    try:
        address = run.system.realloc(of, size)
    except NoFrame:
        raise
    except OutOfMemory:
        address = 0
    yield run.store_word(into, address)


def _free(run: Interpreter, step: code.Free) -> Steps:
    run.system.free((yield from run.value(step.pointer)))


def _write(run: Interpreter, step: code.Write) -> Steps:
    address = yield from run.value(step.to)
    yield run.system.store(address, step.data)


def _fill(run: Interpreter, step: code.Fill) -> Steps:
    address = yield from run.value(step.to)
    size = yield from run.value(step.size)
    for start in range(0, size, PIECE_BYTES):
        length = min(PIECE_BYTES, size - start)
        yield run.system.store(address + start, bytes([step.byte]) * length)


def _read(run: Interpreter, step: code.Read) -> Steps:
    address = yield from run.value(step.address)
    size = yield from run.value(step.size)
    data = b""
    for start in range(0, size, PIECE_BYTES):
        data = yield run.system.load(address + start, min(PIECE_BYTES, size - start))
    if step.into is not None:
        yield run.store_word((yield from run.address(step.into)), int.from_bytes(data[:8], "little"))


def _copy(run: Interpreter, step: code.Copy) -> Steps:
    address, to = (yield from run.value(step.address)), (yield from run.value(step.to))
    size = yield from run.value(step.size)
    for start in range(0, size, PIECE_BYTES):
        data = yield run.system.load(address + start, min(PIECE_BYTES, size - start))
        yield run.system.store(to + start, data)


def _call(run: Interpreter, step: code.Call) -> Steps:
    arguments = []
    for argument in step.arguments:
        arguments.append((yield from run.value(argument)))  # noqa: PERF401 - each of them takes time
    yield from run.enter(step.function, arguments, step.into)


def _return(run: Interpreter, step: code.Return) -> Steps:
    yield from run.leave((yield from run.value(step.value)))


def _compute(run: Interpreter, step: code.Compute) -> Steps:
    yield run.system.compute(step.cpu_ns)


def _sleep(run: Interpreter, step: code.Sleep) -> Steps:
    yield run.system.sleep(step.duration_ns)


def _fork(run: Interpreter, step: code.Fork) -> Steps:
    arguments = []
    for argument in step.arguments:
        arguments.append((yield from run.value(argument)))  # noqa: PERF401 - each of them takes time

    def child(system: SystemCalls) -> Steps:
        yield from run.child(system).run_function(step.function, arguments)

    try:
        pid = run.system.fork(child)
        run.children.append(pid)
    except ForkError:
        pid = -1
    if step.into is not None:
        yield run.store_word((yield from run.address(step.into)), pid)


def _wait(run: Interpreter, _step: code.Wait) -> Steps:
    while run.children:
        yield run.system.wait(run.children.pop(0))


def _exit(run: Interpreter, step: code.Exit) -> Steps:
    yield from ()
    run.system.exit(step.code)


def _print(run: Interpreter, step: code.Print) -> Steps:
    text = step.text
    if step.value is not None:
        text += str(_signed((yield from run.value(step.value))))
    if step.address is not None:
        text += f"{(yield from run.value(step.address)):#x}"
    if step.string is not None:
        at, data = (yield from run.value(step.string)), b""
        if step.size is not None:
            data = yield run.system.load(at, min((yield from run.value(step.size)), MOST_PRINTED))
        while step.size is None and len(data) < MOST_PRINTED and not data.endswith(b"\0"):
            data += yield run.system.load(at + len(data), 1)
        text += _shown(data.removesuffix(b"\0") if step.size is None else data)
    run.system.print(text)


def _shown(data: bytes) -> str:
    """Return bytes as text, those that are no printable ASCII as numbers."""
    return "".join(chr(byte) if FIRST_SHOWN <= byte <= LAST_SHOWN else f"\\x{byte:02x}" for byte in data)


def _expect(run: Interpreter, step: code.Expect) -> Steps:
    found = yield from run.value(step.value)
    wanted = yield from run.value(step.is_value)
    if found != wanted:
        raise ProcessAbort(f"assertion `{step.said}' failed: {_signed(found)} and {_signed(wanted)}")


def _jump(run: Interpreter, step: code.Jump) -> Steps:
    run.frames[-1].next = step.to
    yield from ()


def _jump_if_zero(run: Interpreter, step: code.JumpIfZero) -> Steps:
    if (yield from run.value(step.value)) == 0:
        run.frames[-1].next = step.to


def _begin_loop(run: Interpreter, step: code.BeginLoop) -> Steps:
    run.frames[-1].counters[step.number] = 0
    if step.counter is not None:
        yield run.store_word((yield from run.address(step.counter)), 0)


def _test_loop(run: Interpreter, step: code.TestLoop) -> Steps:
    count = _signed((yield from run.value(step.count)))
    done = run.frames[-1].counters[step.number]
    if step.counter is not None:
        done = _signed((yield from run.load_word((yield from run.address(step.counter)))))
    if done >= count:
        run.frames[-1].next = step.to


def _next_loop(run: Interpreter, step: code.NextLoop) -> Steps:
    frame = run.frames[-1]
    frame.counters[step.number] += 1
    if step.counter is not None:
        address = yield from run.address(step.counter)
        yield run.store_word(address, (yield from run.load_word(address)) + 1)
    frame.next = step.to


HANDLERS: dict[type[code.Instruction], Callable[[Interpreter, Any], Steps]] = {
    code.Local: _local,
    code.Assign: _assign,
    code.Malloc: _malloc,
    code.Realloc: _realloc,
    code.Free: _free,
    code.Write: _write,
    code.Fill: _fill,
    code.Read: _read,
    code.Copy: _copy,
    code.Call: _call,
    code.Return: _return,
    code.Compute: _compute,
    code.Sleep: _sleep,
    code.Fork: _fork,
    code.Wait: _wait,
    code.Exit: _exit,
    code.Print: _print,
    code.Expect: _expect,
    code.Jump: _jump,
    code.JumpIfZero: _jump_if_zero,
    code.BeginLoop: _begin_loop,
    code.TestLoop: _test_loop,
    code.NextLoop: _next_loop,
}
