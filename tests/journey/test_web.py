"""The browser without a screen reads forms as a real one would."""

import pytest

from journey.owner import choice_named
from journey.web import Page, PageLacks

TEXT = """
<form action="/search"><input name="q"></form>
<form action="/home/" method="post">
  <input type="hidden" name="csrfmiddlewaretoken" value="abc">
  <input name="address" value="1 Old Lane">
  <select name="tariff"><option value="">-</option><option value="2" selected>Market</option></select>
  <input type="checkbox" name="is_bidirectional"><input type="checkbox" name="is_kept" checked>
  <input type="checkbox" name="cars" value="a" checked><input type="checkbox" name="cars" value="b">
  <textarea name="note">hello</textarea>
  <button type="submit" name="action" value="allow">Allow</button>
</form>
"""


def test_a_form_offers_what_it_would_send_untouched() -> None:
    form = Page("http://x/", 200, TEXT).form(having="tariff")
    assert form.method == "post"
    assert form.fields == {
        "csrfmiddlewaretoken": ["abc"],
        "address": ["1 Old Lane"],
        "tariff": ["2"],
        "is_kept": ["on"],
        "cars": ["a"],
        "note": ["hello"],
    }
    assert form.choices["cars"] == ["a", "b"]
    assert form.choices["is_bidirectional"] == ["on"]
    assert form.buttons == [("action", "allow")]


def test_a_missing_form_says_where_it_was_looked_for() -> None:
    with pytest.raises(PageLacks, match="http://x/"):
        Page("http://x/", 200, TEXT).form(having="password")


def test_a_choice_is_the_one_that_begins_so_before_one_that_contains_it() -> None:
    options = '<option value="1">BC Peak v1</option><option value="2">Peak v1</option>'
    page = Page("http://x/", 200, f'<select name="terms">{options}</select>')
    assert choice_named(page, "terms", "Peak") == "2"
    assert choice_named(page, "terms", "BC") == "1"
