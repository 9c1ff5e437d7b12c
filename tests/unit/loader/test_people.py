"""What people see: check, dump, schema, manual page, and the document for the server."""

import io
import json
from pathlib import Path

import pytest

from consoled.config.model import SiteConfig
from consoled.config.schema import Site
from consoled.config.table import json_schema
from consoled.loader.__main__ import main
from consoled.loader.assemble import load
from consoled.loader.dump import sections
from consoled.loader.lookup import Lookup
from consoled.loader.read import Files
from consoled.loader.reference import with_reference
from consoled.protocol import plain

PAGE = Path(__file__).parents[3] / "man" / "consoled.toml.5"

TEXT = """\
[server]
run_dir = "/run/c"
allow_remote_plaintext = true
[defaults]
log.timestamp = true
env_file = "site.env"
[template."i@"]
command = ["sh", "-c", "echo {{{instance}}}"]
listen = ["unix:{instance}", { at = "tcp:0.0.0.0:2000", role = "ro" }]
limits.core = "0:unlimited"
[console."i@x"]
environment = { DB_PASSWORD = "geheim", HOST = "{name}", "a b" = "" }
stop_keys = "exit\\n"
[console.y]
command = "/bin/true"
listen = "none"
restart = "off"
[group.g]
members = ["*"]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "c.toml"
    path.write_text(TEXT.replace(', "a b" = ""', ""))
    (tmp_path / "site.env").write_text("A=1\n")
    return path


def run(*words: object) -> int:
    return main([str(word) for word in words])


Capture = pytest.CaptureFixture[str]


def test_document(file: Path, capsys: Capture) -> None:
    assert run("--config", file) == 0
    document = json.loads(capsys.readouterr().out)
    site = plain.load(SiteConfig, document["site"])
    assert [console.name for console in site.consoles] == ["i@x", "y"]
    assert document["errors"] == []
    assert [line.partition(": ")[0] for line in document["warnings"]] == [f"{file}:9"]
    assert list(document["texts"]) == [str(file), str(file.parent / "site.env")]


def test_document_from_kept_texts(
    file: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("--config", file)
    document = json.loads(capsys.readouterr().out)
    file.write_text("[")
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(document["texts"])))
    assert run("--config", file, "--texts", "-") == 0
    assert json.loads(capsys.readouterr().out) == document


def test_document_of_nothing(file: Path, capsys: Capture) -> None:
    file.write_text("[consoles.x]\n")
    assert run("--config", file) == 78
    document = json.loads(capsys.readouterr().out)
    assert document["site"] is None
    assert document["errors"][0].startswith(f"{file}:1: consoles: no table")


def test_check(file: Path, capsys: Capture) -> None:
    (file.parent / "site.env").unlink()
    text = file.read_text().replace('"sh", "-c"', '"no-such-program"')
    file.write_text(
        f'{text}[console.z]\ncommand = "x"\nchdir = "/no/where"\nlog.file = "/no/log"\n'
    )
    assert run("--config", file, "--check") == 0
    out, err = capsys.readouterr()
    assert out == "3 consoles, 1 group: ok\n"
    assert [line.removeprefix(f"{file}:") for line in err.splitlines()] == [
        "6: defaults: env_file: warning: "
        f"{file.parent}/site.env cannot be read: No such file or directory",
        "8: template i@: command: warning: there is no program no-such-program",
        "9: template i@: listen[1]: warning: tcp:0.0.0.0:2000 can be reached from other machines,"
        " in plain text",
        "22: console z: chdir: warning: there is no directory /no/where",
        "23: console z: log.file: warning: there is no directory /no",
    ]


def test_check_of_something_wrong(file: Path, capsys: Capture) -> None:
    file.write_text("[console.a]\ncommand = 'sh'\nrestart = 'never'\nkil = ''\n")
    assert run("--config", file, "--check") == 78
    out, err = capsys.readouterr()
    assert out == "2 errors: not usable\n"
    assert err.startswith(f'{file}:3: console a: restart: expected "on" or "off" or "oneshot", not')


def test_dump_means_the_same(file: Path, capsys: Capture, tmp_path: Path) -> None:
    file.write_text(file.read_text().replace("DB_PASSWORD", "DB_USER"))
    assert run("--config", file, "--dump") == 0
    copy = tmp_path / "elsewhere" / "copy.toml"
    copy.parent.mkdir()
    copy.write_text(capsys.readouterr().out)
    documents = []
    for path in (file, copy):
        assert run("--config", path) == 0
        document = json.loads(capsys.readouterr().out)["site"]
        document["notes"] = []
        for console in document["consoles"]:
            del console["file"], console["line"]
        documents.append(document)
    assert documents[0] == documents[1]


def test_dump_tells_origins_and_no_secrets(file: Path, capsys: Capture) -> None:
    assert run("--config", file, "--dump", "i@x") == 0
    out = capsys.readouterr().out
    assert "geheim" not in out
    lines = out.splitlines()
    assert lines[0] == '[console."i@x"]'
    for line in (
        f'command = ["sh", "-c", "echo {{{{x}}}}"]  # template i@ at {file}:8',
        f'environment.DB_PASSWORD = "********"  # console i@x at {file}:12',
        f'environment.HOST = "i@x"  # console i@x at {file}:12',
        f'env_file = ["{file.parent}/site.env"]  # defaults at {file}:6',
        f'limits.core = "0:unlimited"  # template i@ at {file}:10',
        f'stop_keys = "exit\\n"  # console i@x at {file}:13',
        f"log.timestamp = true  # defaults at {file}:5",
        'log.file = "/var/log/consoled/i@x.log"  # default',
        'holdoff = "15s"  # default',
        "# umask is not set  # default: that of the server",
    ):
        assert line in lines
    assert "[console.y]" not in out


def test_dump_as_json(file: Path, capsys: Capture) -> None:
    assert run("--config", file, "--dump", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == 1
    assert document["server"]["run_dir"] == {"value": "/run/c", "origin": f"server at {file}:2"}
    assert document["console"]["y"]["restart"]["value"] == "off"
    assert document["console"]["i@x"]["environment.DB_PASSWORD"]["value"] == "********"
    assert document["console"]["i@x"]["umask"]["value"] is None
    assert document["group"]["g"]["members"]["value"] == ["i@x", "y"]


def test_dump_without_a_server_table(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("[console.a]\ncommand = 'x'\n")
    found = sections(load(Files(), str(path), Lookup(0, {})))
    assert {entry.origin.partition(":")[0] for entry in found[("server",)]} == {
        "default",
        "all is in this text",
    }


def test_dump_of_something_wrong(file: Path, capsys: Capture) -> None:
    assert run("--config", file, "--dump", "i@y") == 5
    assert capsys.readouterr().err == 'there is no console "i@y", did you mean "i@x"?\n'
    file.write_text("x = 1")
    assert run("--config", file, "--dump") == 78
    assert capsys.readouterr().err.startswith(f"{file}:1: x: no table or option")


def test_schema(capsys: Capture) -> None:
    assert run("--schema") == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema == json_schema(Site)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    options = schema["$defs"]["ConsoleOptions"]
    assert options["additionalProperties"] is False
    assert options["properties"]["restart"]["enum"] == ["on", "off", "oneshot"]
    assert options["properties"]["holdoff"]["default"] == "15s"
    assert all(option["description"] for option in options["properties"].values())
    assert "null" not in json.dumps(schema)


def test_manual_page_is_up_to_date() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_reference(page), "run: python -m consoled.loader --man man/consoled.toml.5"


def test_manual_page_is_renewed(tmp_path: Path) -> None:
    copy = tmp_path / "page"
    page = PAGE.read_text(encoding="utf-8")
    copy.write_text(page.replace(".It Cm holdoff", ".It Cm holdof"))
    assert run("--man", copy) == 0
    assert copy.read_text() == page


def test_examples_of_the_manual_page(tmp_path: Path) -> None:
    examples = PAGE.read_text(encoding="utf-8").partition(".Sh EXAMPLES")[2].partition(".Sh ")[0]
    blocks = [
        part.partition(".Ed")[0] for part in examples.split(".Bd -literal -offset indent\n")[1:]
    ]
    text = "".join(blocks).replace("\\e", "\\").replace("iocuser", "nobody")
    path = tmp_path / "c.toml"
    path.write_text(text.replace(":operators:", ":0:"))
    outcome = load(Files(), str(path), Lookup(0, {}))
    assert outcome.problems == []
    assert outcome.site is not None
    assert len(outcome.site.consoles) == 5


def test_dump_masks_a_password_inside_a_url(file: Path, capsys: Capture) -> None:
    file.write_text(
        f'{file.read_text()}[console.z]\ncommand = "sh"\nenvironment.URL = "ftp://u:pw@h/"\n'
    )
    assert run("--config", file, "--dump", "z") == 0
    out, _ = capsys.readouterr()
    assert 'environment.URL = "ftp://u:********@h/"' in out
    assert "pw" not in out
