"""The Chinese edition: every message is translated, keeps what it has to keep, and stands beside its English page."""

import csv
import hashlib
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
import yaml
from babel.messages.catalog import Catalog
from bs4 import BeautifulSoup
from building import build, build_edition, served
from english import chinese_pages, english
from run_notebooks import ROOT
from small_book import catalogue, make_book, write_cells, write_contents, write_page
from sphinx_intl.catalog import dump_po, load_po
from visit import Visit, wait_until

sys.path.insert(0, str(ROOT / "book" / "locale"))
sys.path.insert(0, str(ROOT / "book" / "_ext"))
import catalogs
import chinese
import edition
import messages

PAGES = catalogs.catalogues("zh_CN")
SITE = "https://example.org/book"
TERMS = ROOT / "book" / "locale" / "terms.csv"
TERM = re.compile(r"\{term\}`([^`<]+?)(?: <([^`>]+)>)?`")


# The catalogues


@pytest.mark.parametrize("page", PAGES)
def test_translations_of_a_page_are_whole_and_keep_what_they_must(page):
    assert catalogs.faults(PAGES[page]) == []


def test_every_page_has_a_catalogue():
    pages = {path.relative_to(ROOT).with_suffix("").as_posix() for path in (ROOT / "book").rglob("*.md")}
    pages |= {path.relative_to(ROOT).with_suffix("").as_posix() for path in (ROOT / "notebooks").rglob("*.ipynb")}
    assert {page for page in pages if "checkpoints" not in page} == set(PAGES) - {"sphinx", *catalogs.CODE}


@pytest.mark.parametrize("name", catalogs.CODE)
def test_words_of_the_code_are_all_translated(name):
    """Run ``make catalogs`` when an extension or a script has other words."""
    assert {message.id for message in load_po(PAGES[name])} == {message.id for message in catalogs.of_code(name)}


@pytest.mark.parametrize(
    ("english", "wrong", "fault"),
    [
        ("A sound.", "", "is not translated"),
        ("See {cite:p}`a2020`.", "见此处。", "has lost cite:p 'a2020'"),
        ("See {term}`embeddings <embedding>`.", "见{term}`嵌入 <token>`。", "has lost term 'embedding'"),
        ("See [](a.md).", "见[](b.md)。", "has lost link 'a.md'"),
        ("It is $x^2$.", "它是 $x^3$。", "has lost formula '$x^2$'"),
        ("Call `load`.", "调用 `save`。", "has lost code 'load'"),
        ("Page {page} of it.", "第 {pages} 页。", "has lost place '{page}'"),
        ("A <b>word</b>.", "一个词。", "has lost tag '<b>'"),
        ("**A word** here.", "**词。**在这里。", "look at the asterisks"),
        ("There are 12 clips.", "有十二段。", "has lost the number 12"),
        ("A word, and another.", "词,另一个。", "has the half-width '词,'"),
        ("Use CLAP here.", "这里用CLAP。", "has no space in '用C'"),
        ("Use CLAP, here.", "用 CLAP ，在这里。", "has a space beside the full-width sign"),
        ("First, the sound.", "1. 先听。", "which Markdown takes for a block"),
        ("The sound of it is low.", "The sound of it is low.", "is not in Chinese"),
        ("One line.", "一\n行。", "has a line break"),
    ],
)
def test_fault_of_a_translation_is_named(english, wrong, fault):
    assert any(fault in problem for problem in messages.problems(english, wrong)), messages.problems(english, wrong)


@pytest.mark.parametrize(
    ("english", "right"),
    [
        ("{cite:t}`kim2002` tried it with 22 people.", "{cite:t}`kim2002` 请 22 个人做了实验。"),
        ("A {term}`joint embedding` leaves out the tags.", "{term}`联合嵌入 <joint embedding>`不经过标签。"),
        ("**It takes** about 5 minutes.", "**用时**：约 5 分钟。"),
        ("There are 70 billion of them.", "共有 700 亿。"),
        ("Words, \n", "词，"),
    ],
)
def test_right_translation_has_no_fault(english, right):
    assert messages.problems(english, right) == []


