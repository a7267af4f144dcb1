"""Every example in the docstrings of analysis shows what comes out."""

from __future__ import annotations

import doctest
import pkgutil
from importlib import import_module

import pytest

from llmwidgets import analysis

MODULES = [each.name for each in pkgutil.iter_modules(analysis.__path__, "llmwidgets.analysis.")]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_hold(name: str) -> None:
    assert doctest.testmod(import_module(name)).failed == 0
