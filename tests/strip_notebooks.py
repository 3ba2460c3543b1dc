"""Strip outputs, execution counts and metadata of editors from every notebook."""

from pathlib import Path

import nbformat

KEPT = ("kernelspec", "language_info")

for path in sorted((Path(__file__).parents[1] / "notebooks").rglob("*.ipynb")):
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        cell.metadata = {key: value for key, value in cell.metadata.items() if key in ("tags", "mystnb", "slideshow")}
    notebook.metadata = {key: value for key, value in notebook.metadata.items() if key in KEPT}
    nbformat.write(notebook, path)
