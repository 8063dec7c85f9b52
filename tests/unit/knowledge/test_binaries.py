"""What the server's binary needs of a host."""

from mattermost_host.knowledge import binaries, platforms

WAY_OUT = platforms.way_out()


def test_architectures() -> None:
    assert binaries.refusal("amd64") is None
    assert binaries.warning("amd64") is None
    assert binaries.refusal("arm64") is None
    assert "without the prepackaged plugins" in (binaries.warning("arm64") or "")
    assert binaries.refusal("riscv64") == (
        "The host's architecture is riscv64, and the server exists for x86-64 (amd64) and arm64 "
        "only. Use such a host."
    )


def test_a_glibc_that_is_too_old() -> None:
    assert binaries.glibc_verdict("2.31", "12.0.0") == (
        "The host has glibc 2.31, and Mattermost 12.0.0 needs 2.34 or newer: the binary would not "
        f"start. {WAY_OUT}, or choose another release."
    )
    assert binaries.glibc_verdict("2.34", "12.0.0") is None
