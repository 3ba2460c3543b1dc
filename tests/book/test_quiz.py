"""The quizzes: five questions with one right answer each, a reason for every option, and pages that need no script."""

import re
import shutil
import sys
from pathlib import Path

import nbformat
import pytest
import yaml
from bs4 import BeautifulSoup
from building import build
from run_notebooks import ROOT
from small_book import built, catalogue, make_book, write_contents, write_page
from source import contents, page_files, text_of
from visit import wait_until

sys.path.insert(0, str(ROOT / "book" / "_ext"))
import quiz

DATA = yaml.safe_load((ROOT / quiz.QUIZZES).read_text(encoding="utf-8"))
QUESTIONS = [(f"{name}-{place}", one) for name, found in DATA.items() for place, one in enumerate(found, start=1)]
each_question = pytest.mark.parametrize("question", [one for _, one in QUESTIONS], ids=[name for name, _ in QUESTIONS])


@pytest.mark.parametrize("name", DATA)
def test_quiz_has_five_questions(name):
    assert len(quiz.read(ROOT, name)) == 5


@each_question
def test_one_option_is_right_and_each_has_a_reason(question):
    assert 3 <= len(question["options"]) <= 5
    assert [option["right"] for option in question["options"] if "right" in option] == [True]
    for option in question["options"]:
        assert set(option) <= {"answer", "right", "reason"}
        sentences = re.findall(r"[^.?]+[.?](?:\s|$)", option["reason"])
        assert 1 <= len(sentences) <= 2 and option["reason"].endswith("."), option["reason"]
        assert 5 <= len(option["reason"].split()) <= 45, option["reason"]


@pytest.mark.parametrize("name", DATA)
def test_the_letter_does_not_tell_what_is_right(name):
    right = [[option.get("right", False) for option in one["options"]].index(True) for one in DATA[name]]
    assert len(set(right)) >= 3
    longest = [max(one["options"], key=lambda option: len(option["answer"])).get("right", False) for one in DATA[name]]
    assert sum(longest) <= 3, "the longest answer is too often the right one"


def test_no_text_stands_twice():
    texts = [one["question"] for _, one in QUESTIONS]
    texts += [option[field] for _, one in QUESTIONS for option in one["options"] for field in ("answer", "reason")]
    assert len(texts) == len(set(texts))


@each_question
def test_question_refers_to_a_page(question):
    assert question["see"].partition("#")[0] in contents(ROOT)


def test_each_quiz_stands_on_one_page():
    texts = [text_of(path) for path in page_files(ROOT)]
    shown = [name for text in texts for name in re.findall(r"^:::\{quiz\} (\S+)$", text, re.MULTILINE)]
    assert sorted(shown) == sorted(DATA)


SMALL = {
    "small": [
        {
            "question": "What is *one* half of $2 x$?",
            "see": "book/other#a-section",
            "options": [
                {"answer": "It is *x* < 2.", "reason": "It is no *less*."},
                {"answer": "It is x.", "right": True, "reason": "Twice x is 2 x."},
            ],
        },
        {
            "question": "And then?",
            "see": "book/intro",
            "options": [
                {"answer": "Then nothing.", "right": True, "reason": "This was all."},
                {"answer": "Then more.", "reason": "There is no more."},
            ],
        },
    ]
}
PAGE = "# Title\n\nText.\n\n## Quiz\n\n:::{quiz} small\n:::\n"
TEXTS = [text for one in SMALL["small"] for text in (one["question"], *(o["answer"] for o in one["options"]))]
REASONS = [option["reason"] for one in SMALL["small"] for option in one["options"]]


def write_quizzes(root: Path, quizzes: dict) -> None:
    """Let the book have these quizzes."""
    path = root / quiz.QUIZZES
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(quizzes), encoding="utf-8")


def broken(change) -> dict:
    """Return the small quiz after a change of its first question."""
    copy = yaml.safe_load(yaml.safe_dump(SMALL))
    change(copy["small"][0])
    return copy


