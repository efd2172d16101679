"""The system calls: all that a program can ask of the kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from simulator.process import ProcessExit

if TYPE_CHECKING:
    import simpy

    from simulator.burst import Burst
    from simulator.channels import Request, Source
    from simulator.machine import Machine
    from simulator.process import Process
    from simulator.process_memory import ProcessMemory


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
        return self._machine.dispatcher.demand(self._process.pid, int(cpu_ns))

    def execute(self, burst: Burst) -> simpy.Event:
        """Run a recorded burst: its operations, with their mallocs and frees, as one demand for the CPU.

        Where the heap cannot serve a malloc, the program receives OutOfMemory when it gets there; likewise
        InvalidFree.
        """
        memory, pid = self._memory, self._process.pid
        received = int(self._machine.dispatcher.state.processes.cpu_ns[pid])
        trajectory = memory.begin(burst, received)
        if trajectory.failure is not None:
            failure = trajectory.failure
            event = self._machine.dispatcher.demand(pid, failure.offset_ns, failure.error)
        else:
            event = self._machine.dispatcher.demand(pid, burst.cpu_ns)
        event.callbacks.append(lambda _: memory.finish())
        return event

    def malloc(self, size: int) -> int:
        """Return the address of `size` new bytes on the heap.

        Raises:
            OutOfMemory: the heap has no room for them.
        """
        return self._memory.malloc(size)

    def free(self, address: int) -> None:
        """Give a block back.

        Raises:
            InvalidFree: no block begins there.
        """
        self._memory.free(address)

    def sleep(self, duration_ns: int) -> simpy.Event:
        """Block for `duration_ns` nanoseconds."""
        return self._machine.clock.timeout(int(duration_ns))

    def receive(self, source: Source) -> simpy.Event:
        """Block until there is a request; the event's value is the request."""
        return source.receive()

    def reply(self, request: Request) -> None:
        """Finish a request."""
        request.finished_ns = self.now_ns

    def set_tickets(self, tickets: int) -> None:
        """Change the process's own tickets.

        Raises:
            ValueError: a negative number.
        """
        self._machine.set_tickets(self._process, tickets)

    def exit(self, code: int = 0) -> NoReturn:
        """End the process."""
        raise ProcessExit(code)

    @property
    def _memory(self) -> ProcessMemory:
        memory = self._process.memory
        if memory is None:
            raise RuntimeError(f"process {self._process.pid} has ended and makes no more system calls")
        return memory
