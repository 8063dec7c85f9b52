"""Where a take-over keeps what it needs to go on, or back."""

FOLDER = "/var/lib/mattermost-host/take-over"
"""Of root's alone: journal, log, the restore point, and what the old server had."""
UNIT = "mattermost-host-take-over.service"
