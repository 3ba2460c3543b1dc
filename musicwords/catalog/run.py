"""One run over a catalog: what is to be done, doing it, saving it."""

import sys
import time
from argparse import Namespace
from contextlib import closing
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import pyarrow as pa
from tqdm import tqdm

from musicwords.catalog import lance, local_pool
from musicwords.catalog.embedder import Checkpoint, Embedder, find_checkpoint
from musicwords.catalog.manifest import settle_manifest
from musicwords.catalog.metadata import read_metadata, save_metadata
from musicwords.catalog.saver import Saver
from musicwords.catalog.sources import SUFFIXES, Found, Source, quoted, without_secrets
from musicwords.catalog.table import EMBEDDINGS, ERRORS, Fragments, Refused, locked, schema
from musicwords.catalog.worker import NEVER, Job, RunFailed


@dataclass(frozen=True)
class Plan:
    """What a run has to do; the last three only to be counted."""

    todo: list[Found]
    troubled: list[Found]  # that cannot be opened; listing them has shown it
    gone: set[str]  # has rows, and is not in the source any more
    skipped: int
    failed_before: int
    unreachable: int  # has rows, and cannot be looked at now


def plan(found: list[Found], done: dict, failed: dict, retry_errors: bool) -> Plan:
    """Compare what is there with what was done and what failed, ``{path: (size, modified_ns)}``."""
    todo, skipped, failed_before, unreachable = [], 0, 0, 0
    for file in found:
        state = file.size, file.modified_ns
        if file.trouble and file.path in done:
            unreachable += 1
        elif done.get(file.path) == state:
            skipped += 1
        elif failed.get(file.path) == state and not retry_errors:
            failed_before += 1
        else:
            todo.append(file)
    gone = (done.keys() | failed.keys()) - {file.path for file in found}
    closed = tuple(f"{file.path}/" for file in found if file.is_folder)
    inside = {path for path in gone if path.startswith(closed)}
    troubled = [file for file in todo if file.trouble]
    todo = [file for file in todo if not file.trouble]
    return Plan(todo, troubled, gone - inside, skipped, failed_before, unreachable + len(inside))


def inspect(options: Namespace) -> tuple[list[Found], int, Checkpoint, dict]:
    """Return the files of the source, how many were passed over, the checkpoint, and the manifest.

    Raises
    ------
    Refused
        If there is nothing to embed, or nothing to embed it with.
    """
    try:
        source = Source(options.source)
        found = source.list()
        checkpoint = find_checkpoint(options.checkpoint)
    except ValueError as error:
        raise Refused(str(error)) from error
    except (OSError, pa.ArrowException) as error:
        where, reason = options.source, " ".join(str(error).split())[:300]
        if "://" in where:
            reason = reason.replace(where, without_secrets(where)).replace(quoted(where), without_secrets(where))
            where = without_secrets(where)
        raise Refused(f"{where} cannot be read ({reason}): check the address, the network and your keys.") from error
    if not found:
        raise Refused(f"{source.name} has no audio: files that end in {' '.join(sorted(SUFFIXES))} are looked for.")
    if options.format == "lance" and find_spec("lancedb") is None:
        raise Refused("--format lance needs LanceDB: pip install 'musicwords[catalog]'.")
    window = options.window or checkpoint.seconds
    if window > checkpoint.seconds:
        raise Refused(f"--window {window:g}: this checkpoint hears {checkpoint.seconds:g} seconds at a time.")
    manifest = {
        "source": source.name,
        "checkpoint": checkpoint.name,
        "revision": checkpoint.revision,
        "sha256": checkpoint.sha256,
        "sample_rate": checkpoint.sample_rate,
        "dimension": checkpoint.dimension,
        "window": window,
        "hop": options.hop or window,
    }
    return found, source.passed_over, checkpoint, manifest


