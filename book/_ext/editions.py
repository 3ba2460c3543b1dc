"""Sphinx extension: each page leads to the same page in the other language, for readers and for search engines.

The English pages stand at the root of the site, and the Chinese ones in ``zh``; see ``book/locale/edition.py``.
"""

from pathlib import Path

from sphinx.application import Sphinx

# Language of an edition -> that of the other one, what readers call that, and the way from root to root.
OTHER = {"en": ("zh-CN", "中文", "zh/"), "zh_CN": ("en", "English", "../")}


def link_editions(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: object) -> None:
    """Let the templates know the same page in the other language, and where both are published."""
    if not (Path(app.srcdir) / "book" / "locale").is_dir() or pagename == app.config.notfound_pagename:
        return
    language, name, way = OTHER[app.config.language]
    context["edition"] = {
        "language": language,
        "name": name,
        "address": f"{context['content_root']}{way}{pagename}.html",
    }
    if site := app.config.html_baseurl:
        root = site if app.config.language == "en" else site.removesuffix("zh/")
        context["published"] = {"en": f"{root}{pagename}.html", "zh-CN": f"{root}zh/{pagename}.html"}


def setup(app: Sphinx) -> dict:
    """Register the extension."""
    app.connect("html-page-context", link_editions)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
