"""The page of a report: what stands in it, and that it can do no harm."""

import base64
import hashlib
import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from mlobs.cli import main
from mlobs.drift.check import check
from mlobs.drift.profile import Profile
from mlobs.drift.report.page import page
from mlobs.drift.report.pictures import picture, spark
from mlobs.drift.report.words import FIGURES

N = 5_000
EVIL = "<img src=x onerror=alert(1)>\x1b[2J\u202e"
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def rows(seed, moved=0.0, n=N):
    rng = np.random.default_rng(seed)
    return {
        "age": rng.normal(40 + 10 * moved, 10, n),
        "income": rng.lognormal(10, 2, n),
        "spiky": np.where(rng.random(n) < 0.6, 0.0, rng.exponential(size=n)),
        "children": rng.poisson(2, n),
        "country": rng.choice(["DE", EVIL, "US"], n),
        "member": rng.random(n) < 0.5,
        "at": np.datetime64("2026-01-01") + rng.integers(0, 10**7, n).astype("timedelta64[s]"),
        "vector": rng.normal(size=(n, 4)).astype(np.float32),
        EVIL: rng.normal(size=n),
        "constant": np.full(n, 7.0),
        "nothing": [None] * n,
        "huge": rng.choice([-1.7e308, 0.0, 1.7e308], n),
    }


@pytest.fixture(scope="module")
def profile():
    return Profile.of(rows(1), model="churn@7")


@pytest.fixture(scope="module")
def report(profile):
    live = rows(2, moved=1.0)
    live["country"] = np.where(np.arange(N) % 10 == 0, "new", live["country"])
    del live["spiky"]
    return check(profile, live, intervals=True, bars=True)


@pytest.fixture(scope="module")
def html(report):
    return page(report, data="today.parquet")


class Tags(HTMLParser):
    """Every element and its attributes; fails where the elements do not fit into each other."""

    EMPTY = frozenset({"meta", "input"})

    def __init__(self):
        super().__init__()
        self.found, self.open = [], []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def tags(html):
    parser = Tags()
    parser.feed(html)
    assert not parser.open
    return parser.found


def test_the_page_loads_and_sends_nothing(html):
    """It is opened from mails and tickets, also where there is no network."""
    for tag, attributes in tags(html):
        assert not attributes.keys() & {"src", "href", "action", "style", "srcset"}, tag
        assert not [name for name in attributes if name.startswith("on")]
    assert "http://" not in html
    assert "https://" not in html
    assert "url(" not in html
    assert "@import" not in html