def run(options: Namespace) -> dict:
    """Bring the output up to date with the source, and return the summary.

    Raises
    ------
    Refused
        If the options are wrong, or do not fit what is there.
    RunFailed
        If the workers could not do all of the work, or LanceDB could not make its table.
    """
    began = time.monotonic()
    found, passed_over, checkpoint, manifest = inspect(options)
    metadata = read_metadata(options.metadata) if options.metadata else None
    with locked(options.output):
        settle_manifest(options.output, manifest, options.moved)
        embeddings = Fragments(options.output / EMBEDDINGS, schema(checkpoint.dimension))
        errors = Fragments(options.output / "errors", ERRORS)
        done, failed = embeddings.known(), errors.known()
        work = plan(found, done, failed, options.retry_errors)
        if options.prune:
            embeddings.forget(work.gone)
            errors.forget(work.gone)
        old = {file.path for file in (*work.todo, *work.troubled)} & (done.keys() | failed.keys())
        saver = Saver(embeddings, errors, options.save_every, old)
        for file in work.troubled:
            saver.fail(file.path, file.size, NEVER if file.is_folder else file.modified_ns, file.trouble)
        try:
            rate = embed(work.todo, checkpoint, manifest, options, saver) if work.todo else None
        finally:
            saver.save()
        if metadata is not None:
            save_metadata(options.output, metadata)
            if unknown := set(metadata["path"].to_pylist()) - {file.path for file in found}:
                where = f"{options.metadata} has {len(unknown)} paths of no file, such as {min(unknown)}"
                print(f"{where}; paths of files look like {found[0].path}.", file=sys.stderr)
        wanted = options.format == "lance"
        there = (options.output / lance.LANCE).is_dir()  # it is kept up to date
        if options.format == "auto" and (there or embeddings.rows() >= lance.LARGE):
            wanted = find_spec("lancedb") is not None
            if not wanted:
                print("no index: pip install 'musicwords[catalog]', and run again.", file=sys.stderr)
        if wanted and embeddings.any() and lance.read_state(options.output) is None:
            try:
                lance.build(options.output, lambda: sample_queries(checkpoint))
            except (RuntimeError, ValueError) as error:
                raise RunFailed(f"the Lance table was not made ({error}); the Parquet files are whole") from error
    seconds = time.monotonic() - began
    return {
        "found": len(found),
        "passed_over": passed_over,
        "outside": sum(file.outside for file in found),
        "embedded": saver.files,
        "noted": saver.noted,
        "skipped": work.skipped,
        "failed": saver.failed,
        "failed_before": work.failed_before,
        "gone": 0 if options.prune else len(work.gone),
        "pruned": len(work.gone) if options.prune else 0,
        "unreachable": work.unreachable,
        "windows": saver.windows,
        "audio_seconds": round(saver.seconds, 1),
        "seconds": round(seconds, 1),
        "times_real_time": round(saver.seconds / seconds, 1),
        "files_per_second": round(rate, 2) if rate else None,  # from the first result to the last
    }


def embed(files: list[Found], checkpoint: Checkpoint, manifest: dict, options: Namespace, saver: Saver) -> float | None:
    """Let workers embed the files, hand the results to the saver, and return how many a second from the first on."""
    first, done = None, 0
    address = options.source if "://" in options.source else manifest["source"]  # workers run in another folder
    job = Job(address, checkpoint.sample_rate, manifest["window"], manifest["hop"], options.batch)
    pool = files, job, checkpoint, options.workers, options.gpus_per_worker
    if options.address:
        from musicwords.catalog import ray_pool  # Ray takes seconds to import

        results = ray_pool.embed_files(*pool, options.address)
    else:
        results = local_pool.embed_files(*pool)
    bar = tqdm(total=len(files), unit="file", disable=None)  # none where nobody watches
    with closing(results), bar:
        for result in results:
            bar.update(len(result))
            done += len(result)
            now = time.monotonic()
            first = first or (now, done)
            saver.add(result)
    if done < len(files):
        raise RunFailed(f"the workers gave no result for {len(files) - done} of {len(files)} files")
    return (done - first[1]) / (now - first[0]) if now > first[0] else None


def sample_queries(checkpoint: Checkpoint) -> np.ndarray:
    """Return embeddings of a hundred captions and of queries that people might type, (texts, dimension)."""
    from musicwords.corpus import load_corpus, load_typed_queries  # takes a second

    texts = [*load_typed_queries(), *load_corpus()["validation"]["caption"][:100]]
    return Embedder(checkpoint.folder).texts(texts)
