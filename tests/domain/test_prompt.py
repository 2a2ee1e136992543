"""The prompt syntax: the contract's cases, the decisions beside it, and properties over any text."""

import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from imgen.domain.catalog import Character, Guidance, Model, Steps, Style
from imgen.domain.errors import ImgenError, InvalidCharacter, PromptRequired, TooManyCharacters
from imgen.domain.prompt import Parsed, compose, parse, parse_terms, plain, plain_terms, unparse

CHARACTERS = ("aya", "Bella", "mary-ann")

SYNTAX = st.text(st.sampled_from("ab1 ,，-@\\():.'\"!_\n\t\u200b\ud800é"), max_size=40)
PROMPTS = st.one_of(
    SYNTAX,
    st.text(max_size=60),
    st.lists(st.sampled_from(["@aya", "@Bella", "-hat", "red coat", "\\@x", "\\-y", "(a, b:1.2)", "(", ")"])).map(
        ", ".join
    ),
    st.lists(st.sampled_from(["@aya", " ", ",", "-", "\\", "@", "(", ")", "hat", "1", "'s", "★"])).map("".join),
)

CASES = {
    "@aya red coat, on a beach, warm lighting, -hat, -ugly hands": (
        "aya",
        ("red coat", "on a beach", "warm lighting"),
        ("hat", "ugly hands"),
    ),
    "t-shirt, close-up": ("", ("t-shirt", "close-up"), ()),
    "@aya": ("aya", (), ()),
    "red coat, @aya": ("aya", ("red coat",), ()),
    "a portrait of @aya, smiling": ("aya", ("a portrait of", "smiling"), ()),
    "@aya: red coat": ("aya", ("red coat",), ()),
    "@aya! @aya, again": ("aya", ("again",), ()),
    "@AYA, @bella's": TooManyCharacters,
    "@bELLa": ("Bella", (), ()),
    "@aya's red coat": ("aya", ("red coat",), ()),
    "@mary-ann": ("mary-ann", (), ()),
    "@aya @bella": TooManyCharacters,
    "@nobody": InvalidCharacter,
    "@aya, @nobody": InvalidCharacter,
    "mail me@example.org": ("", ("mail me@example.org",), ()),
    r"\@aya, \-hat": ("", ("@aya", "-hat"), ()),
    r"a \\@ b, x\-y, c\\-d": ("", (r"a \@ b", "x-y", r"c\-d"), ()),
    "@ aya, @": ("", ("@ aya", "@"), ()),
    "": PromptRequired,
    " \n\t\u3000": PromptRequired,
    ", ,，": PromptRequired,
    "-hat": PromptRequired,
    "-": PromptRequired,
    "\u200b\ufeff": PromptRequired,
    "@aya -hat": ("aya", (), ("hat",)),
    "coat, -hat @aya": ("aya", ("coat",), ("hat",)),
    "coat, -@aya": ("", ("coat",), ("@aya",)),
    "coat, - hat, --scarf, -": ("", ("coat",), ("hat", "scarf")),
    "(red coat, long:1.2), hat": ("", ("(red coat, long:1.2)", "hat"), ()),
    "coat, -(hat, scarf:1.3)": ("", ("coat",), ("(hat, scarf:1.3)",)),
    "((a, b), (c:1.1)), d": ("", ("((a, b), (c:1.1))", "d"), ()),
    "(a, b": ("", ("a", "b"), ()),
    "a), (b": ("", ("a", "b"), ()),
    r"bella \(actress\), x": ("", (r"bella \(actress\)", "x"), ()),
    r"\(a, b\)": ("", (r"\(a", r"b\)"), ()),
    "(@aya:1.2), coat": ("aya", ("coat",), ()),
    "(with @aya:1.2)": ("aya", ("(with:1.2)",), ()),
    "(@aya:1.2) coat": ("aya", ("coat",), ()),
    "(@aya:1.2)coat, -(hat:1.1)": ("aya", ("coat",), ("(hat:1.1)",)),
    "a woman ((@aya's:1.2):1.1) in [@aya!] a coat": ("aya", ("a woman in a coat",), ()),
    "(@aya, red coat:1.2)": ("aya", ("(red coat:1.2)",), ()),
    "(red coat, @aya:.8), (hat @aya)": ("aya", ("(red coat:.8)", "(hat)"), ()),
    "(@aya coat:1.2), (a, @aya, b)": ("aya", ("(coat:1.2)", "(a, b)"), ()),
    "{{@aya}} coat, 'hi @aya'": ("aya", ("coat", "'hi'"), ()),
    "@aya:1.2 coat, (@aya:1.2": ("aya", ("coat",), ()),
    "coat, -(@aya:1.2)": ("", ("coat",), ("(@aya:1.2)",)),
    '“@aya” coat, a "@aya" hat': ("aya", ("coat", "a hat"), ()),
    "coat () [x] @aya (:1.2)": ("aya", ("coat () [x] (:1.2)",), ()),
    '"@aya"': ("aya", (), ()),
    "a，b、c، d": ("", ("a", "b", "c", "d"), ()),
    "a\nwoman\tin  red": ("", ("a woman in red",), ()),
    "a\x00b\ud800c\uffff": ("", ("a bc",), ()),
    "★, ...": ("", ("★", "..."), ()),
}


