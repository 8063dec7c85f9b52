"""Hardening that affects the server: FIPS mode, fapolicyd, crypto policies, rules of sudo."""

from collections.abc import Iterator

from mattermost_host.facts.host import HostFacts
from mattermost_host.preflight.finding import Finding, Requirement
from mattermost_host.preflight.host import unreadable

SERVER = "/opt/mattermost/"
PLUGINS = "/var/lib/mattermost/plugins/"
RULES = "/etc/fapolicyd/rules.d/80-mattermost.rules"
WEAK_POLICIES = {"LEGACY", "SHA1", "AD-SUPPORT-LEGACY"}
"""Crypto policies, and modules of one (DEFAULT:SHA1), that allow weak cryptography."""


def fips() -> Requirement:
    """FIPS mode asks for validated cryptography, which the server's own is not."""

    def check(facts: HostFacts) -> Iterator[Finding]:
        needed = "no FIPS mode, or a reason to skip this check"
        if "fips" in facts.unread:
            yield unreadable("fips", "whether the kernel is in FIPS mode", needed)
        elif facts.fips:
            yield Finding(
                "fips",
                "warning",
                "the kernel is in FIPS mode",
                needed,
                "The releases for servers are not built for it: the vendor's FIPS build is a "
                "container image only (mattermost-enterprise-fips-edition, since 11.0). NGINX and "
                "PostgreSQL use the system's cryptography. Skip this check with the reason if "
                "validated cryptography of the server itself is not asked of you.",
            )
        else:
            yield Finding("fips", "ok", "not in FIPS mode", needed)

    return Requirement("fips", check, "FIPS mode is off: the vendor's FIPS build is an image.")


def fapolicyd() -> Requirement:
    """fapolicyd allows programs in the server's folders."""

    def check(facts: HostFacts) -> Iterator[Finding]:
        needed = f"programs of {SERVER} may run"
        if {"units", "allowed_programs"} & facts.unread:
            yield unreadable("fapolicyd", "whether fapolicyd keeps programs from running", needed)
        elif "fapolicyd" in facts.active_units and not facts.allowed_programs:
            yield Finding(
                "fapolicyd",
                "error",
                f"fapolicyd is active, and no rule of it names {SERVER.rstrip('/')}",
                needed,
                f"Write into {RULES} 'allow perm=execute all : dir={SERVER} trust=0' and the same "
                f"with dir={PLUGINS} for plugins, run 'fagenrules --check' and 'fagenrules "
                "--load', and restart fapolicyd.",
            )
        else:
            found = "it has rules for them" if facts.allowed_programs else "it is not active"
            yield Finding("fapolicyd", "ok", found, needed)

    return Requirement("fapolicyd", check, "fapolicyd, where active, has a rule for the server.")


def crypto_policy() -> Requirement:
    """The system-wide crypto policy, which NGINX follows, allows no weak cryptography."""

    def check(facts: HostFacts) -> Iterator[Finding]:
        if not facts.family.nginx.tls_policy:
            return
        needed = "a policy for cryptography that allows nothing weak"
        if "crypto_policy" in facts.unread or not facts.crypto_policy:
            yield unreadable("crypto-policy", "the system-wide policy for cryptography", needed)
        elif WEAK_POLICIES.isdisjoint(facts.crypto_policy.split(":")):
            yield Finding("crypto-policy", "ok", facts.crypto_policy, needed)
        else:
            yield Finding(
                "crypto-policy",
                "warning",
                f"{facts.crypto_policy}, which allows what is easily broken, such as SHA-1",
                needed,
                "NGINX follows it. Type 'update-crypto-policies --set DEFAULT' and restart the "
                "host, or skip this check with the reason if something on the host needs it.",
            )

    return Requirement(
        "crypto-policy", check, "The system-wide policy for cryptography is not a weak one."
    )


def sudo_rules() -> Requirement:
    """No service can become root, or another account, by sudo."""

    def check(facts: HostFacts) -> Iterator[Finding]:
        needed = "no rule of sudo for an account of a service, or for everybody"
        if "sudo_rules" in facts.unread:
            yield unreadable("sudo-rules", "the rules of sudo", needed)
        elif not facts.sudo_rules:
            yield Finding("sudo-rules", "ok", "none", needed)
        for file, account in dict.fromkeys(facts.sudo_rules):
            yield Finding(
                "sudo-rules",
                "warning",
                f"{file} has a rule for {account}",
                needed,
                f"Whoever breaks into the service can use it. Remove it with 'visudo -f {file}', "
                "or skip this check with the reason.",
            )

    return Requirement("sudo-rules", check, "sudo has no rule for an account of a service.")
