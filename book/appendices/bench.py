"""Measure what a reader waits for, and write the tables of the page on running times, beside this file: ``make bench``.

Each notebook is executed in a process of its own with an empty cache. The book is built twice, the second time
after an edit to one page, its pages are weighed in a browser, and those that run a model are tried there. Last comes
recipes/benchmarks/search.py, for the notebook on search in a million vectors.
"""

import csv
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import psutil
from building import build_command, chromium, served
from find_browser import find_browser
from run_notebooks import ROOT, notebooks
from visit import Visit, weigh

TABLES = Path(__file__).resolve().parent
# Pages that run a model -> what begins it, and where what comes out appears.
LIVE = {
    "search": (lambda page, text: page.locator(".live-search input").fill(text), ".live-results li"),
    "describe": (lambda page, _: page.locator(".live-clip").click(), ".live-described li"),
    "generate": (lambda page, _: page.locator(".live-start").click(), ".live-results li"),
}


def measure(command: list[str], folder: Path) -> tuple[float, float]:
    """Run a command and return its seconds and the peak memory of it and its children in MB."""
    start, peak = time.perf_counter(), 0
    with tempfile.TemporaryFile() as said:  # a pipe that nobody reads until the end would stop a child that says much
        process = psutil.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=said)
        while process.poll() is None:
            peak = max(peak, memory(process))
            time.sleep(0.1)
        if process.returncode:
            said.seek(0)
            raise RuntimeError(f"{' '.join(command)} failed: {said.read().decode()[-2000:]}")
    return time.perf_counter() - start, peak / 1e6


def memory(process: psutil.Process) -> int:
    """Return the resident memory of a process and its children in bytes."""
    total = 0
    try:
        for part in (process, *process.children(recursive=True)):
            total += part.memory_info().rss
    except psutil.NoSuchProcess:  # it ended between the listing and the question
        pass
    return total


def write(name: str, rows: list[dict]) -> None:
    """Write a table and print it."""
    with (TABLES / name).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print((TABLES / name).read_text(encoding="utf-8"))


def bench_notebooks() -> list[dict]:
    """Execute every notebook, and return its time and memory."""
    rows = []
    for notebook in notebooks():
        with tempfile.TemporaryDirectory() as folder:
            command = [
                sys.executable,
                "-m",
                "jupyter",
                "execute",
                "--output",
                f"{folder}/done.ipynb",
                str(notebook),
            ]
            seconds, megabytes = measure(command, ROOT)
        rows.append({"notebook": notebook.stem, "seconds": round(seconds, 1), "peak memory (MB)": round(megabytes)})
    total = {"notebook": "together", "seconds": round(sum(row["seconds"] for row in rows), 1)}
    return [*rows, total | {"peak memory (MB)": max(row["peak memory (MB)"] for row in rows)}]


def bench_live(browser, site: str) -> list[dict]:
    """Use the pages that run a model twice, and return what they load and how long one waits."""
    rows = []
    for name, (begin, result) in LIVE.items():
        with Visit(browser, site, f"book/live/{name}.html") as visit:
            size, seconds = int(visit.page.locator("[data-bytes]").get_attribute("data-bytes")), []
            for text in ("slow piano", "fast folk dance"):
                visit.page.locator(result).evaluate_all("all => all.forEach((one) => (one.dataset.old = true))")
                start = time.perf_counter()
                begin(visit.page, text)
                visit.page.locator(f"{result}:not([data-old])").first.wait_for(timeout=120_000)
                seconds.append(round(time.perf_counter() - start, 2))
            titles = ("seconds to the first result", "seconds to the next")
            rows.append(
                {"page": name, "loaded once (MB)": round(size / 1e6, 1)} | dict(zip(titles, seconds, strict=True))
            )
    return rows


def bench_build() -> tuple[list[dict], list[dict]]:
    """Build the book twice, weigh its pages in a browser, and return what was measured, of pages with models last."""
    with tempfile.TemporaryDirectory() as output:
        execute = [sys.executable, "tests/run_notebooks.py", "--build", f"{output}/_build"]
        command = build_command(Path(output))
        cold = measure(execute, ROOT)[0] + measure(command, ROOT)[0]
        (ROOT / "book" / "appendices" / "glossary.md").touch()
        warm, _ = measure(command, ROOT)
        html = Path(output) / "_build" / "html"
        size = sum(path.stat().st_size for path in html.rglob("*") if path.is_file())
        with served(html) as site, chromium(find_browser()) as browser:
            share, own = weigh(browser, site)
            live = bench_live(browser, site)
    built = [
        {"what": "build with all notebooks executed (s)", "value": round(cold, 1)},
        {"what": "build after an edit to one page (s)", "value": round(warm, 1)},
        {"what": "the whole built book with its sounds (MB)", "value": round(size / 1e6, 1)},
        {"what": "what all pages share, compressed (kB)", "value": round(share / 1e3)},
        {"what": "the page in the middle without that, compressed (kB)", "value": round(median(own.values()) / 1e3)},
        {"what": "the heaviest page without that, compressed (kB)", "value": round(max(own.values()) / 1e3)},
        {"what": "processor cores", "value": psutil.cpu_count()},
        {"what": "Python", "value": platform.python_version()},
    ]
    return built, live


if __name__ == "__main__":
    write("bench_notebooks.csv", bench_notebooks())
    for name, rows in zip(("bench_build.csv", "bench_live.csv"), bench_build(), strict=True):
        write(name, rows)
    subprocess.run([sys.executable, "-m", "recipes.benchmarks.search"], cwd=ROOT, check=True)
