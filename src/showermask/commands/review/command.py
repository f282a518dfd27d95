"""The command ``showermask review``."""

from __future__ import annotations

import argparse
from pathlib import Path

from showermask.messages import say, whole_number

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.description = (
        "Show the difference images of a ramp, rateints or a rate on a page in the "
        "browser; mark, correct, accept and reject showers there, and save the region file. The "
        "page is served to this machine only, by an address with a secret in it."
    )
    parser.add_argument(
        "exposure", metavar="EXPOSURE", type=Path, help="exposure (FITS), or a directory of them"
    )
    parser.add_argument(
        "--regions",
        metavar="PATH",
        type=Path,
        help="region file, or directory of region files (default: SHOWERMASK_REGIONS, else beside "
        "the exposure)",
    )
    parser.add_argument(
        "--reviewer", metavar="NAME", default="", help="name to write into the region file"
    )
    parser.add_argument(
        "--port", type=_port, default=0, help="port on 127.0.0.1 (default: a free one)"
    )
    parser.add_argument(
        "--no-browser", action="store_true", help="only print the address, open no browser"
    )
    parser.add_argument(
        "--base-url",
        metavar="PREFIX",
        default="/",
        help="prefix under which a proxy shows the page, such as /user/me/proxy/8765/",
    )
    parser.add_argument(
        "--allow-host",
        metavar="NAME",
        action="append",
        default=[],
        help="host name that requests may carry besides localhost, for proxies that keep it",
    )


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    from showermask.commands.review.app import serve
    from showermask.commands.review.exposures import Review
    from showermask.regionfile.lookup import RegionLookup, find_work

    work = find_work(options.exposure, RegionLookup(options.regions, may_be_new=True))
    review = Review(work, reviewer=options.reviewer)
    if len(work) == 1:
        review.get(0)  # what is wrong with the only exposure is better said here than on the page
    serve(
        review,
        port=options.port,
        base_url=options.base_url,
        open_browser=not options.no_browser,
        allowed_hosts=tuple(options.allow_host),
        announce=say,
    )
    return 0


def _port(text: str) -> int:
    value = whole_number(text)
    if value > 65535:
        raise argparse.ArgumentTypeError(f"is {text}, expected a port, 0 to 65535")
    return value
