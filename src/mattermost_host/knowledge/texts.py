"""Pydantic types for texts in the components' settings."""

from typing import Annotated

from pydantic import AfterValidator, ConfigDict

from mattermost_host.knowledge import names

STRICT = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)
"""For every table in an inventory: no unknown keys, and ``True`` or ``"2"`` is no number."""

Line = Annotated[str, AfterValidator(names.one_line)]
SiteUrl = Annotated[str, AfterValidator(names.site_url)]
HttpsUrl = Annotated[str, AfterValidator(names.https_url)]
HostName = Annotated[str, AfterValidator(names.host_name)]
MailAddress = Annotated[str, AfterValidator(names.mail_address)]
Network = Annotated[str, AfterValidator(names.network)]
DataFolder = Annotated[str, AfterValidator(names.data_folder)]
Version = Annotated[str, AfterValidator(names.version)]
Sha256 = Annotated[str, AfterValidator(names.sha256)]
Username = Annotated[str, AfterValidator(names.username)]