def of_terms() -> Iterator[tuple[str, str, str]]:
    """Yield each use of a term in the catalogues: its page, the English term, and the Chinese that is shown."""
    for page, path in PAGES.items():
        for message in load_po(path):
            for shown, target in TERM.findall(message.string or ""):
                yield page, target or shown, shown


def test_terms_are_those_of_the_table():
    """A use may shorten the term, as in English, or name a thing in Latin letters."""
    with TERMS.open(encoding="utf-8") as file:
        table = {row["english"].lower(): row["chinese"].lower() for row in csv.DictReader(file)}

    def fits(term: str, shown: str) -> bool:
        listed = table.get(term.lower(), shown)
        return listed in shown or shown in listed or shown.isascii()

    assert [use for use in of_terms() if not fits(use[1], use[2].lower())] == []


def test_readme_is_translated_from_the_english_one_as_it_is():
    """Whoever changes README.md looks at the Chinese one, and writes the new hash at its end."""
    english, translated = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-CN.md"))
    found = hashlib.sha256(english.encode()).hexdigest()
    assert found in translated, f"README.md has changed: mend README.zh-CN.md, and write {found} at its end"
    code, target = (
        re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL),
        re.compile(r"\]\(([^)]+)\)|(?:src|srcset)=\"([^\"]+)"),
    )
    assert set(code.findall(english)) - set(code.findall(translated)) == set()
    own = {("README.zh-CN.md", ""), ("README.md", "")}
    assert set(target.findall(english)) - own == set(target.findall(translated)) - own


# A sentence that has changed


@pytest.fixture
def changed(tmp_path, monkeypatch) -> Path:
    """A catalogue in which one English sentence has changed, as ``make catalogs`` leaves it."""
    catalogue = Catalog(locale="zh_CN")
    catalogue.add("A slow piano.", "慢速的钢琴。")
    catalogue.add("A fast fiddle.", "快速的民间小提琴。", flags=["fuzzy"])
    path = tmp_path / "zh_CN" / "LC_MESSAGES" / "book" / "page.po"
    dump_po(str(path), catalogue)
    monkeypatch.setattr(catalogs, "LOCALE", tmp_path)
    return path


def test_changed_sentence_is_named(changed):
    (fault,) = catalogs.faults(changed)
    assert fault.startswith("“A fast fiddle.” has changed")


def test_translation_is_carried_over_by_one_command(changed):
    assert catalogs.carry("zh_CN", "book/page") == []
    assert catalogs.faults(changed) == []
    assert {message.string for message in load_po(str(changed)) if message.id} == {"慢速的钢琴。", "快速的民间小提琴。"}


def test_translation_that_lost_something_is_not_carried_over(changed):
    catalogue = load_po(str(changed))
    catalogue.add("A slow {term}`piano`.", "慢速的钢琴。", flags=["fuzzy"])
    dump_po(str(changed), catalogue)
    before = changed.read_bytes()
    assert catalogs.carry("zh_CN", "book/page") != []
    assert changed.read_bytes() == before


# Glued values, search and settings


@pytest.mark.parametrize(
    ("value", "chinese_value"),
    [
        ("0.74 (0.68 to 0.80)", "0.74（0.68 至 0.80）"),
        ("0.33 to 0.67", "0.33 至 0.67"),
        ("5 of 6", "6 个中的 5 个"),
        ("0.00 and 0.65", "0.00 和 0.65"),
        ("noise, 10 dB below and tempo", "低 10 dB 的噪声和速度"),
        ("below", "低于"),
        ("tempo, family and BLEU", "速度、音色族和 BLEU"),
        ("*tempo* and *family*", "速度和音色族"),
        ("silence explains 29% of it", "无声占其中的 29%"),
        ("Rock in E minor", "Rock in E minor"),
    ],
)
def test_glued_value_is_put_into_chinese(value, chinese_value):
    table = {
        "below": "低于",
        "tempo": "速度",
        "noise, 10 dB below": "低 10 dB 的噪声",
        "family": "音色族",
        "silence explains {share} of it": "无声占其中的 {share}",
    }
    assert chinese.Values(table).translated("name", value) == chinese_value


