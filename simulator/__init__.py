"""The simulated operating system: clock, processes, system calls, CPUs, schedulers, memory."""
