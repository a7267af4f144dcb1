"""What the ten tasks start from: thirty invoices, and a company's server with two models.

`python -m tests.tasks.world` serves on a free port of loopback, prints its address and runs until
it is ended.
"""

from __future__ import annotations

import json
import random
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from llmwidgets.demo.server import RequestError, complete

SUPPLIERS = (
    "Larkfield Joinery", "Druckerei Hollerbach GmbH", "Tallgrass Data Ltd", "Maison Verlaine SARL",
)  # fmt: skip
CURRENCIES = ("EUR", "USD", "GBP", "CHF")
FIELDS = ("number", "due_date", "total", "currency")

MODELS = {"claims-large": "demo-careful", "claims-small": "demo-hasty"}
"""The server's models, and which of the demo's rules stands behind each."""
PRICES = {
    "claims-large": {"input": 3.0, "output": 15.0},
    "claims-small": {"input": 0.2, "output": 0.8},
}
GATEWAY_TOKEN = "made-up-gateway-token-4711"
TEAM = ("X-Team", "claims")

SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "Invoice",
    "properties": {
        "number": {"type": "string", "description": "Invoice number, as written"},
        "due_date": {
            "type": ["string", "null"],
            "format": "date",
            "description": "Date the payment is due, if the invoice names one",
        },
        "total": {"type": "number", "description": "Total amount to pay, with tax"},
        "currency": {"enum": list(CURRENCIES)},
    },
    "required": list(FIELDS),
}


def make_invoices(count: int = 30) -> list[dict[str, Any]]:
    """Invoices with their true fields: `id`, `text` and the four of FIELDS."""
    rng = random.Random(3)
    rows = []
    for n in range(count):
        net = rng.randrange(20_000, 900_000) / 100
        total, currency = round(net * 1.2, 2), CURRENCIES[n % 4]
        number, day = f"{'LDTM'[n % 4]}-{20_260 + 7 * n}", f"2026-{n % 9 + 1:02}-{n % 27 + 1:02}"
        due = None if n % 3 == 0 else f"2026-{n % 9 + 2:02}-{n % 27 + 1:02}"
        text = (
            f"{SUPPLIERS[n % 4]}\nInvoice no. {number}\nDate: {day}\n"
            + (f"Due date: {due}\n" if due else "Payable on receipt\n")
            + f"Net amount: {net:,.2f} {currency}\nVAT 20 %: {total - net:,.2f} {currency}\n"
            f"Total: {total:,.2f} {currency}\n"
        )
        rows.append({"id": f"inv-{n + 1:02}", "text": text, "number": number,
                     "due_date": due, "total": total, "currency": currency})  # fmt: skip
    return rows


class _Company(BaseHTTPRequestHandler):
    """`/v1` asks for nothing; `/gateway/v1` for a token and the team's header."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self._is_let_in() and self._is_known("/models"):
            names = [{"id": name, "object": "model"} for name in MODELS]
            self._answer(200, {"object": "list", "data": names})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not (self._is_let_in() and self._is_known("/chat/completions")):
            return
        request = json.loads(body)
        name = request.get("model")
        if name not in MODELS:
            known = ", ".join(MODELS)
            self._refuse(404, f"model '{name}' not found; this server has {known}")
            return
        try:
            reply = complete(json.dumps({**request, "model": MODELS[name]}).encode())
        except RequestError as error:
            self._refuse(error.status, str(error))
            return
        self._answer(200, {**reply, "model": name})

    def _is_let_in(self) -> bool:
        if not self.path.startswith("/gateway/"):
            return True
        if self.headers.get("Authorization") != f"Bearer {GATEWAY_TOKEN}":
            self._refuse(401, "a token of the gateway is needed")
        elif self.headers.get(TEAM[0]) != TEAM[1]:
            self._refuse(403, "header X-Team is missing or names no team")
        else:
            return True
        return False

    def _is_known(self, route: str) -> bool:
        if self.path in {f"/v1{route}", f"/gateway/v1{route}"}:
            return True
        self._refuse(404, "404 page not found")
        return False

    def _refuse(self, status: int, message: str) -> None:
        self._answer(status, {"error": {"message": message, "type": "invalid_request_error"}})

    def _answer(self, status: int, value: Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nothing: what is printed is the address alone."""


if __name__ == "__main__":
    company = ThreadingHTTPServer(("127.0.0.1", 0), _Company)
    print(f"http://127.0.0.1:{company.server_port}", flush=True)  # noqa: T201
    company.serve_forever()
