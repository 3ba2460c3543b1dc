"""Sphinx extension: words that the extensions write themselves, in the language of the build.

Words that stand in the doctree of a page when it is read are in the catalogue of that page, if their node has a source:
see ``table_nodes.py``. All others are given to ``_``. Their translations stand in ``extensions.po``, and those of the
scripts, which call ``Documentation.gettext``, in ``scripts.po``.
"""

from pathlib import Path

from sphinx import locale
from sphinx.application import Sphinx
from sphinx.util.i18n import docname_to_domain

CATALOGUE = "extensions"

_ = locale.get_translation(CATALOGUE)


def of_page(app: Sphinx, page: str, words: str) -> str:
    """Return words as the catalogue of a page has them, such as the caption of a part, or as they are."""
    folders = [Path(app.srcdir) / folder for folder in app.config.locale_dirs]
    catalogue, __ = locale.init(folders, app.config.language, docname_to_domain(page, app.config.gettext_compact))
    return catalogue.gettext(words)


def setup(app: Sphinx) -> dict:
    """Register the catalogue."""
    app.add_message_catalog(CATALOGUE, str(Path(app.srcdir) / "book" / "locale"))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
