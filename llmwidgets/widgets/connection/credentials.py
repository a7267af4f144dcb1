"""Credentials: whose a pasted or chosen Google file is, or what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass

from llmwidgets.secret import Secret, redact


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a user may see of a credentials file: names that are no secrets, or the problem."""

    account: str = ""
    project: str = ""
    problem: str = ""

    @property
    def facts(self) -> list[list[str]]:
        """The account and the project as rows."""
        rows = [["service account", self.account], ["project", self.project]]
        return [row for row in rows if row[1]]


def read_credentials(secret: Secret) -> Credentials:
    """Read the file as a token would be asked for with it; nothing is sent."""
    from llmwidgets.engine.network.google_oauth import Problem, account_of

    found = account_of(secret)
    if isinstance(found, Problem):
        return Credentials(problem=redact(f"{found.sentence} {found.hint}".strip()))
    return Credentials(
        account=str(getattr(found.google, "service_account_email", "") or ""),
        project=secret.public_part("project_id"),
    )