ERRORS = {
    "no such quiz": ({"other": [], "third": []}, r"no quiz 'small': book/data/quizzes.yml has other, third"),
    "none right": (broken(lambda one: one["options"][1].pop("right")), "question 1 of the quiz 'small' has 0 right"),
    "two right": (broken(lambda one: one["options"][0].update(right=True)), "has 2 right answers"),
    "no reason": (
        broken(lambda one: one["options"][0].pop("reason")),
        "option A of question 1 .* None as its `reason`",
    ),
    "number": (
        broken(lambda one: one["options"][1].update(answer=0.5)),
        "option B .* 0.5 as its `answer`: .* in quotes",
    ),
    "nowhere to read": (broken(lambda one: one.pop("see")), "None as its `see`"),
    "no options": (broken(lambda one: one.update(options=[])), r"\[\] as its `options`: a list"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_broken_quiz_is_refused(tmp_path, name):
    quizzes, message = ERRORS[name]
    write_quizzes(tmp_path, quizzes)
    with pytest.raises(ValueError, match=message):
        quiz.read(tmp_path, "small")


@pytest.fixture(scope="module")
def book(tmp_path_factory) -> Path:
    """A small book with a quiz."""
    root = make_book(tmp_path_factory.mktemp("quiz"))
    write_contents(root, "book/other")
    write_page(root, PAGE)
    write_page(root, "# Other page\n\n## A section\n\nText.\n", "book/other")
    write_quizzes(root, SMALL)
    return root


@pytest.fixture(scope="module")
def shown(html):
    """The quiz in its page."""
    page = BeautifulSoup((html / "book" / "intro.html").read_text(encoding="utf-8"), "html.parser")
    return page.select_one("article .quiz")


def plain(text: str) -> str:
    """Return a text in MyST as a page shows it."""
    return re.sub(r"\$(.+?)\$", r"\\(\1\\)", text).replace("*", "")


@pytest.mark.slow
def test_question_is_a_group_with_a_name(shown):
    for question, entry in zip(shown.select("[role=group]"), SMALL["small"], strict=True):
        name = shown.find(id=question["aria-labelledby"])
        assert re.sub(r"^\d\.", "", name.text.strip()) == plain(entry["question"])
    assert shown.select_one(".quiz-asked em").text == "one"


@pytest.mark.slow
def test_option_opens_to_its_reason_without_a_script(shown):
    options = [option for one in SMALL["small"] for option in one["options"]]
    for details, option in zip(shown.select("details"), options, strict=True):
        assert not details.has_attr("open") and not details.select("summary p, summary a")
        assert details.summary.text[3:] == plain(option["answer"])
        verdict = "Right." if option.get("right") else "Wrong."
        assert [part.text for part in details.select("p")] == [verdict, plain(option["reason"])]
    assert [details.summary.text[:2] for details in shown.select("details")] == ["A.", "B."] * 2
    assert not shown.select("script, [onclick]")


@pytest.mark.slow
def test_question_links_to_where_its_answer_stands(shown):
    links = shown.select(".quiz-again a")
    assert [(link.text, link["href"]) for link in links] == [
        ("A section (Other page)", "other.html#a-section"),
        ("Title", "#"),
    ]


@pytest.mark.slow
def test_place_of_the_score_is_there_and_empty(shown):
    (score,) = shown.select("[role=status]")
    assert (score.text, score["data-words"]) == ("", quiz.SCORE)


@pytest.mark.slow
@pytest.mark.parametrize("scripts", [True, False])
def test_quiz_is_answered_by_keyboard(browser, html, scripts):
    """In a page that was opened as a file: with a score where scripts run, and with all reasons where none does."""
    page = browser.new_page(java_script_enabled=scripts, viewport={"width": 360, "height": 740})
    page.goto((html / "book" / "intro.html").as_uri())
    options, score = page.locator(".quiz-option"), page.locator(".quiz-score")
    options.first.locator("summary").focus()
    for place, said in enumerate(("0 of 1", "0 of 1", "1 of 2", "1 of 2")):
        reason = options.nth(place).locator("p").last
        assert not reason.is_visible()
        page.keyboard.press("Enter")
        reason.wait_for(state="visible")
        if scripts:
            wait_until(page, "said => document.querySelector('.quiz-score').textContent.includes(said)", arg=said)
        page.keyboard.press("Tab")
        if place == 1:
            page.keyboard.press("Tab")  # over the link between two questions
    assert score.inner_text() == ("Right at the first try: 1 of 2." if scripts else "")
    page.close()


@pytest.mark.slow
def test_notebook_of_the_readers_has_the_folds(book, html):
    cells = nbformat.read(built(book, "notebooks") / "book" / "intro.ipynb", as_version=4).cells
    text = "\n\n".join(cell.source for cell in cells)
    assert "**1.** What is *one* half of $2 x$?" in text
    assert "<details>\n<summary>A. It is x &lt; 2.</summary>\n\n**Wrong.** It is no *less*.\n\n</details>" in text
    assert re.findall(r"\*\*(Right|Wrong)\.\*\*", text) == ["Wrong", "Right", "Right", "Wrong"]
    assert "To read again: [A section (Other page)](other.ipynb" in text


@pytest.mark.slow
def test_other_builders_show_the_answers_after_the_questions(book, html):
    text = re.sub(r"\s+", " ", (built(book, "text") / "book" / "intro.txt").read_text(encoding="utf-8"))
    questions, answers = text.split("**Answers**")
    for place, asked in enumerate(TEXTS):
        assert asked.replace("$", "") in questions, place
    assert [reason for reason in REASONS if reason not in answers or reason in questions] == []
    assert "*A section (Other page)*" in answers


@pytest.mark.slow
def test_every_word_is_in_the_catalogue(book):
    """The catalogue of what is to be translated has the texts of the quiz, and the words around them."""
    found = catalogue(book)
    around = {quiz.HOW, quiz.RIGHT, quiz.WRONG, quiz.AGAIN, quiz.SCORE}
    assert {*TEXTS, *REASONS, *around} - found == set()


@pytest.mark.slow
def test_build_warns_of_a_quiz_and_of_a_section_that_there_is_not(book, tmp_path):
    root = Path(shutil.copytree(book, tmp_path / "book", ignore=shutil.ignore_patterns("out", "gettext")))
    page = root / "book" / "intro.md"
    page.write_text(PAGE + "\n:::{quiz} none\n:::\n", encoding="utf-8")
    write_quizzes(root, broken(lambda one: one.update(see="book/other#nowhere")))
    done = build(root, root / "out", root / "network.log")
    said = re.sub(r"\s+", " ", done.stdout + done.stderr)
    assert done.returncode != 0
    assert "intro.md:10: WARNING: there is no quiz 'none': book/data/quizzes.yml has small" in said
    assert "intro.md:7: WARNING: a quiz refers to book/other#nowhere: the sections of book/other are a-section" in said
