"""Schedulers: one file per policy, behind the contract in `simulator.schedulers.base`."""
