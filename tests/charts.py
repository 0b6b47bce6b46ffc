"""Helm charts to push."""

from __future__ import annotations

from pathlib import Path


def chart(folder: Path, name: str, version: str) -> Path:
    """Writes a chart of one ConfigMap below `folder`; returns its own folder, `<folder>/<name>`."""
    made = folder / name
    (made / "templates").mkdir(parents=True)
    (made / "Chart.yaml").write_text(f"apiVersion: v2\nname: {name}\nversion: {version}\n")
    (made / "values.yaml").write_text("greeting: hello\n")
    (made / "templates" / "map.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\n"
        "data:\n  greeting: {{ .Values.greeting }}\n"
    )
    return made
