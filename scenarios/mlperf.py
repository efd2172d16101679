"""The four scenarios of MLPerf Inference's load generator, as ways for requests to arrive.

Source: Reddi and others, "MLPerf Inference Benchmark", ISCA 2020, and the rules of MLPerf Inference since, in
which a multi-stream query follows the answer to the last one. In the paper it came at fixed times.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from scenarios.units import PositiveDuration

Samples = Annotated[int, Field(strict=True, ge=1, le=10_000_000)]


class MlperfArrivals(BaseModel):
    """What the four have in common: no request is dropped."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @property
    def samples_per_query(self) -> int:
        """Requests that are one query: its latency is that of the last of them to be answered."""
        return 1


class SingleStream(MlperfArrivals):
    """MLPerf's single stream: the next query of one sample is sent when the last one is answered."""


class MultiStream(MlperfArrivals):
    """MLPerf's multi-stream: the next query of several samples is sent when all of the last are answered."""

    samples: Samples = Field(
        default=8, description="Samples of a query. Its latency is that of the last of them."
    )

    @property
    def samples_per_query(self) -> int:
        """Requests that are one query."""
        return self.samples


class Server(MlperfArrivals):
    """MLPerf's server: queries of one sample arrive as a Poisson process, and are to be answered in time."""

    rate: Annotated[float, Field(strict=True, gt=0, le=1e6, allow_inf_nan=False)] = Field(
        description="Target queries per second, on average."
    )
    bound_ns: PositiveDuration = Field(
        alias="bound", description="MLPerf's latency bound; it is the job's deadline."
    )


class Offline(MlperfArrivals):
    """MLPerf's offline: all samples are there at the start; a vision job exits when it has done them."""

    samples: Samples = Field(
        default=24_576, description="Samples of the one query; MLPerf asks for 24576 at least."
    )
