"""Measure search in up to a million vectors, and embedding with Ray: ``python -m recipes.benchmarks.search``.

Writes ``search.csv``, ``disk.csv`` and ``embedding.csv`` to ``musicwords/data/benchmarks``, where the notebook on
scaling reads them. Vectors and workers are made by what the notebook itself defines. Search in memory is timed in
seconds of the processor on one thread, so that other work on the machine disturbs little; what reads from a disk and
the throughput of the workers are timed by the clock, so that nothing else should run then. All sizes take about ten
minutes on two cores, and 8 GB of memory; ``--resume`` goes on after an interruption.
"""

import argparse
import ast
import os
import platform
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import faiss
import nbformat
import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from threadpoolctl import threadpool_limits

import musicwords
from musicwords.clips import load_audio
from recipes.common.command_line import ROOT

NOTEBOOK = ROOT / "notebooks" / "retrieval" / "scaling.ipynb"
RESULTS = Path(musicwords.__file__).parent / "data" / "benchmarks"
SIZES = (10_000, 100_000, 1_000_000)
K = 10
QUERIES = 1000  # of each kind; settings are chosen by one half, and reported on the other
ALONE = 100  # queries asked one at a time
PROBES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
BREADTHS = (16, 32, 64, 128, 256, 512)
CODE_BYTES = 64
REFINE = 40  # candidates that are compared again, for each answer
FILES = 992
BUILDERS = int(os.environ.get("OMP_NUM_THREADS", psutil.cpu_count()))  # threads that build; one searches
MACHINE = {
    "cores": psutil.cpu_count(),
    "machine": platform.machine(),
    "python": platform.python_version(),
    "faiss": faiss.__version__,
}


def from_notebook(name: str, **given) -> object:
    """Return a function or class as the notebook defines it, with ``given`` for what it uses from other cells."""
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        if f"def {name}(" in cell.source or f"class {name}:" in cell.source:
            parts = [part for part in ast.parse(cell.source).body if getattr(part, "name", None) == name]
            space = {"np": np, "faiss": faiss, "os": os, "time": time, "__name__": "__main__"} | given
            exec(compile(ast.Module(parts, type_ignores=[]), NOTEBOOK.name, "exec"), space)
            return space[name]
    raise ValueError(f"no cell of {NOTEBOOK} defines {name}: give the name that it has there now.")


def unit(rows: pd.Series) -> np.ndarray:
    """Return the rows as float32, scaled to length 1."""
    rows = np.stack(rows).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def cores(count: int) -> None:
    """Let FAISS and the linear algebra under it use so many threads."""
    threadpool_limits(limits=count)
    faiss.omp_set_num_threads(count)


def seconds(work: Callable[[], object], least: float = 0.2) -> float:
    """Return the seconds of the processor that one call of ``work`` takes."""
    calls, start = 0, time.process_time()
    while time.process_time() - start < least:
        work()
        calls += 1
    return (time.process_time() - start) / calls


def lists_for(count: int) -> int:
    """Return the number of lists of an inverted file: about twice the root of the number of vectors."""
    return 2 ** round(np.log2(2 * np.sqrt(count)))


def exact(vectors: np.ndarray) -> faiss.Index:
    """Return an index that compares with every vector."""
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    return index


def coarse(vectors: np.ndarray) -> faiss.Index:
    """Return the centers of the lists of an inverted file, found in a sample."""
    lists = lists_for(len(vectors))
    means = faiss.Kmeans(
        vectors.shape[1], lists, niter=10, seed=1, spherical=True, max_points_per_centroid=64, min_points_per_centroid=1
    )
    means.train(vectors)
    return exact(means.centroids)


def inverted_file(vectors: np.ndarray, centers: faiss.Index) -> faiss.Index:
    """Return an inverted file of whole vectors."""
    index = faiss.IndexIVFFlat(centers, vectors.shape[1], centers.ntotal, faiss.METRIC_INNER_PRODUCT)
    index.train(vectors[:1])  # the centers are there
    index.add(vectors)
    return index


def quantized(vectors: np.ndarray, centers: faiss.Index) -> faiss.Index:
    """Return an inverted file of codes that stand for what the center of a list leaves over."""
    index = faiss.IndexIVFPQ(centers, vectors.shape[1], centers.ntotal, CODE_BYTES, 8, faiss.METRIC_INNER_PRODUCT)
    index.pq.cp.niter = 10
    index.train(vectors[:65_536])
    index.add(vectors)
    return index