def test_glued_value_of_one_name_comes_first():
    assert chinese.Values({"lower": "较低", "here=lower": "更低"}).translated("here", "lower") == "更低"


def test_sound_of_a_notebook_is_named_in_chinese_where_the_table_has_it():
    player = (
        '<figure class="sound"><figcaption><strong>{0}</strong> {1}</figcaption><img alt="Mel spectrogram of {0}, 1.0 '
        'seconds of silence."><audio aria-label="{0}"></audio></figure>'
    )
    values = chinese.Values({"Clip {x}": "片段 {x}", "Similarity {x}.": "相似度 {x}。"})
    assert chinese.name_sound(player.format("Clip A", "Similarity 0.5."), values) == player.format(
        "片段 A", "相似度 0.5。"
    )
    unknown = player.format("Rock in E minor", "A tune.")
    assert chinese.name_sound(unknown, values) == unknown


def test_search_splits_chinese_into_pairs():
    assert chinese.SearchPairs({}).split("余弦相似度 of CLAP，音") == [
        "余弦",
        "弦相",
        "相似",
        "似度",
        "of",
        "CLAP",
        "音",
    ]


def test_settings_of_an_edition_are_those_of_the_book_but_for_its_own(tmp_path):
    edition.write_config(ROOT, "zh_CN", tmp_path / "_config.yml")
    ours = yaml.safe_load((tmp_path / "_config.yml").read_text(encoding="utf-8"))
    theirs = yaml.safe_load((ROOT / "book" / "_config.yml").read_text(encoding="utf-8"))
    assert ours["sphinx"]["config"]["language"] == "zh_CN"
    assert ours["sphinx"]["config"]["redirects"] == theirs["sphinx"]["config"]["redirects"]
    assert ours["sphinx"]["local_extensions"].keys() == theirs["sphinx"]["local_extensions"].keys()
    assert ours["bibtex_bibfiles"] == theirs["bibtex_bibfiles"]


# The pages


