"""A checkout in a place with an awkward name, and the places of its units."""

from pathlib import Path

from mattermost_host.drift.schedule import Places
from mattermost_host.site.site import Site

NASTY = 'a b%n$HOME"q\\'


def site_in(folder: Path, host: str = "h1", **site: object) -> Site:
    path = folder / "chat.py"
    data = {"url": "https://chat.example.com", "users": 50, **site}
    path.write_text(f"site = {data!r}\napp = db = proxy = [{host!r}]\n")
    return Site.load(path)


def places_in(folder: Path, system: bool = True) -> Places:
    return Places(folder / "units", folder / "programs", system)
