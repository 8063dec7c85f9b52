"""The bytes of the first page: what a browser that has nothing of it takes from the proxy."""

import re
import ssl

from tests.bench import sites
from tests.bench.place import Place
from tests.bench.report import Figure, Outcome
from tests.host.outside import Outside

ACCEPTED = {"brotli": "gzip, deflate, br", "gzip": "gzip, deflate", "uncompressed": "identity"}
LOADED = re.compile(rb'(?:src|href)="(/static/[^"]+)"')


def measure(place: Place) -> Outcome:
    """Ask the deployed host for the page and for all that it loads, in each form."""
    trust = ssl.create_default_context(cafile=str(place.inventory.with_suffix(".ca.pem")))
    proxy = Outside(place.deployed.address, sites.NAME, sites.NAME, trust)
    files = LOADED.findall(proxy.ask("/").body)
    taken = {form: _bytes(proxy, files, accepted) for form, accepted in ACCEPTED.items()}
    said = ", ".join(f"{form} {size:,}" for form, size in taken.items())
    ratio = taken["brotli"] / taken["gzip"]
    figure = Figure("first page, bytes by brotli", "the same by gzip", 1, ratio, at_least=False)
    return Outcome(
        title="The first page",
        figures=[figure],
        notes=[
            f"Bytes of the bodies of the page and of the {len(files)} files that it names: {said}. "
            "They are the stand-in's, whose scripts are made of few words: a real release's "
            "scripts are a seventh by gzip and a tenth by brotli (155 MB, 20.3 MB, 15.3 MB)."
        ],
    )


def _bytes(proxy: Outside, files: list[bytes], accepted: str) -> int:
    paths = ["/", *(file.decode() for file in files)]
    return sum(len(proxy.ask(path, {"Accept-Encoding": accepted}).body) for path in paths)
