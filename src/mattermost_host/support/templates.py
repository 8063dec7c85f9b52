"""Jinja2 templates, `templates/<component>/<name>.j2`; undefined variables fail, no escaping."""

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
    """Render ``templates/<template>`` with ``values``; an undefined variable is an error."""
    return _environment().get_template(template).render(**values)