@pytest.mark.parametrize("prompt", CASES, ids=ascii)
def test_the_contracts_syntax(prompt):
    """Each prompt is read as the contract says, or refused with its error."""
    expected = CASES[prompt]
    if isinstance(expected, type):
        with pytest.raises(expected):
            parse(prompt, CHARACTERS)
    else:
        character, positive, negative = expected
        assert parse(prompt, CHARACTERS) == Parsed(character=character, positive=positive, negative=negative)


def test_the_contracts_example_comes_back_letter_by_letter():
    """A prompt in the usual form is answered unchanged."""
    prompt = "@aya red coat, on a beach, warm lighting, -hat, -ugly hands"
    assert unparse(parse(prompt, CHARACTERS)) == prompt


def test_a_character_alone_or_before_mere_signs_keeps_its_comma():
    """Behind a name signs alone would be dropped with it, so they are written as a term of their own."""
    assert unparse(Parsed(character="aya", negative=("hat",))) == "@aya, -hat"
    assert unparse(Parsed(character="aya", positive=("★",))) == "@aya, ★"


@pytest.mark.parametrize("prompt", [prompt for prompt in CASES if not isinstance(CASES[prompt], type)], ids=ascii)
def test_each_case_survives_being_written_and_read_again(prompt):
    """Escaped signs are escaped again if they must be."""
    parsed = parse(prompt, CHARACTERS)
    assert parse(unparse(parsed), CHARACTERS) == parsed


@given(PROMPTS)
def test_unparse_is_undone_by_parse(prompt):
    """The result of parse survives unparse and parse, for any text."""
    try:
        parsed = parse(prompt, CHARACTERS)
    except ImgenError:
        assume(False)
    assert parse(unparse(parsed), CHARACTERS) == parsed


@given(PROMPTS)
def test_any_text_is_read_or_refused_by_name(prompt):
    """Parse raises nothing but its three errors; terms are stripped, never empty, and fit for UTF-8 and for SQL."""
    try:
        parsed = parse(prompt, CHARACTERS)
    except (InvalidCharacter, PromptRequired, TooManyCharacters):
        return
    assert parsed.character or parsed.positive
    for term in parsed.positive + parsed.negative:
        assert term == " ".join(term.split())
        assert term
        assert "\x00" not in term.encode("utf-8").decode()


