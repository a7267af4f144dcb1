"""The ten tasks can be failed and can be done: their checks tell one from the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tasks.tasks import TASKS, stop

ANSWERS = {
    "worst_field": {"answer.txt": "due_date"},
    "cheaper": {"answer.txt": "claims-small"},
}


@pytest.mark.parametrize("name", ["worst_field", "cheaper", "typed_key"])
def test_a_task_is_not_done_at_its_start(name: str, tmp_path: Path) -> None:
    task, folder = TASKS[name], tmp_path / "task"
    folder.mkdir()
    try:
        task.start(folder)
        assert task.check(folder)
        for file, words in ANSWERS.get(name, {}).items():
            (folder / file).write_text(words)
        assert not ANSWERS.get(name) or task.check(folder) is None
    finally:
        stop(folder)
