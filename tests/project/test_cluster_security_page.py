"""What docs/cluster_security.md shows is run: its Python, its options of Dask, its paths."""

from __future__ import annotations

import os
import re
import shlex
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

import llmwidgets as lw
from llmwidgets.comparison.cluster.dask_scheduler import check_scheduler
from llmwidgets.store import identity_sources

PAGE = (Path(__file__).parents[2] / "docs" / "cluster_security.md").read_text("utf-8")
ADDRESS = "tls://scheduler.acme.example:8786"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An authority, and what it signed for the scheduler, a worker and me, as the page names it."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    for name in ("scheduler", "worker", "me"):
        signed = authority.issue_cert("127.0.0.1", "localhost")
        signed.private_key_pem.write_to_path(tmp_path / f"{name}-key.pem")
        for pem in signed.cert_chain_pems:
            pem.write_to_path(tmp_path / f"{name}.pem", append=True)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("certificates")
def test_the_python_of_the_page_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import dask.distributed
    from distributed import LocalCluster
    from distributed.security import Security

    quick = partial(
        LocalCluster, n_workers=1, threads_per_worker=1, processes=False, host="127.0.0.1",
        dashboard_address="127.0.0.1:0", scheduler_kwargs={"dashboard": False}, protocol="tls",
        local_directory=str(tmp_path),
    )  # fmt: skip
    monkeypatch.setattr(dask.distributed, "LocalCluster", quick)
    own = Security(
        tls_ca_file="ca.pem", require_encryption=True,
        **{f"tls_{part}_{what}": f"{name}{'-key' * (what == 'key')}.pem"
           for part, name in (("scheduler", "scheduler"), ("worker", "worker"), ("client", "me"))
           for what in ("cert", "key")},
    )  # fmt: skip
    names: dict[str, Any] = {"lw": lw, "os": os}
    with quick(security=own) as cluster:
        runs, local, remote, *rest = blocks("python")
        for block in (local, remote.replace(ADDRESS, cluster.scheduler_address)):
            exec(compile(block, "cluster_security.md", "exec"), names)  # the page is the fixture
            check_scheduler(names["client"])
            exec(compile(runs, "cluster_security.md", "exec"), names)
            names["client"].close()
            if (started := names["client"].cluster) is not None:
                started.close()
        for block in rest:
            exec(compile(block, "cluster_security.md", "exec"), names)
    assert names["store"].path == Path("/shared/llmwidgets/acme")
    assert names["gateway"].address == "https://gateway.acme.example"


def test_dask_has_the_options_of_the_page() -> None:
    from distributed.cli import dask_scheduler, dask_worker

    known = {"scheduler": dask_scheduler.main, "worker": dask_worker.main}
    lines = [shlex.split(row) for block in blocks("sh") for row in block.splitlines()]
    asked = [line for line in lines if line[0] == "dask"]
    assert {line[1] for line in asked} == set(known)
    for _, part, *arguments in asked:
        options = {name for each in known[part].params for name in each.opts}
        assert {each for each in arguments if each.startswith("--")} <= options


def test_the_secret_is_mounted_where_the_page_reads_it() -> None:
    (block,) = blocks("yaml")
    pod = yaml.safe_load(block)
    (volume,), (mount,) = pod["volumes"], pod["containers"][0]["volumeMounts"]
    assert volume["name"] == mount["name"]
    used = re.findall(r"(?:file:|KEY_FILE=)(/[\w/-]+)", "".join(blocks("python") + blocks("sh")))
    assert len(used) == 3
    assert {str(Path(each).parent) for each in used} == {mount["mountPath"]}


def test_the_variables_of_the_page_are_read() -> None:
    set_here = set(re.findall(r"export (\w+)=", PAGE))
    assert set_here == {identity_sources.KEY_FILE, identity_sources.MOUNTED}
