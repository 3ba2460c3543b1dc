"""Scores of the exported codec and of what it is compared with, on works, sounds and recordings it never had."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

from musicwords.captions.lexicon import DRUMS
from musicwords.codec import SpectralCodec
from musicwords.ranking import summarize
from recipes.codec.audio import SAMPLE_RATE, as_float, samples_of
from recipes.codec.baselines import BASELINES
from recipes.codec.metrics import NAMES, measures, mel_statistics
from recipes.codec.training import perplexity
from recipes.common.files import write_rows
from recipes.common.inputs import Code, fingerprint, kept_array

CODE = ("recipes.codec.evaluate", "recipes.codec.metrics", "recipes.codec.baselines")
SETS = {"test": 200, "font": 100, "recordings": 89}  # how many clips of each are drawn, at most
HEARD = 6_000  # training clips that a probe learns from, at most
PROBES = ("instrument probe", "percussion probe")
BATCH = 8
SPEED_CLIPS = 10

Clips = tuple[np.ndarray, np.ndarray]  # sound (clips, samples) and bitrates (clips,) in kbit/s


def drawn(records: Sequence[dict], split: str) -> list[dict]:
    """The records of a split in an order that is random and always the same."""
    here = [record for record in records if record["split"] == split]
    return [here[number] for number in np.random.default_rng(0).permutation(len(here))]


def lead(record: dict) -> str | None:
    """The instrument of a clip with one pitched instrument; None for others."""
    pitched = [name for name in record["attributes"]["instruments"] if name not in DRUMS]
    return pitched[0] if len(pitched) == 1 else None


@torch.inference_mode()
def coded(clips: np.ndarray, codec: SpectralCodec, bandwidth: float) -> Clips:
    """Clips through the codec at a bandwidth in kbit/s."""
    made = []
    for batch in torch.from_numpy(clips)[:, None].split(BATCH):
        codes = codec.encode(batch, bandwidth=bandwidth).audio_codes
        made.append(codec.decode(codes, [None]).audio_values[:, 0, : clips.shape[1]])
    return torch.cat(made).numpy(), np.full(len(clips), bandwidth)


@torch.inference_mode()
def unquantized(clips: np.ndarray, codec: SpectralCodec) -> Clips:
    """Clips through encoder and decoder alone."""
    made = [codec.decoder(codec.encoder(batch)) for batch in torch.from_numpy(clips)[:, None].split(BATCH)]
    return torch.cat(made)[:, 0, : clips.shape[1]].numpy(), np.full(len(clips), np.nan)


def codec_methods(codec: SpectralCodec) -> dict[str, Callable[[np.ndarray], Clips]]:
    """The codec with each number of codebooks that a bandwidth stands for, fewest first, and without any."""
    methods = {}
    for bandwidth in codec.config.target_bandwidths:
        count = codec.quantizer.get_num_quantizers_for_bandwidth(bandwidth)
        name = f"codec, {count} codebook{'s' if count > 1 else ''}"
        methods[name] = partial(coded, codec=codec, bandwidth=bandwidth)
    return methods | {"codec, not quantized": partial(unquantized, codec=codec)}


def measured(path: Path, made_of: str, method: Callable[[np.ndarray], Clips], clips: np.ndarray) -> np.ndarray:
    """Of each clip the metrics, the bitrate, and the mel statistics; kept under ``path``, see ``kept_array``."""

    def measure() -> np.ndarray:
        rows = []
        for at in tqdm(range(0, len(clips), BATCH), desc=path.stem, unit_scale=BATCH, unit=" clips"):
            wanted = clips[at : at + BATCH]
            for made, rate, one in zip(*method(wanted), wanted, strict=True):
                rows.append(np.concatenate([measures(made, one), [rate], mel_statistics(made)]))
        return np.array(rows)

    return kept_array(path, fingerprint(made_of, [Code(name) for name in CODE]), measure)


class Probes:
    """Logistic regressions that tell instrument and percussion of a clip, learned from training clips as they are.

    Parameters
    ----------
    records : of the whole corpus
    corpus : where its clips are
    folder : where the mel statistics of the training clips are kept
    """

    def __init__(self, records: Sequence[dict], corpus: Path, folder: Path):
        train = drawn(records, "train")
        self.learn_from = {
            "instrument probe": [record for record in train if lead(record)][:HEARD],
            "percussion probe": train[:HEARD],
        }
        self.models = {
            name: make_pipeline(StandardScaler(), LogisticRegression(C=0.05, max_iter=800)).fit(
                self.statistics(some, corpus, folder / f"{name.split()[0]}.npy"),
                [self.label(name, one) for one in some],
            )
            for name, some in self.learn_from.items()
        }

    @staticmethod
    def statistics(records: Sequence[dict], corpus: Path, path: Path) -> np.ndarray:
        paths = [corpus / record["file_name"] for record in records]

        def listen() -> np.ndarray:
            found = tqdm(paths, desc=f"probe: {path.stem}", unit=" clips")
            return np.array([mel_statistics(as_float(samples_of([one]))[0]) for one in found])

        return kept_array(path, fingerprint(paths, Code("recipes.codec.metrics")), listen)

    @staticmethod
    def label(name: str, record: dict) -> str | bool | None:
        return lead(record) if name == "instrument probe" else record["attributes"]["percussion"]

    def asked(self, name: str, records: Sequence[dict]) -> list[int]:
        """The clips that a probe has a class for."""
        known = set(self.models[name].classes_)
        return [clip for clip, record in enumerate(records) if self.label(name, record) in known]

    def right(self, name: str, records: Sequence[dict], statistics: np.ndarray) -> np.ndarray:
        """Whether the probe is right, of each clip that it is asked of."""
        asked = self.asked(name, records)
        guess = self.models[name].predict(statistics[asked])
        return guess == [self.label(name, records[clip]) for clip in asked]

    def majority(self, name: str, records: Sequence[dict]) -> float:
        """How often the most frequent class of training is right."""
        most = Counter(self.label(name, one) for one in self.learn_from[name]).most_common(1)[0][0]
        return float(np.mean([self.label(name, records[clip]) == most for clip in self.asked(name, records)]))


def interval(values: np.ndarray, records: Sequence[dict]) -> list[float] | None:
    """Mean over the clips where there is a value, with its interval by work: [value, low, high]."""
    here = np.flatnonzero(np.isfinite(values))
    if not len(here):
        return None
    works = [records[clip]["work"] for clip in here]
    return summarize({"mean": values[here].astype(float)}, works)["mean"]


@torch.inference_mode()
def codebook_perplexities(codec: SpectralCodec, clips: np.ndarray) -> list[float]:
    """How many entries each codebook uses on clips, were they used evenly."""
    bandwidth = codec.config.target_bandwidths[-1]
    batches = torch.from_numpy(clips)[:, None].split(BATCH)
    codes = torch.cat([codec.encode(batch, bandwidth=bandwidth).audio_codes[0] for batch in batches])
    return [perplexity(codes[:, book]) for book in range(codes.shape[1])]


@torch.inference_mode()
def speed(codec: SpectralCodec, clips: np.ndarray) -> dict[str, float]:
    """Seconds of sound that are encoded, and decoded, in a second of one processor core, one clip after the other."""
    threads, spent = torch.get_num_threads(), {"encode": 0.0, "decode": 0.0}
    torch.set_num_threads(1)
    for audio in torch.from_numpy(clips)[:, None, None]:
        began = time.thread_time()
        codes = codec.encode(audio, bandwidth=codec.config.target_bandwidths[-1]).audio_codes
        between = time.thread_time()
        codec.decode(codes, [None])
        spent["encode"] += between - began
        spent["decode"] += time.thread_time() - between
    torch.set_num_threads(threads)
    return {name: clips.size / SAMPLE_RATE / seconds for name, seconds in spent.items()}


def evaluate(folder: Path, records: Sequence[dict], corpus: Path, work: Path) -> dict:
    """All scores of the folder as shipped.

    Parameters
    ----------
    folder : the exported codec
    records : of the whole corpus
    corpus : where its clips are
    work : what is computed is kept there, in ``evaluation``
    """
    codec = SpectralCodec.from_pretrained(folder, dtype=torch.float32).eval()
    kept = work / "evaluation"
    methods = {name: ("", method) for name, method in BASELINES.items()}
    methods |= {name: (fingerprint(folder), method) for name, method in codec_methods(codec).items()}
    probes = Probes(records, corpus, kept)
    result = {
        "parameters": sum(parameter.numel() for parameter in codec.parameters()),
        "probes": {name: {"learned from": len(some), "classes": len(probes.models[name].classes_)}
                   for name, some in probes.learn_from.items()},
        "sets": {}, "scores": {}, "perplexity": {},
    }  # fmt: skip
    for split, most in SETS.items():
        here = drawn(records, split)[:most]
        paths = [corpus / record["file_name"] for record in here]
        clips, of_clips = as_float(samples_of(paths)), fingerprint(paths)
        result["sets"][split] = {"clips": len(here), "works": len({record["work"] for record in here})} | {
            name: {"clips": len(probes.asked(name, here)), "majority": probes.majority(name, here)} for name in PROBES
        }
        scores = result["scores"][split] = {}
        for name, (of_method, method) in methods.items():
            path = kept / f"{split}, {name}.npy"
            table = measured(path, fingerprint(of_clips, of_method), method, clips)
            scores[name] = {metric: interval(table[:, column], here) for column, metric in enumerate(NAMES)}
            for probe in PROBES:
                asked = [here[clip] for clip in probes.asked(probe, here)]
                scores[name][probe] = interval(probes.right(probe, here, table[:, len(NAMES) + 1 :]), asked)
            rate = table[:, len(NAMES)].mean()
            scores[name]["kbit/s"] = float(rate) if np.isfinite(rate) else None
            print(split, name, {metric: value and value[0] for metric, value in scores[name].items()
                                if metric != "kbit/s"}, flush=True)  # fmt: skip
        result["perplexity"][split] = codebook_perplexities(codec, clips)
        if split == "test":
            result["speed"] = speed(codec, clips[:SPEED_CLIPS])
    return result


def write_csv(scores: dict, path: Path) -> None:
    """The scores as one table: set, method, kbit/s, metric, value, low, high."""
    rows = []

    def add(split: str, method: str, rate: float | None, metric: str, *values: float) -> None:
        numbers = [f"{value:.4f}" for value in values] + [""] * (3 - len(values))
        rows.append({"set": split, "method": method, "kbit/s": "" if rate is None else f"{rate:.3f}", "metric": metric}
                    | dict(zip(("value", "low", "high"), numbers, strict=True)))  # fmt: skip

    for split, methods in scores["scores"].items():
        for method, metrics in methods.items():
            for metric in (*NAMES, *PROBES):
                if metrics[metric] is not None:
                    add(split, method, metrics["kbit/s"], metric, *metrics[metric])
        for probe in PROBES:
            add(split, "majority", None, probe, scores["sets"][split][probe]["majority"])
        for book, value in enumerate(scores["perplexity"][split], start=1):
            add(split, f"codebook {book}", None, "perplexity", value)
    write_rows(path, rows)
