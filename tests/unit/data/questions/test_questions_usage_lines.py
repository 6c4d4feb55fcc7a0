"""What a page of the reference manual says of a function."""

from rzen.data.questions.usage_lines import prose, topics

PAGE = """so it goes on from before.
Description
Create a vector of grey levels. More is told here.
Usage
gray(level, alpha = NULL, names = c("a", "b"),
sep = ", ", rev = FALSE)
## S3 method for class 'x'
grey.colors(n, start = 0.3, which = "any", ...)
Arguments
level a vector of desired levels between 0 and 1;
zero is black.
start starting grey level in the range. It is a number.
rev logical.
Value
A vector of colours of the same length as level. It is long.
See Also
rainbow, hsv, hcl, rgb and so on. All of them."""


def test_calls_arguments_and_defaults_are_read() -> None:
    (topic,) = topics(PAGE)
    assert [call.function for call in topic.calls] == ["gray", "grey.colors"]
    assert topic.calls[0].arguments == {
        "level": "",
        "alpha": "NULL",
        "names": "",  # a default of several words is none that can be asked for
        "sep": "",
        "rev": "FALSE",
    }
    assert topic.calls[1].arguments == {"n": "", "start": "0.3", "which": '"any"'}


def test_descriptions_end_with_their_first_sentence() -> None:
    (topic,) = topics(PAGE)
    assert topic.description == "Create a vector of grey levels"
    assert topic.arguments == {
        "level": "a vector of desired levels between 0 and 1",
        "start": "starting grey level in the range",
    }


def test_a_call_that_goes_on_overleaf_is_left_out() -> None:
    (topic,) = topics("Usage\none(a = 1)\ntwo(a = 2,\nb = 3")
    assert [call.function for call in topic.calls] == ["one"]


def test_brackets_and_commas_within_quotes_do_not_count() -> None:
    (topic,) = topics('Usage\nf(a = "x),(", b = g(1, 2), d = TRUE)')
    assert [*topic.calls[0].arguments] == ["a", "b", "d"]
    assert len(topic.calls) == 1


def test_prose_has_no_usage_arguments_or_references() -> None:
    told = prose(PAGE)
    assert "A vector of colours" in told
    assert "so it goes on" in told
    assert all(word not in told for word in ("alpha", "desired", "rainbow"))
