"""The house itself: imports, the README's tree, the changelog, what the repository must not hold."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from imgen import __version__

ROOT = Path(__file__).parent.parent
SOURCES = sorted(path for folder in ("imgen", "workers") for path in (ROOT / folder).rglob("*.py"))


def tracked():
    """Files that git knows, or would add."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [path for name in listed.stdout.splitlines() if (path := ROOT / name).is_file()]


def test_imports_point_one_way():
    """The contracts of pyproject.toml hold."""
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_a_serving_api_has_no_engine_in_memory():
    """After the app is made, neither torch nor workers nor what only workers need is loaded."""
    code = (
        "import sys; from imgen import settings; from imgen.app import create_app; create_app(settings.load(sys.argv[1]));"
        "heavy = ('torch', 'diffusers', 'workers', 'numpy', 'PIL', 'boto3', 'openai', 'alembic', 'mcp');"
        "print([name for name in heavy if name in sys.modules])"
    )
    import tempfile

    with tempfile.TemporaryDirectory() as data:
        subprocess.run([sys.executable, "-m", "imgen.cli", "migrate", "--data", data], check=True, capture_output=True)
        done = subprocess.run([sys.executable, "-c", code, data], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_readme_tree_is_the_disk():
    """Every entry of the README's tree exists, and every folder and top-level module that exists is in it."""
    block = re.search(r"## Source tree\n\n```\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    listed, parent = set(), ""
    for line in block.splitlines():
        name = line.split()[0]
        if not line.startswith(" "):
            parent = name
            listed.add(name)
        else:
            listed.add(parent + name)
    assert [name for name in sorted(listed) if not (ROOT / name).exists()] == []
    known = {path.relative_to(ROOT) for path in tracked()}
    folders = {f"{path.parts[0]}/" for path in known if len(path.parts) > 1 and not path.parts[0].startswith(".")}
    rooms = {
        f"{path.parts[0]}/{path.parts[1]}/"
        for path in known
        if len(path.parts) > 2 and path.parts[0] in ("imgen", "workers", "config")
    }
    modules = {str(path) for path in known if len(path.parts) == 2 and path.parts[0] in ("imgen", "workers", "config")}
    assert sorted((folders | rooms | modules) - listed - {"imgen/__init__.py", "workers/__init__.py"}) == []


def test_the_stops_of_a_request_exist():
    """README's path of `generate` has twelve stops, each a function of the file that is named with it."""
    section = re.search(r"## One request, twelve stops\n(.*?)\n## ", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    stops = re.findall(r"^\| \d+ \|.*\]\((\S+)\) \| `(\w+)` \|$", section, re.MULTILINE)
    assert len(stops) == 12
    for file, function in stops:
        defined = {node.name for node in ast.parse((ROOT / file).read_text()).body if hasattr(node, "name")}
        assert function in defined, (file, function)


def test_the_changelog_tells_of_this_version():
    """Its top entry is the package's version."""
    assert re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[1] == __version__
    assert f'version = "{__version__}"' in (ROOT / "pyproject.toml").read_text()


def test_every_make_target_says_what_it_does():
    """`make` alone lists the targets that the README and CI use."""
    listed = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"make (\w+)", listed)) >= {"demo", "test", "faults", "run", "bench", "lint", "clean"}


def test_every_setting_is_explained():
    """config/imgen.toml names each setting with the default that the code has."""
    import tomllib

    from imgen import settings

    document = tomllib.loads((ROOT / "config" / "imgen.toml").read_text())
    loaded = settings.load(ROOT / "no-such-folder", environ={})
    plain = loaded.model_dump(mode="json", exclude={"data_dir", "config_dir"})

    def paths(table, before=""):
        for name, value in table.items():
            yield from paths(value, f"{before}{name}.") if isinstance(value, dict) else [f"{before}{name}"]

    assert set(paths(document)) == set(paths(plain))
    bare = settings.Settings.model_construct(data_dir=Path(), config_dir=Path()).model_dump(
        mode="json", exclude={"data_dir", "config_dir"}
    )
    assert plain == bare


def test_nothing_reads_the_environment_but_settings():
    """Only settings/ reads it; the command line and the supervisor hand it on to processes they start."""
    allowed = {
        "imgen/settings/__init__.py",
        "imgen/stack/supervisor.py",
        *(f"imgen/cli/{name}.py" for name in ("api", "embedder", "worker")),
    }
    found = {
        str(path.relative_to(ROOT))
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and node.attr in ("environ", "getenv")
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
    }
    assert found <= allowed


def test_docstrings_begin_with_a_noun_or_a_verb():
    """No docstring in the tree begins with a relative word, which has its reader look for the noun."""
    begins = re.compile(r'^\s*"""(What|Which|Who|Whose|Where|When|How)\b.*', re.MULTILINE)
    sources = [path for path in tracked() if path.suffix == ".py"]
    found = {
        str(path.relative_to(ROOT)): match[0] for path in sources for match in begins.finditer(path.read_text("utf-8"))
    }
    assert found == {}


def test_every_module_says_what_it_is():
    """The first line of each module is its docstring."""
    silent = [
        path for path in SOURCES if path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert [str(path.relative_to(ROOT)) for path in silent if path.name != "__init__.py"] == []


@pytest.mark.parametrize(
    "pattern",
    [
        r"imgen_[0-9a-f]{64}",
        r"imgf_[0-9a-f]{64}",
        r"BEGIN [A-Z ]*PRIVATE KEY",
        r"AKIA(?![0-9A-Z]*EXAMPLE)[0-9A-Z]{16}",
        r"pypi\.org|pythonhosted|registry\.npmjs",
    ],
)
def test_the_repository_holds_no_secret_and_no_registry(pattern):
    """No key, private key or registry address is committed."""
    allowed = {"tests/test_house.py"}
    found = [
        str(path.relative_to(ROOT))
        for path in tracked()
        if str(path.relative_to(ROOT)) not in allowed and re.search(pattern, path.read_text("utf-8", "ignore"))
    ]
    assert found == []