SENTENCE = "The score is {glue:text}`low`, and {term}`cosine similarity` is a number."
GLOSSARY = "# Glossary\n\n:::{glossary}\ncosine similarity\n  A number.\n:::\n"
LISTED = "It is {glue:text}`kinds`, by {glue:text}`fall`."
CHANGE = "A model hears *without*."
CHANGES = (
    f"- {{date: '2026-01', task: [rights], said: '{CHANGE}', cite: null, by: Deezer, link: 'https://example.org'}}\n"
)
CITED = f"{CHANGE} [Deezer](https://example.org)"
ALT = "A line that rises."
FIGURE = "import matplotlib.pyplot as plt\n_ = plt.subplots(figsize=(1, 1))"
TRANSLATED = {
    "book/intro": {
        "Title": "标题",
        "Text.": "正文。",
        "What changed": "有何变化",
        "rights": "权利",
        CITED: "一个模型听得出 *without*（没有）。[Deezer](https://example.org)",
    },
    "book/part/glossary": {
        "cosine similarity": "余弦相似度（cosine similarity）",
        "A number.": "一个数。",
        "Glossary": "术语表",
    },
    "notebooks/cells": {
        "Cells": "单元格",
        SENTENCE: "得分 {glue:text}`low`，而{term}`余弦相似度 <cosine similarity>`是一个数。",
        LISTED: "它是 {glue:text}`kinds`，差 {glue:text}`fall`。",
        ALT: "一条上升的线。",
    },
}


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """A small book in both languages, with pages and notebooks."""
    root = make_book(tmp_path_factory.mktemp("editions"))
    write_contents(root, "book/part/glossary", "notebooks/cells")
    write_page(root, GLOSSARY, "book/part/glossary")
    write_page(root, "# Title\n\nText.\n\n:::{registry} changes\n:::\n")
    (root / "book" / "data").mkdir()
    (root / "book" / "data" / "changes.yml").write_text(CHANGES, encoding="utf-8")
    glued = {"low": "below", "kinds": "*erhu* and *oud*", "fall": "-0.5"}
    glue = "\n".join(f"glue({name!r}, {value!r}, display=False)" for name, value in glued.items())
    write_cells(root, f"from myst_nb import glue\n{glue}", FIGURE)
    path = root / "notebooks" / "cells.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[-1].metadata["mystnb"] = {"image": {"alt": ALT}}
    notebook.cells += map(nbformat.v4.new_markdown_cell, (SENTENCE, LISTED))
    nbformat.write(notebook, path)
    locale = root / "book" / "locale" / "zh_CN"
    for page, strings in TRANSLATED.items():
        written = Catalog(locale="zh_CN")
        for message, translated in strings.items():
            written.add(message, translated)
        dump_po(str(locale / "LC_MESSAGES" / f"{page}.po"), written)
    shutil.copy(ROOT / "book" / "locale" / "zh_CN" / "config.yml", locale)
    (locale / "glued.yml").write_text("below: 偏低\nerhu: 二胡\noud: 乌德琴\n", encoding="utf-8")
    shutil.copy(ROOT / "book" / "locale" / "edition.py", locale.parent)
    for builder in ((), ("--builder=custom", "--custom-builder=notebooks")):
        assert build(root, root, root / "network.log", *builder, site=SITE).returncode == 0
        done = build_edition(root, root, root / "network.log", *(["--notebooks"] if builder else []), site=SITE)
        assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
        assert "Executing notebook" not in done.stdout + done.stderr
    return root / "_build"


def page(site: Path, name: str) -> BeautifulSoup:
    """Return a page."""
    return BeautifulSoup((site / "html" / f"{name}.html").read_text(encoding="utf-8"), "html.parser")


@pytest.mark.slow
def test_page_is_in_chinese_with_what_the_notebook_computed(site):
    article = page(site, "zh/notebooks/cells").select_one("article")
    assert article.h1.text.startswith("单元格")
    assert [part.text for part in article.select("p") if "得分" in part.text] == ["得分偏低，而余弦相似度是一个数。"]
    assert article.select_one("a.reference[href*=glossary] em, a.reference[href*=glossary] span").text == "余弦相似度"


@pytest.mark.slow
def test_table_is_in_chinese_but_for_names(site):
    table = page(site, "zh/book/intro").select_one("table.registry")
    assert [head.text for head in table.select("th")] == ["Part", "Month", "有何变化"]  # as far as there are messages
    assert [cell.text for cell in table.select("td")] == ["权利", "2026‑01", "一个模型听得出 without（没有）。Deezer"]


@pytest.mark.slow
def test_figure_of_a_notebook_is_described_in_chinese(site):
    assert [one["alt"] for one in page(site, "zh/notebooks/cells").select("article img")] == ["一条上升的线。"]


@pytest.mark.slow
def test_catalogues_hold_the_words_of_tables_and_figures(site):
    """Names, dates and numbers are no messages."""
    messages = catalogue(site.parent)
    assert messages >= {ALT, CITED, "Part", "Month", "What changed", "rights"}
    assert not [message for message in messages if "2026" in message]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("edition", "sentence", "emphasized"),
    [("", "It is erhu and oud, by −0.5.", ["erhu", "oud"]), ("zh/", "它是二胡和乌德琴，差 −0.5。", [])],
)
def test_glued_words_are_emphasized_and_numbers_have_a_minus(site, edition, sentence, emphasized):
    (found,) = (one for one in page(site, f"{edition}notebooks/cells").select("article p") if "0.5" in one.text)
    assert found.text == sentence and [one.text for one in found.select("em")] == emphasized


