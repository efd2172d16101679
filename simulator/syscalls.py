"""The system calls: all that a program can ask of the kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from simulator.calls import Call, CallError
from simulator.channels import Channel
from simulator.process import ProcessExit
from simulator.tables import NEVER

if TYPE_CHECKING:
    from collections.abc import Generator

    import numpy as np
    import simpy
    from numpy.typing import NDArray

    from simulator.burst import Burst
    from simulator.channels import Request
    from simulator.machine import Machine
    from simulator.memory.address_space import Access
    from simulator.process import Process, Program
    from simulator.process_memory import ProcessMemory
    from simulator.sources import Source


class SystemCalls:
    """The kernel as one process sees it.

    Calls that can block return an event, to be yielded: `yield system.compute(5_000_000)`. The others take
    effect at once. An error that a program does not catch ends its process, with the reason on record.
    """

    def __init__(self, machine: Machine, process: Process) -> None:
        self._machine = machine
        self._process = process

    @property
    def now_ns(self) -> int:
        """The time in nanoseconds."""
        return self._machine.clock.now_ns

    @property
    def pid(self) -> int:
        """The calling process."""
        return self._process.pid

    def compute(self, cpu_ns: int) -> simpy.Event:
        """Use the CPU for `cpu_ns` nanoseconds of execution, however long the wait for it.

        Raises:
            ValueError: a negative time.
        """
        if cpu_ns < 0:
            raise ValueError(f"cannot compute for {cpu_ns} ns")
        return self._machine.memory_work.compute(self._process, int(cpu_ns))

    def execute(self, burst: Burst) -> simpy.Event:
        """Run a recorded burst: its operations, with their mallocs and frees, as one demand for the CPU.

        The threads of the process share the operations that can be shared. Where the heap cannot serve a
        malloc, the program receives OutOfMemory when it gets there; likewise InvalidFree.
        """
        machine, process = self._machine, self._process
        return machine.memory_work.execute(process, burst, lambda: machine.received_ns(process))

    def malloc(self, size: int) -> int:
        """Return the address of `size` new bytes on the heap.

        Raises:
            OutOfMemory: the heap has no room for them.
        """
        return self._heap.malloc(size)

    def calloc(self, count: int, size: int) -> int:
        """Return the address of `count` times `size` new bytes on the heap, all zero.

        The time that clearing them takes is spent with the next demand.

        Raises:
            OutOfMemory: the heap has no room for them, or the product overflows.
        """
        self._machine.memory_calls.note_on_cpu(self._process)
        return self._heap.calloc(count, size)

    def realloc(self, address: int, size: int) -> int:
        """Return the address of a block of `size` bytes that holds what the block at `address` held.

        The time that copying takes, if it moves, is spent with the next demand.

        Raises:
            OutOfMemory: the heap has no room for it; the old block stays.
            InvalidFree: no block begins there.
        """
        self._machine.memory_calls.note_on_cpu(self._process)
        return self._heap.realloc(address, size)

    def aligned_alloc(self, alignment: int, size: int) -> int:
        """Return the address, a multiple of `alignment`, of `size` new bytes on the heap.

        Raises:
            OutOfMemory: the heap has no room for them.
            ValueError: the alignment is no power of two.
        """
        return self._heap.aligned_alloc(alignment, size)

    def free(self, address: int) -> None:
        """Give a block back.

        Raises:
            InvalidFree: no block begins there.
            ProcessAbort: as with InvalidFree, or the allocator's own words were written over, on a heap that
                keeps them in memory.
        """
        self._heap.free(address)

    @property
    def code_start(self) -> int:
        """Virtual address of the first byte of the program."""
        return self._memory.space.code_start

    @property
    def stack_top(self) -> int:
        """Virtual address behind the last byte of the stack, which grows down from there."""
        return self._memory.space.stack_top

    @property
    def stack_pointer(self) -> int:
        """Virtual address of the last byte that was pushed; a program that keeps a stack moves it.

        The kernel does not need it. Where memcheck is on, what lies below is not to be used, and what comes
        into use again has not been written.
        """
        return self._memory.stack_pointer

    @stack_pointer.setter
    def stack_pointer(self, address: int) -> None:
        self._memory.move_stack(address)

    def enter(self, function: str) -> None:
        """Say that a function is called; so, with `leave` and `at`, diagnoses can name places."""
        self._process.position.enter(function)

    def leave(self) -> None:
        """Say that the function entered last returns."""
        self._process.position.leave()

    def at(self, where: str) -> None:
        """Say where in the innermost function the program is: "line 12"."""
        self._process.position.at(where)

    def print(self, text: str) -> None:
        """Put a line of output on record, among the events."""
        self._machine.tell(self._process, "print", text)

    def load(self, address: int, size: int) -> simpy.Event:
        """Read `size` bytes at a virtual address; the event's value is the bytes.

        Raises:
            MemoryFault: the process may not read there.
            OutOfMemory: there is no memory to serve a page fault with.
            ProcessAbort: memcheck found something, and that is to end the process.
        """
        return self._machine.memory_work.load(self._process, address, size)

    def store(self, address: int, data: bytes) -> simpy.Event:
        """Write bytes at a virtual address.

        Raises:
            MemoryFault: the process may not write there.
            OutOfMemory: there is no memory to serve a page fault with.
            ProcessAbort: memcheck found something, and that is to end the process.
        """
        return self._machine.memory_work.store(self._process, address, data)

    def access(self, addresses: NDArray[np.int64], access: Access) -> simpy.Event:
        """Use one virtual address after another, whatever the bytes there are.

        Raises:
            MemoryFault: the process may not use one of them so; those before it were used.
            OutOfMemory: there is no memory to serve a page fault with.
            ProcessAbort: memcheck found something, and that is to end the process.
        """
        return self._machine.memory_work.access(self._process, addresses, access)

    def foresee(self, addresses: NDArray[np.int64]) -> None:
        """Say that the process will `access` these addresses in this order, over and over from now on.

        It costs nothing and changes nothing, but that the optimal replacement policy can know the future.
        """
        self._memory.space.foresee(addresses)

    def load_file(self, name: str, size: int) -> int:
        """Have a file that is only read in memory, and return its address.

        Under paging, processes that load a file of the same name share its pages; elsewhere it is read into
        the heap. The time that it takes is spent with the next demand.

        Raises:
            OutOfMemory: there is no room for it.
        """
        address = self._machine.memory_calls.map_file(self._process, name, size)
        return self.malloc(size) if address is None else address

    def fork(self, program: Program, tickets: int | None = None) -> int:
        """Create a child with a copy of this process's memory, heap included, and return its pid.

        A program cannot be copied in the middle, so the child runs one of its own.

        Args:
            program: what the child runs.
            tickets: its tickets, in this process's currency; None for as many as this process has.

        Raises:
            OutOfMemory: there is no room for the copy.
            ForkError: the translation mechanism cannot copy an address space.
        """
        return self._machine.fork(self._process, program, tickets)

    def wait(self, pid: int) -> simpy.Event:
        """Block until a process has ended; the event's value is its `ExitRecord`.

        Raises:
            CallError: there is no process of that pid.
        """
        return self._machine.wait_for(pid)

    def sleep(self, duration_ns: int) -> simpy.Event:
        """Block for `duration_ns` nanoseconds."""
        return self._machine.clock.timeout(int(duration_ns))

    def receive(self, source: Source | Channel) -> simpy.Event:
        """Block until there is a request; the event's value is the request.

        The tickets that a call lends come with it.
        """
        if isinstance(source, Channel):
            return self._machine.calls.receive(self._process, source)
        return source.receive(self._process.pid)

    def reply(self, request: Request) -> None:
        """Finish a request; that of another process wakes it and returns its tickets."""
        request.finished_ns = self.now_ns
        if isinstance(request, Call):
            self._machine.calls.reply(request)
        elif request.source is not None:
            request.source.finish(request)

    def serve(
        self, source: Source, burst: Burst, requests: int | None = None
    ) -> Generator[simpy.Event, Any, None]:
        """Answer requests with a burst each, one after another: `yield from system.serve(source, burst)`.

        The same as to receive, execute and reply over and over, and quicker to simulate: once the burst
        leaves memory as it found it and faults no more, the kernel goes on by itself, and no request costs
        an event.

        Args:
            source: where the requests come from.
            burst: what each of them takes.
            requests: how many to answer; None to go on and on.
        """
        memory, served = self._memory, 0
        while requests is None or served < requests:
            due = self._machine.throttle.is_due(self._process)
            if burst.cpu_ns > 0 and not due and memory.is_steady(burst):
                rounds = NEVER if requests is None else requests - served
                # It comes back early if memory gets short.
                yield self._machine.serve(self._process, source, burst, rounds)
                served += self._machine.served(source)
                continue
            request = yield self.receive(source)
            yield self.execute(burst)
            self.reply(request)
            served += 1

    def request(self, channel: Channel, tickets: int | None = None) -> simpy.Event:
        """Ask whoever serves a channel, and block until the reply; the event's value is the request.

        While the process waits, its tickets work for the server.

        Args:
            channel: where the server receives.
            tickets: how many of the tickets in hand to lend; None for all.

        Raises:
            CallError: all that ever served the channel have ended; or, in place of the reply, they do now.
            TicketError: more tickets than the process has in hand.
        """
        return self._machine.calls.ask(self._process, channel, tickets)

    def transfer(self, to_pid: int, tickets: int) -> None:
        """Hand tickets in hand to another process, for good.

        They stay tickets of this process's currency, and vanish when this process ends.

        Raises:
            CallError: the other process has ended, or there is none of that pid.
            TicketError: more tickets than the process has in hand, or a negative number.
        """
        processes = self._machine.processes
        if not 0 <= to_pid < len(processes):
            raise CallError(f"cannot transfer {tickets} tickets: there is no process {to_pid}")
        self._machine.calls.transfer(self._process, processes[to_pid], tickets)

    def set_tickets(self, tickets: int) -> None:
        """Change the process's own tickets, in its currency.

        Raises:
            TicketError: a negative number, or fewer than others hold of them.
        """
        self._machine.set_tickets(self._process, tickets)

    def exit(self, code: int = 0) -> NoReturn:
        """End the process."""
        raise ProcessExit(code)

    @property
    def _heap(self) -> ProcessMemory:
        memory = self._memory
        if memory.heap.log is not None:
            memory.heap.log.now_ns = self._machine.received_ns(self._process)
        if memory.heap.config.tagged:
            self._machine.memory_calls.note_on_cpu(self._process)
        return memory

    @property
    def _memory(self) -> ProcessMemory:
        memory = self._process.memory
        if memory is None:
            raise RuntimeError(f"process {self._process.pid} has ended and makes no more system calls")
        return memory
