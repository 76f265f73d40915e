"""Builds and launches the demo, nothing else: ``python app.py``."""

import argparse
import ipaddress
import os
import sys
from collections.abc import Sequence

from attncompare.ui.app import build, warm_up
from attncompare.ui.theme import launch_options


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve the page until interrupted."""
    parser = argparse.ArgumentParser(description="attncompare: what fine-tuning did to a transformer's attention.")
    host = os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1")
    parser.add_argument("--host", default=host, help="address to serve on (default: %(default)s)")
    parser.add_argument("--port", type=int, help="port to serve on (default: the first free one from 7860)")
    options = parser.parse_args(arguments)
    demo = build(loopback=is_loopback(options.host))
    try:
        demo.launch(server_name=options.host, server_port=options.port, prevent_thread_lock=True, **launch_options())
    except OSError:
        where = f"{options.host}, port {options.port}" if options.port else f"{options.host}, ports 7860 to 7959"
        sys.exit(f"attncompare can't be served on {where}: taken or not ours to use; choose another --port or --host.")
    print(f"attncompare is served at {demo.local_url} (Ctrl+C ends it)", flush=True)
    warm_up()
    demo.block_thread()


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


if __name__ == "__main__":
    main()
else:
    demo = build()  # for a host that imports this file and launches the demo itself
