"""quayframe serve."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path
from types import FrameType

import click

from quayframe.errors import QuayframeError, Unavailable

from .common import config_file, where


@click.command()
@where
@click.option("--bind", default="127.0.0.1:8080", show_default=True, help="HOST:PORT; port 0 is a free one.")
@click.option("--only", type=click.Choice(["web", "worker"]), help="Run this part alone.")
@click.option("--server", type=click.Choice(["granian", "gunicorn"]), default="granian", show_default=True)
@click.option("--workers", type=click.IntRange(1, 256), help="Web processes; one more than cores.")
@click.option("--threads", type=click.IntRange(20, 4096), help="Threads of a web process.")
def serve(
    config_path: Path | None,
    data_dir: Path,
    bind: str,
    only: str | None,
    server: str,
    workers: int | None,
    threads: int | None,
) -> None:
    """Run the registry: web server and background worker."""
    from quayframe import serving
    from quayframe.server import supervisor

    host, port = serving.parse_bind(bind)
    path = config_file(config_path)
    beside = path.absolute().parent if path is not None else data_dir.absolute()
    cert, key = beside / "ssl.cert", beside / "ssl.key"
    tls = cert.is_file() and key.is_file()
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    options = serving.ServeOptions(
        config=path,
        data=data_dir,
        host=host,
        port=port,
        server=server,  # type: ignore[arg-type]
        only=only,  # type: ignore[arg-type]
        workers=workers,
        threads=threads or 0,
        cert=cert if tls else None,
        key=key if tls else None,
    )
    begun = time.time()
    sys.exit(supervisor.serve(options, lambda url: _ready(url, data_dir, begun)))


def _ready(url: str, data_dir: Path, begun: float) -> None:
    click.echo(f"Quayframe is ready at {url}", err=True)
    file = data_dir / "admin-password"
    if not file.is_file() or file.stat().st_mtime < begun - 1:
        return
    password = file.read_text().strip()
    host = url.partition("://")[2]
    click.echo(
        f"""
The superuser "admin" was made with a random password, also in {file}:

    {password}

Log in and push:

    podman login{" --tls-verify=false" if url.startswith("http:") else ""} -u admin {host}
    podman push{" --tls-verify=false" if url.startswith("http:") else ""} IMAGE {host}/admin/hello:1
    docker login -u admin {host}
    docker push {host}/admin/hello:1
""",
        err=True,
    )


@click.command(hidden=True)
def worker_process() -> None:
    """The background worker, as `serve` starts it."""
    from quayframe import logs, registry, serving
    from quayframe.worker.loop import Worker

    options = serving.read()
    try:
        manager, loaded = registry.load(options.config)
        logs.configure(loaded.settings.LOGGING_LEVEL)
        built = registry.build(manager, loaded, options.data)
        built.start()
    except Unavailable as error:
        # The database is away: that is no reason to end the web server beside it.
        click.echo(f"quayframe worker: {error}", err=True)
        sys.exit(1)
    except QuayframeError as error:
        click.echo(f"quayframe worker: {error}", err=True)
        sys.exit(serving.START_FAILED)
    worker = Worker(built)

    def stop(_number: int, _frame: FrameType | None) -> None:
        worker.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    worker.run()
    built.close()
