"""What is known of the files beside their sound: a table with a row for each path, to filter on when searching."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq

from musicwords.catalog.table import Refused, write_whole

METADATA = "metadata.parquet"
TAKEN = {"start", "end", "duration", "size", "modified_ns", "note", "embedding", "score", "rank", "row"}
# Nothing but an empty field is no value: NULL, NA and None are names of artists.
CSV = pa.csv.ConvertOptions(
    column_types={"path": pa.string()}, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=True
)


def read_metadata(file: Path) -> pa.Table:
    """Read a CSV, Parquet or JSON Lines file. Dates become text in the order of ISO 8601.

    Raises
    ------
    Refused
        If it cannot be read, has no column ``path`` or a path twice, or has a column under a name that is taken.
    """
    lines = pa.csv.ParseOptions(newlines_in_values=True)
    readers = {
        ".csv": lambda: pa.csv.read_csv(file, parse_options=lines, convert_options=CSV),
        ".jsonl": lambda: pa.json.read_json(file),
        ".parquet": lambda: pq.read_table(file),
    }
    if file.suffix.lower() not in readers:
        raise Refused(f"{file} is no metadata: give a file that ends in {', '.join(readers)}.")
    try:
        table = readers[file.suffix.lower()]()
    except (OSError, pa.ArrowException) as error:
        raise Refused(f"{file} cannot be read as metadata: {str(error).strip().splitlines()[0]}") from error
    if "path" not in table.column_names:
        raise Refused(f"{file} has no column path, only {', '.join(table.column_names)}: add one, as in the table.")
    for place, column in enumerate(table.schema):
        kind = column.type  # LanceDB does not know the first two, and does not compare dates with text
        is_date = pa.types.is_date(kind) or pa.types.is_timestamp(kind) or pa.types.is_time(kind)
        if pa.types.is_timestamp(kind) and pc.all(pc.equal(table[place], pc.floor_temporal(table[place]))).as_py():
            table = table.set_column(place, column.name, table[place].cast(pa.date32()))  # days without a time
        if pa.types.is_string_view(kind) or pa.types.is_dictionary(kind) or is_date:
            table = table.set_column(place, column.name, table[place].cast(pa.string()))
        if file.suffix.lower() == ".csv" and pa.types.is_binary(column.type):
            raise Refused(f"the column {column.name} of {file} is not UTF-8: save the file in the encoding UTF-8.")
    for name in table.column_names:
        taken = name.startswith("_") or name.lower() in TAKEN or table.column_names.count(name) > 1
        if not name or "." in name or taken:
            raise Refused(
                f"the column {name!r} of {file} is taken, there twice, empty, has a dot or begins with _: rename it."
            )
    if not pa.types.is_string(table["path"].type) and not pa.types.is_large_string(table["path"].type):
        raise Refused(f"the column path of {file} holds {table['path'].type}: paths are text.")
    if table["path"].null_count or pc.count_distinct(table["path"]).as_py() < len(table):
        raise Refused(f"{file} has a path twice or none in a row: one row for each path is expected.")
    for place, column in enumerate(table.schema):
        if pa.types.is_null(column.type) or column.name == "path":
            table = table.set_column(place, column.name, table[place].cast(pa.string()))
    return table


def save_metadata(folder: Path, table: pa.Table) -> None:
    """Put metadata into the output, in the place of what was there."""
    buffer = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata(None), buffer)
    write_whole(folder / METADATA, memoryview(buffer.getvalue()))


def load_metadata(folder: Path) -> pa.Table:
    """Return the metadata of an output; without any, a table with a column ``path`` and no row."""
    if (folder / METADATA).is_file():
        return pq.read_table(folder / METADATA)
    return pa.table({"path": pa.array([], pa.string())})


def join(rows: pa.Table, metadata: pa.Table) -> pa.Table:
    """Add the columns of the metadata to rows with a ``path``; they are null where it has no such path."""
    place = pc.index_in(rows["path"], value_set=metadata["path"])
    for name in metadata.column_names:
        if name != "path":
            rows = rows.append_column(name, metadata[name].take(place))
    return rows
