"""Settings for drift: where it is reported."""

from typing import Literal

from pydantic import BaseModel, Field

from mattermost_host.knowledge.texts import STRICT, HostName, Line, MailAddress

PORTS = {"starttls": 587, "tls": 465, "none": 25}


class Mail(BaseModel):
    """Reports by mail, for when Mattermost itself is down."""

    model_config = STRICT

    recipients: list[MailAddress] = Field(
        default=[],
        description="Who is written to when the webhook fails or the server is down. "
        "Empty: nobody.",
    )
    sender: MailAddress | None = Field(
        default=None, description="Without it `mattermost-host@` and the control machine's name."
    )
    server: HostName | None = Field(
        default=None,
        description="Name of the mail server. Without it that of the control machine, port 25.",
    )
    port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="Without it 587 with `starttls`, 465 with `tls`, 25 with `none`.",
    )
    security: Literal["starttls", "tls", "none"] = Field(
        default="starttls", description="How the connection to `server` is kept private."
    )
    username: Line | None = Field(
        default=None,
        description="For a mail server that wants a login. The password is in the secrets file "
        "(`drift_mail_password`).",
    )

    @property
    def address(self) -> tuple[str, int]:
        """Name and port of the server."""
        if self.server is None:
            return "localhost", self.port or PORTS["none"]
        return self.server, self.port or PORTS[self.security]

    @property
    def private(self) -> bool:
        """Whether the connection is encrypted, or on this machine."""
        return self.server is not None and self.security != "none"


class Settings(BaseModel):
    """Where drift is reported, beside the journal. The webhook is in the secrets file."""

    model_config = STRICT

    metrics_directory: Line | None = Field(
        default=None,
        description="Folder of the control machine from which node_exporter reads `.prom` files. "
        "Without it `/var/lib/prometheus/node-exporter`, where that exists.",
    )
    mail: Mail = Field(default=Mail(), description="Mail.")
