"""The two lists of what the simulated listener says have templates for the same things."""

import re

import pytest

from musicwords.wordings import HELD_OUT, KNOWN


def places(templates: tuple[str, ...]) -> set[str]:
    """Return what a listener fills in, a place being named by a word or by a number."""
    return {
        name.replace("n", "place") if name == "n" else name
        for text in templates
        for name in re.findall(r"{(\w*)}", text)
    }


def test_both_lists_say_the_same_things():
    assert list(KNOWN) == list(HELD_OUT)


@pytest.mark.parametrize("wording", [KNOWN, HELD_OUT], ids=["known", "held out"])
def test_every_template_is_a_text_of_its_own(wording):
    texts = [text for kind, templates in wording.items() for text in templates if kind not in ("open", "refer")]
    assert all(templates and all(templates) for templates in wording.values())
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("kind", KNOWN)
def test_templates_of_a_kind_are_filled_with_the_same(kind):
    assert places(KNOWN[kind]) == places(HELD_OUT[kind])


def test_no_wish_is_worded_alike_in_both_lists():
    assert not [kind for kind in KNOWN if set(KNOWN[kind]) & set(HELD_OUT[kind])]