def test_only_its_own_script_and_style_may_act(html):
    """Names of columns and levels are strangers' input; the page's own policy is the second fence."""
    [policy] = [a["content"] for tag, a in tags(html) if tag == "meta" and "http-equiv" in a]
    assert policy.startswith("default-src 'none'; ")
    for tag in ("style", "script"):
        [content] = re.findall(f"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_names_from_strangers_are_text(html):
    """Markup, escape sequences and turned text in a column's name and in a level."""
    assert not [tag for tag, _ in tags(html) if tag == "img"]
    assert "&lt;img src=x onerror=alert(1)&gt;\\x1b[2J\\u202e" in html
    assert "\x1b" not in html
    assert "\u202e" not in html


def test_every_column_has_a_card_in_order_of_evidence(html, report):
    """What moved comes first and is open; what is stable is closed."""
    cards = [attributes for tag, attributes in tags(html) if tag == "details"]
    assert len(cards) == len(report.findings) == 12
    verdicts = [card["data-verdict"] for card in cards]
    order = ["schema", "drifted", "unknown", "stable"]
    assert verdicts == sorted(verdicts, key=order.index)
    assert set(verdicts) == set(order)
    assert {card["data-verdict"] for card in cards if "open" in card} == {"drifted"}


def test_drawings_are_well_formed_and_have_both_distributions(report):
    """Of every kind of column, spikes, long tails, constants and infinite ranges included."""
    for finding in report.findings:
        if not finding.bars:
            continue
        for drawing in (picture(finding.kind, finding.bars), spark(finding.bars)):
            root = ET.fromstring(drawing)
            classes = {element.get("class") for element in root.iter()}
            assert {"r", "l"} <= classes, finding.column
            numbers = " ".join(element.get("points", "") for element in root.iter())
            assert "nan" not in numbers
            assert "inf" not in numbers


def test_the_areas_of_an_outline_are_shares(report):
    """Two outlines of the same data would lie on each other, whatever the widths of the bins."""
    [age] = [finding for finding in report.findings if finding.column == "age"]
    inner = [bar for bar in age.bars if bar.low is not None]
    assert [bar.low for bar in inner[1:]] == [bar.high for bar in inner[:-1]]
    assert sum(bar.reference_ratio for bar in age.bars) == pytest.approx(1)
    assert sum(bar.live_ratio for bar in age.bars) == pytest.approx(1)


def test_every_figure_shown_is_explained(html):
    """A reader who meets PSI for the first time finds a sentence on the same page."""
    shown = set(re.findall(r"<dt>([^<]+)</dt>", html)) - set(FIGURES)
    known = {"wrong bin", "PSI debiased", "mean", "rows"} | {"schema change", "drifted", "insufficient data"}
    assert shown <= known | {"stable", "new column"}
    assert {"PSI", "JS", "KS", "W1", "mean vector", "[low, high]"} <= set(FIGURES)


@pytest.mark.slow
def test_a_thousand_columns_stay_a_page_that_opens():
    """Stable ones are closed and drawn with fewer bins."""
    rng = np.random.default_rng(3)
    names = [f"feature_{i:04d}" for i in range(1_000)]
    profile = Profile.of(dict(zip(names, rng.normal(size=(1_000, 2_000)), strict=True)))
    live = dict(zip(names, rng.normal(size=(1_000, 2_000)), strict=True))
    html = page(check(profile, live, bars=True), data="today")
    assert len(html) < 6_000_000
    assert sum(tag == "details" for tag, _ in tags(html)) == 1_000


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no browser is installed")
def test_a_browser_runs_its_script_and_finds_nothing_to_refuse(html, tmp_path):
    """The count of the cards is written by the script, so the policy let it run, and let nothing else."""
    (tmp_path / "page.html").write_text(html, encoding="utf-8")
    done = subprocess.run(
        [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'browser'}",
         "--enable-logging=stderr", "--v=0", "--dump-dom", f"file://{tmp_path}/page.html"],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert '<span id="count" class="soft">12 of 12</span>' in done.stdout
    assert "Content Security Policy" not in done.stderr
    assert "Uncaught" not in done.stderr


@pytest.fixture
def files(tmp_path):
    for name, data in {"train": rows(1), "live": rows(2, moved=1.0)}.items():
        kept = {k: v for k, v in data.items() if k != "vector"}
        pyarrow.parquet.write_table(pa.table(kept), tmp_path / f"{name}.parquet")
    assert main(["drift", "profile", str(tmp_path / "train.parquet"), "-o", str(tmp_path / "p.json")]) == 0
    return tmp_path


def test_the_command_prints_writes_and_always_ends_with_0(files, capsys):
    """Table, page, JSON; that something moved is no failure of a report."""
    profile, live = str(files / "p.json"), str(files / "live.parquet")
    capsys.readouterr()
    assert main(["drift", "report", profile, live]) == 0
    out = capsys.readouterr().out
    assert out.startswith("1 of 11 columns drifted: age.\n")
    assert re.search(r"age +drifted +0\.\d{4} \[0\.\d{4}, 0\.\d{4}\]", out)
    assert main(["drift", "report", profile, live, "-o", str(files / "out.html")]) == 0
    assert capsys.readouterr().out == (
        f"1 of 11 columns drifted: age.\n{files}/out.html: 11 columns, {N} rows\n"
    )
    assert (files / "out.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert main(["drift", "report", profile, live, "-o", str(files / "out.json")]) == 0
    capsys.readouterr()
    assert main(["drift", "report", profile, live, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((files / "out.json").read_text(encoding="utf-8"))
    assert printed["findings"][0]["bars"][1]["low"] < printed["findings"][0]["bars"][1]["high"]
    assert printed["findings"][0]["intervals"]["tv"][0] > 0.2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["-o", "out.pdf"], "The report cannot be written to out.pdf: wanted .html or .json."),
        (
            ["-o", "no/such/folder/out.html"],
            "The report 'no/such/folder/out.html' cannot be written: No such",
        ),
        (["--reference", "train.parquet"], "--reference is for --evidently"),
        (["--floor", "-1"], "--floor -1 cannot be used"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(files, capsys, arguments, sentence):
    """What came, what was wanted."""
    assert main(["drift", "report", str(files / "p.json"), str(files / "live.parquet"), *arguments]) == 2
    assert sentence in capsys.readouterr().err


def test_one_column_is_compared_by_segment_too(files, capsys):
    """--column reads no more than it needs; what makes the segments, it does need."""
    profile, live = str(files / "by.json"), str(files / "live.parquet")
    main(["drift", "profile", str(files / "train.parquet"), "-o", profile, "--by", "member"])
    capsys.readouterr()
    assert main(["drift", "check", profile, live, "--column", "age", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert [one["column"] for one in found["findings"]] == ["age"]
    assert {one["label"] for one in found["segments"]} == {"true", "false"}
    assert main(["drift", "check", profile, live, "--column", "age"]) == 1
    assert re.search(r"\nIn the segment (true|false), \d+ rows, drifted: age \(tv 0\.\d+\)\.\n",
                     capsys.readouterr().out)  # fmt: skip
