"""One run over a catalogue: what is to be done, doing it, saving it."""

import sys
import time
from argparse import Namespace
from contextlib import closing
from dataclasses import dataclass

from tqdm import tqdm

from audio_catalogue.embedder import Checkpoint, find_checkpoint
from audio_catalogue.manifest import settle_manifest
from audio_catalogue.metadata import read_metadata, save_metadata
from audio_catalogue.saver import Saver
from audio_catalogue.search import EMBEDDINGS, build_lance, is_up_to_date
from audio_catalogue.sources import SUFFIXES, Found, Source
from audio_catalogue.table import ERRORS, Fragments, Refused, locked, schema
from audio_catalogue.workers import RayFailed, describe, ray_running


@dataclass(frozen=True)
class Plan:
    """What a run has to do; the last three only to be counted."""

    todo: list[Found]
    troubled: list[Found]  # that cannot be opened; listing them has shown it
    gone: set[str]  # has rows, and is not in the source any more
    skipped: int
    failed_before: int


def plan(found: list[Found], done: dict, failed: dict, retry_errors: bool) -> Plan:
    """Compare what is there with what was done and what failed, ``{path: (size, modified_ns)}``."""
    todo, skipped, failed_before = [], 0, 0
    for file in found:
        state = file.size, file.modified_ns
        if done.get(file.path) == state and not file.trouble:
            skipped += 1
        elif failed.get(file.path) == state and not retry_errors:
            failed_before += 1
        else:
            todo.append(file)
    gone = (done.keys() | failed.keys()) - {file.path for file in found}
    troubled = [file for file in todo if file.trouble]
    return Plan([file for file in todo if not file.trouble], troubled, gone, skipped, failed_before)


def look(options: Namespace) -> tuple[list[Found], Checkpoint, dict]:
    """Return the files of the source, the checkpoint, and the manifest that the options ask for.

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
    if not found:
        raise Refused(f"{source.name} has no audio: files that end in {' '.join(sorted(SUFFIXES))} are looked for.")
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
    return found, checkpoint, manifest


def run(options: Namespace) -> dict:
    """Bring the output up to date with the source, and return the summary.

    Raises
    ------
    Refused
        If the options are wrong, or do not fit what is there.
    RayFailed
        If Ray could not do all of the work.
    """
    began = time.monotonic()
    found, checkpoint, manifest = look(options)
    metadata = read_metadata(options.metadata) if options.metadata else None
    with locked(options.output):
        settle_manifest(options.output, manifest, options.moved)
        embeddings = Fragments(options.output / EMBEDDINGS, schema(checkpoint.dimension))
        errors = Fragments(options.output / "errors", ERRORS)
        work = plan(found, embeddings.known(), errors.known(), options.retry_errors)
        again = {file.path for file in (*work.todo, *work.troubled)} | (work.gone if options.prune else set())
        embeddings.forget(again)
        errors.forget(again)
        saver = Saver(embeddings, errors, options.save_every)
        for file in work.troubled:
            saver.fail(file.path, file.size, file.modified_ns, file.trouble)
        try:
            times = embed(work.todo, checkpoint, manifest, options, saver) if work.todo else []
        finally:
            saver.save()
        if metadata is not None:
            save_metadata(options.output, metadata)
            if unknown := set(metadata["path"].to_pylist()) - {file.path for file in found}:
                where = f"{options.metadata} has {len(unknown)} paths of no file, such as {min(unknown)}"
                print(f"{where}; paths of files look like {found[0].path}.", file=sys.stderr)
        if options.format == "lance" and embeddings.known() and not is_up_to_date(options.output):
            build_lance(options.output)
    seconds = time.monotonic() - began
    rates = [(files - times[0][1]) / (now - times[0][0]) for now, files in times[-1:] if len(times) > 1]
    return {
        "found": len(found),
        "embedded": saver.files,
        "skipped": work.skipped,
        "failed": saver.failed,
        "failed_before": work.failed_before,
        "gone": len(work.gone),
        "windows": saver.windows,
        "audio_seconds": round(saver.seconds, 1),
        "seconds": round(seconds, 1),
        "times_real_time": round(saver.seconds / seconds, 1),
        "files_per_second": round(rates[0], 2) if rates else None,  # from the first result to the last
    }


def embed(
    files: list[Found], checkpoint: Checkpoint, manifest: dict, options: Namespace, saver: Saver
) -> list[tuple[float, int]]:
    """Let Ray describe the files, hand the results to the saver, and return when how many were there."""
    times, done = [], 0
    pool = options.workers, options.gpus_per_worker
    how = manifest["window"], manifest["hop"], options.batch
    with (
        ray_running(*pool, options.address, checkpoint),
        closing(describe(files, options.source, checkpoint, *how, *pool)) as results,
        tqdm(total=len(files), unit="file", disable=None) as bar,  # none where nobody watches
    ):
        for result in results:
            bar.update(len(result))
            done += len(result)
            times.append((time.monotonic(), done))
            saver.add(result)
    if done < len(files):
        raise RayFailed(f"Ray gave no result for {len(files) - done} of {len(files)} files.")
    return times
