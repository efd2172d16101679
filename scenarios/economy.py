"""Currencies of tickets, and changes of tickets and fundings during a run."""

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from scenarios.common_job import CommonJob, Nice, Tickets, nice_as_tickets
from scenarios.memory_limits import MemoryTickets
from scenarios.problems import Finding, findings_error
from scenarios.units import Duration
from simulator.currencies import BASE, Currency, currency_problems, unknown_currency

CurrencyName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$", max_length=64)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Funding(_Part):
    """A currency: its tickets share what backs it, so that its holders only ever dilute each other."""

    funding: Tickets = Field(description="Tickets of the parent currency that back it.")
    of: str = Field(default=BASE, description="The parent currency; left out: base, the root of all.")


class Change(_Part):
    """A change during the run: of a job's tickets, or of a currency's funding."""

    at_ns: Duration = Field(alias="at", description="When, from the start of the run.")
    job: str | None = Field(
        default=None, description="Whose tickets; goes with `tickets` or `memory_tickets`."
    )
    tickets: Tickets | None = Field(default=None, description="The job's tickets from then on.")
    nice: Nice | None = Field(default=None, description="Its nice value from then on, in place of tickets.")
    memory_tickets: MemoryTickets | None = Field(
        default=None, description="The job's memory tickets from then on."
    )
    currency: str | None = Field(default=None, description="Whose funding; goes with `funding`.")
    funding: Tickets | None = Field(default=None, description="The currency's funding from then on.")

    @model_validator(mode="before")
    @classmethod
    def _nice_or_tickets(cls, given: object) -> object:
        return nice_as_tickets(given)

    @model_validator(mode="after")
    def _one_of_two_kinds(self) -> Self:
        given = [
            name
            for name in ("job", "tickets", "memory_tickets", "currency", "funding")
            if getattr(self, name) is not None
        ]
        of_job = (
            given[:1] == ["job"] and len(given) > 1 and "currency" not in given and "funding" not in given
        )
        if not of_job and given != ["currency", "funding"]:
            message = (
                "a change names a job and its tickets, nice value or memory_tickets, "
                "or a currency and its funding"
            )
            raise findings_error([Finding((), message, on_key=True)])
        return self


def currencies_of(fundings: Mapping[str, Funding]) -> dict[str, Currency]:
    """Return the currencies as the simulated system knows them."""
    return {name: Currency(spec.funding, spec.of) for name, spec in fundings.items()}


def check_currencies(
    fundings: Mapping[str, Funding], jobs: Mapping[str, CommonJob], changes: tuple[Change, ...]
) -> list[Finding]:
    """Return what is wrong with currencies, and with the jobs and changes that name them."""
    findings = [
        Finding(("currencies", name, *([attribute] if attribute else [])), message, on_key=not attribute)
        for name, attribute, message in currency_problems(currencies_of(fundings))
    ]
    known = [BASE, *fundings]
    findings += [
        Finding(("jobs", name, "currency"), unknown_currency(job.currency, fundings))
        for name, job in jobs.items()
        if job.currency not in known
    ]
    findings += [
        Finding(("changes", index, "currency"), unknown_currency(change.currency, fundings))
        for index, change in enumerate(changes)
        if change.currency is not None and change.currency not in fundings
    ]
    return findings
