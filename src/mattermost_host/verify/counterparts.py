"""Maps each check of the verification to the operations or preflight checks of a plan.

Plan and verification must find the same problems. The other direction needs no table: one check of
the verification is that a run would change nothing, so it finds whatever an operation finds.
"""

EVERY_OPERATION = "test_a_run_would_change_nothing"
COUNTERPARTS: dict[str, tuple[str, ...]] = {
    "test_the_clock_is_right": ("clock", "the clock is synchronised"),
    "test_the_locale_is_there": ("locale", "the locale en_US.UTF-8 is there"),
    "test_kernel_parameters_are_in_force": ("kernel parameters are active",),
    EVERY_OPERATION: ("every operation",),
    "test_the_kernel_has_the_rules_of_the_site": (
        "firewall rules are written",
        "firewall rules are loaded",
    ),
    "test_its_unit_is_its_own": ("firewall rules are loaded",),
    "test_no_other_table_drops_the_ports": ("ports-not-dropped", "legacy-rules"),
    "test_no_generator_changes_the_units": ("generated-drop-ins",),
    "test_nothing_is_unfinished": ("nothing-unfinished", "postgresql-move"),
    "test_only_our_accounts_are_let_in": ("only accounts of ours may read and write",),
    "test_exactly_the_hosts_of_the_inventory_decide": (
        "a new member joins the others",
        "the inventory names all members",
    ),
    "test_one_member_leads_and_all_others_follow": (
        "PostgreSQL leads or follows",
        "all members of the database are hosts of the inventory",
    ),
    "test_a_write_is_on_a_second_host": ("PostgreSQL leads or follows",),
    "test_it_has_found_the_leader": ("it has found the leader",),
    "test_all_members_have_our_settings": (
        "all members have the same settings",
        "PostgreSQL runs with all its parameters",
    ),
    "test_the_database_account_is_no_administrator": ("the account is unprivileged",),
    "test_the_server_and_its_stores_are_well": (
        "the server is running",
        "role, database and schema belong to Mattermost",
        "folders, settings and unit are in place",
    ),
    "test_the_current_release_runs": ("release * is current", "the server is running"),
    "test_the_release_is_as_it_was_unpacked": ("release * is unpacked",),
    "test_the_server_runs_its_current_files": ("the server is running",),
    "test_the_server_may_open_enough_files": (
        "folders, settings and unit are in place",
        "the server is running",
    ),
    "test_folders_belong_to_their_owners": (
        "kernel parameters are configured",
        "release folders are in place",
        "folders, settings and unit are in place",
    ),
    "test_its_files_are_its_own": ("the server's files belong to it", "odd-files"),
    "test_its_account_is_no_administrator": (
        "the account mattermost exists",
        "the account is unprivileged",
    ),
    "test_the_site_answers_through_the_proxy": ("NGINX is running", "the server is running"),
    "test_plain_http_leads_to_tls": ("the tested configuration is in place", "NGINX is running"),
    "test_a_foreign_name_is_refused": ("the tested configuration is in place", "NGINX is running"),
    "test_browsers_are_told_to_use_tls": (
        "the tested configuration is in place",
        "NGINX is running",
    ),
    "test_the_proxy_keeps_its_version_to_itself": (
        "the tested configuration is in place",
        "NGINX is running",
    ),
    "test_websockets_open": ("the tested configuration is in place", "NGINX is running"),
    "test_websockets_of_foreign_pages_are_refused": (
        "folders, settings and unit are in place",
        "the server is running",
    ),
    "test_static_files_come_compressed_and_cached": (
        "release * is unpacked",
        "the tested configuration is in place",
        "NGINX is installed",
    ),
    "test_static_files_are_all_that_is_served": (
        "the tested configuration is in place",
        "NGINX is running",
    ),
    "test_the_proxy_serves_its_current_configuration": ("NGINX is running",),
    "test_its_workers_may_open_enough_files": (
        "systemd sandbox and limits are in place",
        "the tested configuration is in place",
        "NGINX is running",
    ),
    "test_the_server_logs_in_without_a_password": (
        "settings and access rules are in place",
        "the account mattermost exists",
    ),
    "test_the_role_may_only_log_in": ("role, database and schema belong to Mattermost",),
    "test_the_database_belongs_to_the_role": ("role, database and schema belong to Mattermost",),
    "test_nobody_comes_in_over_the_network": (
        "settings and access rules are in place",
        "role, database and schema belong to Mattermost",
    ),
    "test_our_parameters_are_in_force": (
        "settings and access rules are in place",
        "role, database and schema belong to Mattermost",
    ),
    "test_it_is_in_one_place": ("postgresql-move", "no-other-postgresql"),
    "test_its_pages_have_checksums": ("role, database and schema belong to Mattermost",),
    "test_the_database_is_archived": (
        "the database is archived",
        "repositories and their settings are in place",
        "settings of the repositories are in place",
    ),
    "test_a_backup_was_made_lately": (
        "a backup was made lately",
        "a backup of the database was made lately",
        "a backup of the files was made lately",
    ),
    "test_the_nightly_backup_is_scheduled": (
        "the nightly backup is scheduled",
        "the nightly backup of the database is scheduled",
        "the nightly backup of the files is scheduled",
        "backup-owner",
    ),
    "test_the_weekly_drill_is_scheduled": ("the weekly drill is scheduled",),
    "test_the_backups_are_proven": ("the backups are proven",),
    "test_their_disk_is_mounted": ("backup-disk",),
    "test_units_are_active": (
        "PostgreSQL is running",
        "the server is running",
        "NGINX is running",
        "firewall rules are loaded",
    ),
    "test_units_answer": ("PostgreSQL is running", "the server is running", "NGINX is running"),
    "test_units_have_their_user": (
        "folders, settings and unit are in place",
        "the account mattermost exists",
        "the server is running",
    ),
    "test_units_are_sandboxed": (
        "folders, settings and unit are in place",
        "systemd sandbox and limits are in place",
        "the server is running",
        "NGINX is running",
    ),
    "test_secret_files_are_closed": (
        "repositories and their settings are in place",
        "folders, settings and unit are in place",
        "certificate and key are in place",
    ),
    "test_ports_are_served": ("ports-free", "the server is running", "NGINX is running"),
    "test_the_certificate_is_trusted": ("certificate and key are in place", "NGINX is running"),
    "test_the_certificate_is_for_the_name_of_the_site": (
        "certificate and key are in place",
        "NGINX is running",
    ),
    "test_the_certificate_lasts": ("certificate-time",),
    "test_the_certificate_is_the_one_of_the_site": (
        "certificate and key are in place",
        "NGINX is running",
    ),
    "test_tls_1_1_is_refused": ("the tested configuration is in place", "NGINX is running"),
    "test_modern_tls_is_accepted": ("the tested configuration is in place", "NGINX is running"),
    "test_http_2_is_offered": ("the tested configuration is in place", "NGINX is running"),
}
VERIFICATION_ALONE = {
    "test_two_users_talk": "It writes: two users, a team and their posts. Only with `--journey`.",
    "test_nothing_else_listens": (
        "It judges programs of others, which no run stops; the firewall keeps them closed."
    ),
    "test_no_private_key_is_readable_by_everybody": (
        "It looks for keys of others below /etc, too; a plan judges the site's own."
    ),
}
"""Checks without a counterpart in a plan, and why."""