@pytest.mark.slow
@pytest.mark.parametrize("name", ["book/intro", "notebooks/cells", "book/part/glossary"])
def test_each_page_leads_to_the_same_page_in_the_other_language(site, name):
    for here, there, language in (("", "zh/", "zh-CN"), ("zh/", "", "en")):
        link = page(site, here + name).select_one("a.language-switch")
        place = (site / "html" / f"{here}{name}.html").parent / link["href"]
        assert place.resolve() == (site / "html" / f"{there}{name}.html").resolve() and place.is_file()
        assert link["hreflang"] == link["lang"] == language
        alternates = {one["hreflang"]: one["href"] for one in page(site, here + name).select("link[hreflang]")}
        assert alternates == {"en": f"{SITE}/{name}.html", "zh-CN": f"{SITE}/zh/{name}.html"}


@pytest.mark.slow
def test_no_sentence_of_the_chinese_pages_is_in_english(built_book):
    """What may be in English stands in ``tests/data/english_in_chinese.yml``, with the reason."""
    pages = chinese_pages(built_book)
    assert len(pages) > 50
    assert {name: found for name, page in pages.items() if (found := english(page))} == {}


@pytest.mark.parametrize(
    ("html", "found"),
    [
        ("<p>这是 The score of the model.</p>", ["The score of the model"]),
        ('<img alt="A line that rises slowly.">', ["A line that rises slowly"]),
        ("<p>提示词“a slow piano piece at night”。</p>", []),
        ("<p>平均意见得分（mean opinion score of listeners）</p>", []),
        ("<p>words of the prompt（提示词）</p>", []),
        ("<p>NVIDIA OneWay Noncommercial License</p>", []),
        ("<pre>the name of a file</pre>", []),
    ],
)
def test_english_is_found_where_it_has_no_reason(html, found):
    assert english(html) == found


@pytest.mark.slow
def test_pages_say_what_language_they_are_in(site):
    assert page(site, "zh/book/intro").html["lang"] == "zh-CN" and page(site, "book/intro").html["lang"] == "en"


@pytest.mark.slow
def test_what_both_editions_have_is_there_once(site):
    ours = {path.relative_to(site / "html" / "zh") for path in (site / "html" / "zh" / "_static").rglob("*")}
    files = {path for path in ours if (site / "html" / "zh" / path).is_file()}
    same = {path for path in files if (site / "html" / path).is_file()}
    assert [
        path for path in same if (site / "html" / path).read_bytes() == (site / "html" / "zh" / path).read_bytes()
    ] == []
    assert Path("_static/language_data.js") in files


@pytest.mark.slow
@pytest.mark.parametrize(("query", "found"), [("余弦相似度", True), ("相似度", True), ("偏低", True), ("钢琴", False)])
def test_search_finds_chinese(browser, site, query, found):
    with served(site / "html") as address, Visit(browser, address, f"zh/search.html?q={query}") as visit:
        visit.page.locator("#search-results .search-summary, #search-results h2 + p").first.wait_for()
        wait_until(visit.page, "!document.querySelector('#search-progress')?.innerText.includes('…')")
        titles = visit.page.locator("#search-results li a").all_inner_texts()
        assert bool(titles) == found and visit.errors == []


@pytest.mark.slow
def test_notebooks_in_chinese_have_the_cells_of_the_english_ones(site):
    english, translated = (
        nbformat.read(site / "notebooks" / name, as_version=4)
        for name in ("notebooks/cells.ipynb", "zh/notebooks/cells.ipynb")
    )
    codes = [[cell.source for cell in one.cells if cell.cell_type == "code"] for one in (english, translated)]
    assert codes[0] == codes[1] != []
    assert any("得分偏低" in cell.source for cell in translated.cells)
