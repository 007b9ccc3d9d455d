# SPDX-License-Identifier: MIT
"""Figures as Markdown tables: for people, and between the markers of docs/BENCHMARKS.md."""

from __future__ import annotations

import re
from pathlib import Path

from bench.figures import FIGURES


def number(value: float) -> str:
    """Three digits that count."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def quantity(value: float | None, unit: str) -> str:
    return f"{number(value)} {unit}".strip() if value else "–"


def ratio(row: dict) -> str:
    if row["ratio"] is None:
        return "–"
    spread = f" ({number(row['low'])}–{number(row['high'])})" if row.get("rounds", 0) > 1 else ""
    return f"**{number(row['ratio'])}**{spread}"


def line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def cells(row: dict | None) -> list[str]:
    if row is None:
        return ["", "", ""]
    unit = row["unit"]
    return [quantity(row["berth"], unit), quantity(row["base"], unit), ratio(row)]


def table(rows: list[dict]) -> str:
    """A line for each thing that was measured, three columns for each of its measures."""
    measures = list(dict.fromkeys(row["measure"] for row in rows))
    lines: dict[tuple, dict] = {}
    for row in rows:
        lines.setdefault((row["what"], row["against"]), {})[row["measure"]] = row
    head = ["", "against"] + [c for m in measures for c in (f"{m}: berth", "that", "ratio")]
    body = [
        line([what, against, *(c for m in measures for c in cells(found.get(m)))])
        for (what, against), found in lines.items()
    ]
    return "\n".join([line(head), line(["---", "---"] + ["---:"] * (len(head) - 2)), *body])


def section(figure: dict) -> str:
    return table(figure["rows"]) if "rows" in figure else f"Not measured: {figure['why']}."


def command(result: dict) -> str:
    group = "" if result["group"] == "leases" else f" {result['group']}"
    return f"./dev bench{group}" + (" --quick" if result["quick"] else "")


def machine(result: dict) -> str:
    facts = result["machine"]
    return (
        f"`{command(result)}`, {facts['date']}, commit {facts['commit']}, build type {facts['build']} "
        f"(assertions on). {facts['cores']} cores ({facts['cpu']}), {facts['memory_gib']} GiB, "
        f"Linux {facts['kernel']}; PostgreSQL {facts['postgresql']} with fsync off and its data in "
        f"memory, Redis {facts['redis']}, both on Unix sockets; load average before: "
        f"{facts['load_before']}."
    )


def text(result: dict) -> str:
    """All of it, to be read by itself."""
    parts = [machine(result)]
    for name, figure in result["figures"].items():
        module = FIGURES[name]
        parts += [f"## {module.TITLE}", module.ABOUT, section(figure)]
    if result["wrong"]:
        parts += ["## Left behind", "\n".join(f"- {w}" for w in result["wrong"])]
    return "\n\n".join(parts) + "\n"


def rewrite(path: Path, result: dict) -> None:
    """Replaces what stands between `<!-- name -->` and `<!-- end -->`, for each name in result."""
    where = "machine" if result["group"] == "leases" else f"machine_{result['group']}"
    new = {where: machine(result)}
    for name, figure in result["figures"].items():
        new[name] = f"{FIGURES[name].ABOUT}\n\n{section(figure)}"
    page = path.read_text()
    for name, body in new.items():
        between = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.S)
        page, count = between.subn(lambda m, body=body: f"{m[1]}{body}\n{m[2]}", page)
        if count != 1:
            raise SystemExit(f"{path.name} has {count} places marked <!-- {name} -->, not one")
    path.write_text(page)
