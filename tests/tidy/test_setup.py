"""The set-up does each step once, again when its inputs change, and says what a machine lacks.

The script runs as it is, in its own folder, on a machine made of a few real tools and pretended
ones: installing for real is what every run of the whole suite begins with.
"""

import shutil
import subprocess

import pytest

from tests.tidy.repository import ROOT

INPUTS = (
    "deploy/setup/setup.sh",
    "deploy/kafka/pom.xml",
    "requirements/lock.txt",
    "pyproject.toml",
    "dashboard/package.json",
)
REAL = (
    "bash",
    "cat",
    "chmod",
    "cut",
    "date",
    "dirname",
    "du",
    "env",
    "find",
    "flock",
    "grep",
    "head",
    "mkdir",
    "rm",
    "sed",
    "sha256sum",
    "sort",
    "tail",
    "tr",
    "xargs",
)
PYTHON = """
case "$*" in
  *"import sys; sys.exit"*) exit 0 ;;
  --version) echo "Python 3.11.7" ;;
  "-m venv"*) rm -rf .venv; mkdir -p .venv/bin; cat "$0" > .venv/bin/python; chmod +x .venv/bin/* ;;
  "-m pip install"*"-e .") echo > .venv/bin/apse; chmod +x .venv/bin/apse ;;
esac
"""
JAVA = "echo 'openjdk version \"17.0.15\"' >&2"
MAVEN = "mkdir -p .cache/kafka/4.1.0/lib; echo > .cache/kafka/4.1.0/lib/kafka-clients-4.1.0.jar"

NPM = 'case "$*" in "run build") mkdir -p dist; echo > dist/index.html ;; esac'


class Machine:
    def __init__(self, root):
        self.root = root
        self.project = root / "project"
        self.calls = root / "calls"
        (root / "bin").mkdir()
        for name in INPUTS:
            target = self.project / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target)
        for tool in REAL:
            (root / "bin" / tool).symlink_to(shutil.which(tool))
        self.pretend("id", "echo 1000")
        self.pretend("python3.11", PYTHON)
        self.pretend("java", JAVA)
        self.pretend("mvn", MAVEN)
        self.pretend("node", "exit 0")
        self.pretend("npm", NPM)

    def pretend(self, tool, script):
        path = self.root / "bin" / tool
        path.write_text(
            f'#!/bin/bash\necho "{tool} $*" >> {self.calls}\n{script}\n', encoding="utf-8"
        )
        path.chmod(0o755)

    def remove(self, tool):
        (self.root / "bin" / tool).unlink()

    def set_up(self):
        """Run it; what it installed by which tool, besides the outcome."""
        self.calls.write_text("", encoding="utf-8")
        done = subprocess.run(
            ["bash", "deploy/setup/setup.sh"],
            cwd=self.project,
            env={"PATH": str(self.root / "bin")},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        installs = ("-m venv", "-m pip install", "copy-dependencies", "npm ci", "install -y")
        calls = self.calls.read_text(encoding="utf-8").splitlines()
        return done, [
            next(i for i in installs if i in c) for c in calls if any(i in c for i in installs)
        ]


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_first_run_installs_and_second_run_only_looks(machine):
    done, installed = machine.set_up()
    assert done.returncode == 0, done.stderr
    assert installed == [
        "-m venv",
        "-m pip install",
        "-m pip install",
        "copy-dependencies",
        "npm ci",
    ]
    assert [line[:5] for line in done.stdout.splitlines()] == [f"[{i}/6]" for i in range(1, 7)]

    again, installed = machine.set_up()
    assert again.returncode == 0
    assert installed == []
    assert all(" ok (" in line for line in again.stdout.splitlines())


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("requirements/lock.txt", "-m pip install"),
        ("pyproject.toml", "-m pip install"),
        ("deploy/kafka/pom.xml", "copy-dependencies"),
        ("dashboard/package.json", "npm ci"),
    ],
)
def test_a_changed_input_repeats_its_step_alone(machine, name, step):
    machine.set_up()
    with (machine.project / name).open("a", encoding="utf-8") as file:
        file.write("\n")
    assert machine.set_up()[1] == [step]


def test_without_node_only_the_page_is_missing(machine):
    machine.remove("npm")
    done, installed = machine.set_up()
    assert done.returncode == 0
    assert "npm ci" not in installed
    assert "install Node.js" in done.stdout


def test_a_moved_folder_is_set_up_anew_except_for_the_broker(machine):
    machine.set_up()
    machine.project = machine.project.rename(machine.root / "moved")
    assert machine.set_up()[1] == ["-m venv", "-m pip install", "-m pip install"]


def test_a_failed_installation_fails_and_is_tried_again(machine):
    broken = PYTHON + '\ncase "$*" in *--require-hashes*) echo "digests differ"; exit 1 ;; esac'
    machine.pretend("python3.11", broken)
    failed, _ = machine.set_up()
    assert failed.returncode != 0
    assert "digests differ" in failed.stderr
    assert "[4/5]" not in failed.stdout

    _, installed = machine.set_up()
    assert installed == ["-m pip install"]


def test_without_java_the_rest_is_set_up_and_the_lack_is_named(machine):
    machine.remove("java")
    done, installed = machine.set_up()
    assert done.returncode == 0
    assert "copy-dependencies" not in installed
    assert (
        "NOT READY: install Java 17 or later, and Maven (Debian: default-jre-headless"
        in done.stdout
    )


def test_an_old_java_is_no_java(machine):
    machine.pretend("java", JAVA.replace("17.0.15", "11.0.2"))
    assert "NOT READY" in machine.set_up()[0].stdout


def test_a_lacking_java_is_installed_where_we_may(machine):
    machine.remove("java")
    machine.pretend("id", "echo 0")
    java = machine.root / "bin" / "java"
    machine.pretend("apt-get", f"cat > {java} <<'E'\n#!/bin/bash\n{JAVA}\nE\nchmod +x {java}")
    done, installed = machine.set_up()
    assert "NOT READY" not in done.stdout
    assert installed[-3:] == ["install -y", "copy-dependencies", "npm ci"]


def test_without_python_nothing_is_done_and_the_lack_is_named(machine):
    machine.remove("python3.11")
    done, installed = machine.set_up()
    assert done.returncode == 1
    assert installed == []
    assert "Install Python 3.11, 3.12 or 3.13" in done.stderr
