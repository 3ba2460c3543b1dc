"""Sphinx extension: the directive ``notebook-times``, how long each notebook took in the run that the pages show.

::

    :::{notebook-times}
    :::

Unlike ``nb-exec-table`` of MyST-NB it leaves out what is the same in every row, and when the cache was written, which
would make two builds of the same notebooks differ.
"""

from docutils import nodes
from myst_nb.sphinx_ import NbMetadataCollector
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective
from table_nodes import page_link, table

COLUMNS = {"notebook": 70, "seconds": 30}  # head of a column, and its share of the width
SHOWS = "notebook_times"  # in the metadata of a page that has the table
NOT_EXECUTED = "–"


class Seconds(nodes.inline):
    """How long the notebook with the name ``notebook`` took."""


class NotebookTimes(SphinxDirective):
    """Show the table."""

    def run(self) -> list[nodes.Node]:
        """Return the table, without the seconds, which are known when all notebooks were read."""
        self.env.metadata[self.env.docname][SHOWS] = True
        names = [name for name in self.config.external_site_map if name.startswith("notebooks/")]
        rows = [
            [[nodes.paragraph("", "", page_link(self, name))], [nodes.paragraph("", "", Seconds(notebook=name))]]
            for name in names
        ]
        return [table(self, COLUMNS, rows)]


class FillSeconds(SphinxPostTransform):
    """Put in the seconds."""

    default_priority = 200

    def run(self, **kwargs) -> None:
        """Change the table of one page."""
        for node in list(self.document.findall(Seconds)):
            known = NbMetadataCollector.get_exec_data(self.env, node["notebook"])
            seconds = known and known["runtime"]
            node.replace_self(nodes.Text(NOT_EXECUTED if seconds is None else f"{seconds:.0f}"))


def pages_with_times(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Return the pages that are written again, if a notebook was executed again."""
    if not NbMetadataCollector.new_exec_data(env):
        return []
    return [name for name, known in env.metadata.items() if SHOWS in known]


def setup(app: Sphinx) -> dict:
    """Register the extension."""
    app.add_node(Seconds)
    app.add_directive("notebook-times", NotebookTimes)
    app.add_post_transform(FillSeconds)
    app.connect("env-updated", pages_with_times)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
