"""What the tests of the widgets share: JupyterLab in a browser, and a page without a browser."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType


def _load(name: str, path: Path) -> ModuleType:
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


_jupyterlab = _load("tests_jupyterlab", Path(__file__).parents[1] / "jupyterlab.py")
lab, browser, page = _jupyterlab.lab, _jupyterlab.browser, _jupyterlab.page
