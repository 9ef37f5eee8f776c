"""metrics.parquet out of a reading: a column a series, named in Prometheus notation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from connectors.answers import SeriesSet
from connectors.contract import Reading

if TYPE_CHECKING:
    import pyarrow as pa

NAME = "metrics.parquet"
ANSWERS = (SeriesSet,)


def write(case: Path, reading: Reading) -> None:
    """Write the series, where the reading holds any."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    answer = reading.answer
    if not isinstance(answer, SeriesSet) or not len(answer.times):
        return
    milliseconds = np.round(answer.times * 1000).astype(np.int64)
    names = ["timestamp", *map(str, answer.keys)]
    columns: list[pa.Array[Any]] = [
        pa.array(milliseconds).cast(pa.timestamp("ms", tz="UTC")),
        *map(pa.array, answer.values),
    ]
    table = pa.Table.from_arrays(columns, names=names)
    pq.write_table(
        table,
        case / NAME,
        compression="zstd",
        compression_level=3,
        use_dictionary=False,
        write_statistics=False,
    )
