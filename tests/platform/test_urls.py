"""Database URLs survive being written and read again, whatever is in them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changeover.errors import InvalidParams
from changeover.platform.urls import DatabaseUrl

TEXT = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=30)


@given(user=TEXT, password=TEXT, database=TEXT, port=st.integers(1, 65535))
def test_a_url_is_read_back_as_it_was_written(user: str, password: str, database: str, port: int) -> None:
    url = DatabaseUrl("127.0.0.1", port, database, user, password)

    assert DatabaseUrl.parse(str(url)) == url
    assert DatabaseUrl.parse(url.bare) == DatabaseUrl("127.0.0.1", port, database)


@pytest.mark.parametrize("text", ["", "postgres://", "http://host/db", "postgres://host:port/db", "postgres://[::1/db"])
def test_what_is_no_url_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(InvalidParams) as refused:
        DatabaseUrl.parse(text)

    assert text == "" or text not in refused.value.what