def graph(vectors: np.ndarray) -> faiss.Index:
    """Return a hierarchical navigable small world."""
    index = faiss.IndexHNSWFlat(vectors.shape[1], 16, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = 80
    index.add(vectors)
    return index


def refined(index: faiss.Index, store: faiss.Index) -> faiss.Index:
    """Return an index that compares the best candidates of another one again, with the whole vectors."""
    both = faiss.IndexRefine(index, store)
    both.k_factor = REFINE
    return both


def megabytes(index: faiss.Index) -> float:
    """Return the size of an index as it would be written to a file."""
    sizes = []
    faiss.write_index(index, faiss.PyCallbackIOWriter(lambda part: sizes.append(len(part))))
    return sum(sizes) / 1e6


def measure(index: faiss.Index, queries: dict[str, np.ndarray], truth: dict[str, np.ndarray]) -> Iterator[dict]:
    """Yield recall and speed of an index for each kind of query, in the setting that it has."""
    for kind, asked in queries.items():
        start = time.process_time()
        found = index.search(asked, K)[1]
        together = time.process_time() - start
        if together < 0.2:  # too short to be measured once
            together = seconds(lambda asked=asked: index.search(asked, K))

        def one_at_a_time(asked=asked):
            for i in range(ALONE):
                index.search(asked[i : i + 1], K)

        recall = np.array([len(set(f) & set(t)) / K for f, t in zip(found, truth[kind], strict=True)])
        half = len(recall) // 2
        yield {
            "queries": kind,
            "recall@10 to choose by": round(recall[:half].mean(), 4),
            "recall@10": round(recall[half:].mean(), 4),
            "ms alone": round(1000 * seconds(one_at_a_time) / ALONE, 5),
            "ms in a batch": round(1000 * together / len(asked), 5),
        }


def bench_size(vectors: np.ndarray, queries: dict[str, np.ndarray], done: set[str]) -> Iterator[list[dict]]:
    """Yield the rows of each index over some vectors; those named in ``done`` are left out."""
    cores(BUILDERS)
    flat = exact(vectors)
    truth = {kind: flat.search(asked, K)[1] for kind, asked in queries.items()}
    dimension = from_notebook("intrinsic_dimension")(flat.search(vectors[:3000], 3)[0][:, 1:])

    def rows(name, index, build, settings, size):
        shared = {
            "vectors": len(vectors),
            "intrinsic dimension": round(float(dimension), 1),
            "index": name,
            "megabytes": round(size, 1),
            "build seconds": round(build, 1),
            "candidates": K * REFINE if isinstance(index, faiss.IndexRefine) else 0,
        }
        cores(1)
        found = []
        for parameter, value, change in settings:
            change(index, value)
            found += [
                shared | {"parameter": parameter, "value": value} | row | MACHINE
                for row in measure(index, queries, truth)
            ]
        cores(BUILDERS)
        return found

    def probes(index, value):
        inner = faiss.downcast_index(index.base_index) if isinstance(index, faiss.IndexRefine) else index
        inner.nprobe = value

    def breadth(index, value):
        index.hnsw.efSearch = value

    if "exact" not in done:
        yield rows("exact", flat, 0.0, [("", 0, lambda index, value: None)], vectors.nbytes / 1e6)
    if "HNSW" not in done:
        start = time.process_time()
        index = graph(vectors)
        build = time.process_time() - start
        yield rows("HNSW", index, build, [("efSearch", ef, breadth) for ef in BREADTHS], megabytes(index))
        del index
    if {"IVF", "IVF-PQ", "IVF-PQ, re-ranked"} <= done:
        return
    start = time.process_time()
    centers = coarse(vectors)
    train = time.process_time() - start
    settings = [("nprobe", n, probes) for n in PROBES if n <= centers.ntotal / 2]
    if "IVF" not in done:
        start = time.process_time()
        index = inverted_file(vectors, centers)
        build = train + time.process_time() - start
        yield rows("IVF", index, build, settings, megabytes(index))
        del index
    start = time.process_time()
    index = quantized(vectors, centers)
    build = train + time.process_time() - start
    size = megabytes(index)
    if "IVF-PQ" not in done:
        yield rows("IVF-PQ", index, build, settings, size)
    if "IVF-PQ, re-ranked" not in done:
        # The whole vectors are needed for the few candidates only, and may stay on disk: they are not counted.
        yield rows("IVF-PQ, re-ranked", refined(index, flat), build, settings, size)


def chosen_probes(size: int) -> int:
    """Return the number of lists that the quickest re-ranked setting with a recall of .95 reads, for texts."""
    rows = pd.read_csv(RESULTS / "search.csv", keep_default_na=False)
    rows = rows[(rows["vectors"] == size) & (rows["queries"] == "text") & (rows["index"] == "IVF-PQ, re-ranked")]
    good = rows[rows["recall@10 to choose by"] >= 0.95]
    return int(good.loc[good["ms alone"].idxmin(), "value"])


class OnDisk:
    """Whole vectors in a file, of which single rows are read.

    Parameters
    ----------
    vectors : np.ndarray of shape (count, dimensions), float32
        Written to ``path``.
    path : Path
        The file.
    """

    def __init__(self, vectors: np.ndarray, path: Path):
        vectors.tofile(path)
        self.dimensions, self.row = vectors.shape[1], vectors[0].nbytes
        self.file = os.open(path, os.O_RDONLY)
        os.fsync(self.file)

    def rows(self, numbers: np.ndarray) -> np.ndarray:
        """Return some vectors: (numbers, dimensions)."""
        parts = [os.pread(self.file, self.row, int(number) * self.row) for number in numbers]
        return np.frombuffer(b"".join(parts), np.float32).reshape(len(numbers), self.dimensions)

    def forget(self) -> None:
        """Ask the system to keep nothing of the file in memory."""
        os.posix_fadvise(self.file, 0, 0, os.POSIX_FADV_DONTNEED)


def bench_disk(size: int, probes: int) -> None:
    """Measure the re-ranking of short codes with whole vectors that lie on disk, by the clock."""
    table = pq.read_table(RESULTS / "vectors.parquet").to_pandas()
    asked = table["split"] == "test"
    vectors = from_notebook("synthesize")(unit(table.loc[~asked, "audio"]), size)
    some = np.random.default_rng(seed=0).permutation(asked.sum())[:QUERIES]
    queries = unit(table.loc[asked, "text"])[some][QUERIES // 2 :]  # the half that settings are not chosen by
    cores(BUILDERS)
    truth = exact(vectors).search(queries, K)[1]
    index = quantized(vectors, coarse(vectors))
    cores(1)
    index.nprobe = probes
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        store = OnDisk(vectors, Path(folder) / "vectors.f32")
        del vectors

        def search(query):
            near = index.search(query[None], K * REFINE)[1][0]
            near = near[near >= 0]
            return near[np.argsort(-(store.rows(near) @ query))[:K]]

        for cached in (True, False):
            found, clock = [], []
            for query in queries[:ALONE] if not cached else queries:
                if not cached:
                    store.forget()
                start = time.perf_counter()
                found.append(search(query))
                clock.append(time.perf_counter() - start)
            recall = np.mean([len(set(f) & set(t)) / K for f, t in zip(found, truth, strict=False)])
            where = "in the system's cache" if cached else "on the disk alone"
            rows.append({"vectors": size, "whole vectors": where, "parameter": "nprobe", "value": probes,
                         "candidates": K * REFINE, "recall@10": round(float(recall), 4),
                         "ms alone": round(1000 * float(np.median(clock)), 3),
                         "bytes a vector in memory": round(1e6 * megabytes(index) / size, 1)} | MACHINE)  # fmt: skip
            print(rows[-1], flush=True)
        os.close(store.file)
    write("disk.csv", rows)


def kept(sizes: list[int], resume: bool) -> list[dict]:
    """Return the rows of the last run that this one does not measure again."""
    path = RESULTS / "search.csv"
    rows = pd.read_csv(path, keep_default_na=False).to_dict("records") if path.exists() else []
    return [row for row in rows if resume or row["vectors"] not in sizes]


def write(name: str, rows: list[dict]) -> None:
    """Write a table."""
    pd.DataFrame(rows).to_csv(RESULTS / name, index=False, lineterminator="\n")


def write_vectors(corpus: Path) -> None:
    """Embed clips of the rendered corpus, and captions of its test clips, with the mini CLAP, as 8-bit integers."""
    import soundfile
    import torch
    from transformers import ClapModel, ClapProcessor

    from musicwords.corpus import CORPUS

    model = ClapModel.from_pretrained(RESULTS.parent / "checkpoints" / "clap").eval().requires_grad_(False)
    processor = ClapProcessor.from_pretrained(RESULTS.parent / "checkpoints" / "clap")
    rate = processor.feature_extractor.sampling_rate
    table = pq.read_table(CORPUS, columns=["id", "split", "caption"]).to_pandas()
    table = table[table["split"].isin(["train", "validation", "test"])]

    def audio(ids):
        clips = [soundfile.read(corpus / "clips" / f"{name}.flac", dtype="float32")[0] for name in ids]
        inputs = processor.feature_extractor(clips, sampling_rate=rate, return_tensors="pt")
        return model.get_audio_features(**inputs).pooler_output

    def text(captions):
        inputs = processor(text=list(captions), padding=True, truncation=True, return_tensors="pt")
        return model.get_text_features(**inputs).pooler_output

    def integers(function, column):
        rows = torch.cat([function(column[start : start + 16]) for start in range(0, len(column), 16)]).numpy()
        return list(np.round(rows / np.abs(rows).max() * 127).astype(np.int8))

    test = table["split"] == "test"
    table["audio"] = integers(audio, table["id"].tolist())
    table["text"] = pd.Series(integers(text, table.loc[test, "caption"].tolist()), index=table.index[test])
    # Before release 26, pyarrow cannot read a list of fixed size where one is missing, as most texts are.
    vectors = [("audio", pa.list_(pa.int8(), 512)), ("text", pa.list_(pa.int8()))]
    schema = pa.schema([("id", pa.string()), ("split", pa.string()), *vectors])
    rows = pa.Table.from_pandas(table[schema.names], schema, preserve_index=False)
    pq.write_table(rows, RESULTS / "vectors.parquet", compression="zstd", compression_level=19)


def bench_search(sizes: list[int], resume: bool) -> None:
    """Measure every index at every size, and write each as soon as it is measured."""
    table = pq.read_table(RESULTS / "vectors.parquet").to_pandas()
    asked = table["split"] == "test"
    real = unit(table.loc[~asked, "audio"])
    some = np.random.default_rng(seed=0).permutation(asked.sum())[:QUERIES]
    queries = {
        "sound": unit(table.loc[asked, "audio"])[some],
        "text": unit(table.loc[asked, "text"])[some],
    }
    synthesize = from_notebook("synthesize")
    rows = kept(sizes, resume)
    for size in sizes:
        start = time.perf_counter()
        vectors = synthesize(real, size)
        print(f"{size:,} vectors made in {time.perf_counter() - start:.0f} s", flush=True)
        done = {row["index"] for row in rows if row["vectors"] == size}
        start = time.perf_counter()
        for found in bench_size(vectors, queries, done):
            rows += found
            write("search.csv", rows)
            print(f"  {found[0]['index']}: {time.perf_counter() - start:.0f} s so far", flush=True)


class Watch(threading.Thread):
    """Note the largest memory, in bytes, and number of this process and those under it.

    Memory that processes share, as those of Ray do, counts for each of them.
    """

    def __init__(self):
        super().__init__(daemon=True)
        self.memory, self.processes, self.over = 0, 0, threading.Event()

    def run(self):
        while not self.over.wait(0.2):
            with suppress(psutil.NoSuchProcess):  # it ended between the listing and the question
                parts = [psutil.Process(), *psutil.Process().children(recursive=True)]
                self.memory = max(self.memory, sum(part.memory_info().rss for part in parts))
                self.processes = max(self.processes, len(parts))


def bench_embedding(files: int, counts: tuple[int, ...] = (1, 2)) -> None:
    """Embed the clips of the book again and again with one and two workers, and write how long it took."""
    start_ray = from_notebook("start_ray")
    embed_batch = from_notebook("embed_batch", load_audio=load_audio)
    embed_files = from_notebook("embed_files", Embedder=from_notebook("Embedder", embed_batch=embed_batch))
    clips = sorted(str(path) for path in (RESULTS.parent / "clips").glob("*.ogg"))
    paths = [clips[i % len(clips)] for i in range(files)]
    rows = []
    for workers in counts:
        watch, start = Watch(), time.time()
        watch.start()
        ray = start_ray(max(counts))
        found = embed_files(paths, workers)
        whole = time.time() - start
        watch.over.set()
        ray.shutdown()
        # Once every worker has had its first batch, nothing is loaded any more.
        steady = found.groupby("worker")["done"].min().max()
        after = found[found["done"] > steady]
        rows.append(
            {
                "workers": workers,
                "files": files,
                "seconds": round(whole, 1),
                "seconds to start": round(steady - start, 1),
                "files per second": round(len(after) / (after["done"].max() - steady), 2),
                **{f"{stage} ms": round(1000 * after[stage].mean(), 2) for stage in ("decode", "features", "model")},
                "processes": watch.processes,
                "peak memory (MB)": round(watch.memory / 1e6),
                **{key: value for key, value in MACHINE.items() if key != "faiss"},
                "ray": ray.__version__,
            }
        )
        print(rows[-1], flush=True)
    write("embedding.csv", rows)


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of vectors")
    parser.add_argument("--only", choices=("search", "disk", "embedding"), help="measure one of the three")
    parser.add_argument("--resume", action="store_true", help="measure only what search.csv lacks")
    parser.add_argument("--files", type=int, default=FILES, help="files to embed")
    parser.add_argument("--vectors", type=Path, help="only write vectors.parquet, from this folder with the corpus")
    arguments = parser.parse_args()
    if arguments.vectors:
        write_vectors(arguments.vectors)
        return
    if arguments.only in (None, "search"):
        bench_search(arguments.sizes, arguments.resume)
    if arguments.only in (None, "disk"):
        bench_disk(max(arguments.sizes), chosen_probes(max(arguments.sizes)))
    if arguments.only in (None, "embedding"):
        bench_embedding(arguments.files)


if __name__ == "__main__":
    main()
