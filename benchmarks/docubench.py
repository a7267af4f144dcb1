"""DocuBench's 50 documents × 3 models: their published scores, and what separates by our rules.

    python -m benchmarks.docubench ../shared/data/docubench

Data: github.com/DocuPipe/DocuBench, commit 43fae2e, CC BY 4.0.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from llmwidgets.comparison import Comparison

MODELS = ("gemini", "gpt", "claude")


def read(folder: Path, scoring: str | None) -> Comparison:
    """The benchmark as a comparison, each document with its own schema."""

    def one(part: str, name: str) -> Any:
        return json.loads((folder / part / f"{name}.json").read_text("utf-8"))

    ids = sorted(path.stem for path in (folder / "schemas").glob("*.json"))
    texts = [{"id": name, "text": "", "schema": one("schemas", name)} for name in ids]
    outputs = {model: [one(f"results/{model}", name)["data"] for name in ids] for model in MODELS}
    truth = {name: one("labels", name) for name in ids}
    return Comparison.from_outputs(None, texts, outputs, truth, scoring=scoring)


def main(folder: Path) -> None:
    """Print both scores and the table of pairs."""
    theirs = read(folder, "docubench")
    for title, result in (("DocuBench's rules", theirs), ("Default rules", theirs.rescore(None))):
        print(f"\n{title}")  # noqa: T201
        for row in result.scoreboard().itertuples():
            span = f"{100 * row.accuracy_low:.2f} to {100 * row.accuracy_high:.2f}"
            print(f"  {row.variant:8} {100 * row.accuracy:6.2f}  ({span})")  # noqa: T201
        print("  pair              differs by   95 % interval       p      Holm")  # noqa: T201
        for pair in result.verdict().table:
            print(  # noqa: T201
                f"  {pair.a + ' − ' + pair.b:16}  {100 * pair.difference:+8.2f}   "
                f"{100 * pair.low:+6.2f} to {100 * pair.high:+6.2f}  {pair.p:.4f}  "
                f"{pair.p_holm:.4f}  {pair.verdict}"
            )
        print(f"  {result.verdict().sentence}")  # noqa: T201


if __name__ == "__main__":
    default = Path(__file__).parents[2] / "shared" / "data" / "docubench"
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else default)
