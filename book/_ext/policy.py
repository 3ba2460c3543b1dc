"""Sphinx extension: a content security policy in each page.

A page loads what lies beside it and nothing from another host, and runs the scripts that the build has written and no
others. So what a reader types, or the name of a file, cannot become code. The policy stands in the page, since GitHub
Pages sends no headers of ours. It names each short script in the page by its hash.
"""

import base64
import hashlib
import html
import re
from pathlib import Path

from sphinx.application import Sphinx

# "file:" is for the pages that a reader has unpacked: on the web no page may load files of its reader.
POLICY = {
    "default-src": "'self' file:",
    "script-src": "'self' file: 'wasm-unsafe-eval' 'unsafe-hashes'",  # WebAssembly runs the models of the live pages
    "style-src": "'self' file: 'unsafe-inline'",  # MathJax, and pictures as wide as they were drawn
    "img-src": "'self' file: data: blob:",
    "font-src": "'self' file: data:",
    "media-src": "'self' file: data: blob:",
    "worker-src": "'self' file: blob:",
    "object-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self' file:",
}
SCRIPT = re.compile(r"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", re.DOTALL)
HANDLER = re.compile(r'<[^>]+\son[a-z]+="([^"]*)"')
META = '<meta http-equiv="Content-Security-Policy"'
HEAD = re.compile(r"<head>\s*")


def policy(page: str, handlers: set[str]) -> str:
    """Return the policy for the HTML of one page, which may run its short scripts and these handlers of clicks."""
    hashes = (hashlib.sha256(script.encode()).digest() for script in sorted({*SCRIPT.findall(page), *handlers}))
    allowed = " ".join([POLICY["script-src"], *(f"'sha256-{base64.b64encode(one).decode()}'" for one in hashes)])
    return "; ".join(f"{name} {value}" for name, value in (POLICY | {"script-src": allowed}).items())


def write_policies(app: Sphinx, error: Exception | None) -> None:
    """Write the policy into each page that was built anew, before everything else in its head.

    Each page allows the handlers of all pages, since the search looks into the pages that it has found.
    """
    if error or app.builder.name != "html":
        return
    pages = {path: path.read_text(encoding="utf-8") for path in Path(app.outdir).rglob("*.html")}
    handlers = {html.unescape(handler) for page in pages.values() for handler in HANDLER.findall(page)}
    for path, page in pages.items():
        head = HEAD.search(page)  # which the templates of the theme among the static files lack
        if head and META not in page:
            meta = f'{META} content="{policy(page, handlers)}">\n'
            path.write_text(page[: head.end()] + meta + page[head.end() :], encoding="utf-8")


def setup(app: Sphinx) -> dict:
    """Register the extension."""
    app.connect("build-finished", write_policies, priority=900)  # after all that writes into pages
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
