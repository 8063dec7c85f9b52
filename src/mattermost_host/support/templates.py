"""Templates: `templates/<component>/<name>.j2`, every variable defined, nothing escaped."""

from functools import cache

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from mattermost_host.support.paths import PROJECT

TEMPLATES = PROJECT / "templates"


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701 - configuration files, not HTML
    )


def render(template: str, **values: object) -> str:
    """The text of ``templates/<template>`` with ``values``; an undefined name is an error."""
    return _environment().get_template(template).render(**values)
