"""Sphinx extension: mark the pages of the core path, which ``book/data/paths.yml`` lists in order.

- Under the title of each lesson stands "Core path, 3 of 9", which links to the page about the paths, or "Deeper".
- At the end of a page of the core path stands a link to the next one on it, and at its last page one to the paths.
- In the contents of the sidebar a symbol stands behind each page of the core path, with words for a screen reader.
"""

from functools import cache
from pathlib import Path

import yaml
from bs4 import BeautifulSoup
from cells import Unindexed
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from words import _

PATHS = "book/data/paths.yml"
PAGE = "book/paths"  # says what each path needs and yields
SYMBOL = "★"


def read_paths(root: Path) -> list[str]:
    """Return the names of the pages of the core path, in order: none if the book has no paths.

    Raises
    ------
    ValueError
        If the file does not hold a list of names, or names a page twice.
    """
    file = root / PATHS
    if not file.exists():
        return []
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    names = content.get("core") if isinstance(content, dict) else None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{PATHS} has no list of pages under `core:`.")
    if len(set(names)) < len(names):
        raise ValueError(f"{PATHS} names a page twice: give each page of the core path once.")
    return names


def load_paths(app: Sphinx, config: object) -> None:
    """Keep the core path in the configuration, so that all pages are written anew when it changes."""
    config.core_path = read_paths(Path(app.srcdir))


def is_lesson(name: str) -> bool:
    """Whether a page lies in a part of the book: not the front page, the paths, the bibliography or an appendix."""
    return name.count("/") == 2 and not name.startswith("book/appendices/")


def warn_of_unknown_pages(app: Sphinx, env: object) -> None:
    """Warn of each name on the core path that is no page."""
    for name in app.config.core_path:
        if name not in env.found_docs:
            logging.getLogger(__name__).warning("%s names %s, which is no page in book/_toc.yml", PATHS, name)


class MarkPath(SphinxPostTransform):
    """Add to a lesson the line under its title, and on the core path the link to the next page."""

    default_priority = 200
    formats = ("html", "notebooks")

    def run(self, **kwargs) -> None:
        """Mark one page."""
        name, path = self.env.docname, [page for page in self.config.core_path if page in self.env.found_docs]
        title = next(self.document.findall(nodes.title), None)
        if not path or not is_lesson(name) or title is None:
            return
        words = _("Deeper")
        if name in path:
            step = _("Core path, {place} of {places}").format(place=path.index(name) + 1, places=len(path))
            words = f"{SYMBOL} {step}"
        section = title.parent
        section.insert(section.index(title) + 1, self.line("path-mark", "", PAGE, words))
        if name == path[-1]:
            self.document.append(self.line("path-next", _("The core path ends here: "), PAGE, _("other ways")))
        elif name in path:
            following = path[path.index(name) + 1]
            next_title = self.env.titles[following].astext()
            self.document.append(self.line("path-next", _("Next on the core path: "), following, next_title))

    def line(self, name: str, before: str, page: str, words: str) -> Unindexed:
        """Return a paragraph that ends in a link to a page, or in plain words while there is no such page."""
        paragraph = nodes.paragraph("", before, classes=[name])
        if page in self.env.found_docs:
            address = self.app.builder.get_relative_uri(self.env.docname, page)
            paragraph.append(nodes.reference("", words, internal=True, refuri=address))
        else:
            paragraph.append(nodes.Text(words))
        return Unindexed("", "", paragraph)


def mark_contents(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: object) -> None:
    """Let the theme's contents show a symbol behind each page of the core path."""
    contents = context.get("generate_toctree_html")
    if contents is None:
        return
    path = [page for page in app.config.core_path if page in app.env.found_docs]
    addresses = {app.builder.get_relative_uri(pagename, page) or "#" for page in path}

    @cache  # the theme's function gives the same object each time, so mark it once
    def marked(kind: str, **options) -> object:
        html = contents(kind, **options)
        soup = html if isinstance(html, BeautifulSoup) else BeautifulSoup(html, "html.parser")
        for link in soup.find_all("a", href=True):
            if link["href"] in addresses:
                for words, attributes in ((SYMBOL, {"aria-hidden": "true"}), (str(_("(core path)")), {})):
                    mark = soup.new_tag("span", attrs=attributes)
                    mark["class"] = "path-symbol" if attributes else "visually-hidden"
                    mark.string = words
                    link.extend(["\u00a0", mark])
        return soup if html is soup else str(soup)

    context["generate_toctree_html"] = marked


def setup(app: Sphinx) -> dict:
    """Register the extension."""
    for extension in ("cells", "words"):
        app.setup_extension(extension)
    app.add_config_value("core_path", [], "html", list)
    app.connect("config-inited", load_paths)
    app.connect("env-check-consistency", warn_of_unknown_pages)
    app.connect("html-page-context", mark_contents, priority=600)  # after the theme has set its function
    app.add_post_transform(MarkPath)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