@given(PROMPTS)
def test_reviewers_read_the_terms_that_parse_reads(prompt):
    """parse_terms refuses nothing and finds the same terms as parse."""
    terms = [term for term in parse_terms(prompt) if term.text]
    try:
        parsed = parse(prompt, CHARACTERS)
    except ImgenError:
        return
    assert tuple(term.text for term in terms if not term.is_negative) == parsed.positive
    assert tuple(term.text for term in terms if term.is_negative) == parsed.negative


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "a, ",
        "(",
        ")",
        "((a,",
        "@aya ",
        "\\@",
        "-",
        "\u0301",
        ":.:",
        "@aya" + ":." * 9,
        "\\(",
        "(@aya:1.2)",
        "[@aya ",
        "(@aya,",
        '"@aya ',
    ],
)
def test_reading_takes_linear_time(piece):
    """100,000 characters of the worst kind are read in well under a second."""
    prompt = (piece * 100_000)[:100_000]
    started = time.process_time()
    list(parse_terms(f"@aya {prompt} x"))
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("red coat, -hat,@aya", ("red coat", "-hat", "@aya")),
        (" -hat ", ("-hat",)),
        ("mail me@example.org, (a, b:1.2) (", ("mail me@example.org", "(a, b:1.2)")),
        (r"\@aya, \-hat", (r"\@aya", r"\-hat")),
    ],
    ids=ascii,
)
def test_in_plain_text_the_signs_mean_nothing(text, terms):
    """All of it is drawn: nothing is a character or a negative term."""
    assert plain(text) == Parsed(positive=terms)
    for empty in ("", " , ,\n", "\u200b"):
        with pytest.raises(PromptRequired):
            plain(empty)


@given(PROMPTS)
def test_plain_text_is_written_so_that_it_is_parsed_the_same(prompt):
    """Written in the syntax its signs are escaped, so that reviewers and the playground read the same terms."""
    try:
        made = plain(prompt)
    except PromptRequired:
        return
    assert parse(unparse(made), CHARACTERS) == made


def test_plain_terms_bring_neither_names_nor_negatives():
    """A language model's answer gives positive terms only."""
    assert plain_terms("@aya red coat, -hat, (a, b:1.2)", max_chars=100) == ("red coat", "(a, b:1.2)")
    assert plain_terms(" ,, ", max_chars=100) == ()


def test_plain_terms_are_cut_between_words():
    """A text over the limit ends with its last whole word; an unbroken one is cut where the limit is."""
    assert plain_terms("red coat, blue hat", max_chars=14) == ("red coat", "blue")
    assert plain_terms("red coat, blue hat", max_chars=13) == ("red coat",)
    assert plain_terms("red coat, blue hat", max_chars=18) == ("red coat", "blue hat")
    assert plain_terms("赤" * 30, max_chars=10) == ("赤" * 10,)


@given(SYNTAX, st.integers(1, 30))
def test_plain_terms_keep_within_the_limit(text, max_chars):
    """Terms joined again are no longer than the limit, plus the spaces between them."""
    terms = plain_terms(text, max_chars=max_chars)
    assert sum(map(len, terms)) <= max_chars


def model(**changes):
    fields = {"base_negative": "blurry", "default_style": "plain", "styles": {"plain": Style(label="Plain")}}
    ranges = {"steps": Steps(default=8), "guidance": Guidance(default=3.5)}
    return Model(**({"key": "eros", "label": "Eros", "source": "x"} | ranges | fields | changes))


def test_composition_follows_the_contracts_order():
    """Trigger, character, user, style; base, style, character, -terms, explicit."""
    positive, negative = compose(
        Parsed(character="aya", positive=("red coat", "beach"), negative=("hat", "scarf")),
        model=model(),
        style=Style(label="S", quality_tags="sharp", negative_extra="flat"),
        character=Character(key="aya", trigger="ayatrig", positive="adult woman", negative="beard"),
        negative="rain",
    )
    assert positive == "ayatrig, adult woman, red coat, beach, sharp"
    assert negative == "blurry, flat, beard, hat, scarf, rain"


def test_composition_leaves_empty_parts_out():
    """Nothing but the user's terms gives nothing but the user's terms; stray commas of the parts are dropped."""
    parsed = Parsed(positive=("red coat",))
    assert compose(parsed, model=model(base_negative=""), style=Style(label="S")) == ("red coat", "")
    edges = compose(
        parsed, model=model(base_negative=" a, "), style=Style(label="S", quality_tags=", b ,"), negative=" , "
    )
    assert edges == ("red coat, b", "a")


def test_a_model_that_uses_no_negative_prompt_gets_none():
    """Whatever was asked for: its entry says so, and what acts is what is told."""
    parsed, style = Parsed(positive=("red coat",), negative=("hat",)), Style(label="S", negative_extra="flat")
    assert compose(parsed, model=model(negative_prompt=False), style=style, negative="rain") == ("red coat", "")
