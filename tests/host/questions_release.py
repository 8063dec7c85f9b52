"""The verification's questions about the release: the running binary, and two of its files."""

from dataclasses import dataclass

from mattermost_host.engine.batch import Question


@dataclass(frozen=True)
class RunningBinary:
    """The running executable, and the release that ``current`` links to."""

    executable: str = ""
    release: str = ""
    """The release's folder, with all links resolved."""


@dataclass(frozen=True)
class AskBinary(Question[RunningBinary]):
    """The executable of the unit's main process."""

    about = "the binary of {unit}"

    unit: str
    current: str

    def script(self) -> str:
        return (
            f"readlink /proc/$(systemctl show -p MainPID --value {self.unit})/exe"
            " | sed s/^/executable=/\n"
            f"readlink -f {self.current} | sed s/^/release=/"
        )

    def parse(self, lines: list[str]) -> RunningBinary:
        values = dict(line.split("=", 1) for line in lines)
        return RunningBinary(values.get("executable", ""), values.get("release", ""))


@dataclass(frozen=True)
class ReleaseFiles:
    """Two files of the release: one that the proxy serves, and one that it must not serve."""

    static: str = ""
    """Name below ``client/`` of a precompressed script."""
    static_bytes: int = 0
    """Size of its gzip file."""
    brotli_bytes: int = 0
    """Size of its brotli file; 0 if there is none."""
    outside: str = ""
    """Path below the release of a file that is not part of the web application."""
    outside_sha256: str = ""


@dataclass(frozen=True)
class AskReleaseFiles(Question[ReleaseFiles]):
    """Files to ask the proxy for."""

    about = "the files of the release"

    current: str

    def script(self) -> str:
        return (
            f"cd {self.current}/ || exit\n"
            "find client -maxdepth 1 -type f -name '*.js.gz' -printf 'static=%s %P\\n'"
            " | sort | head -n 1\n"
            "find client -maxdepth 1 -type f -name '*.js.br' -printf 'brotli=%s %P\\n'\n"
            "file=$(find i18n config NOTICE.txt bin -type f -size -2048k | sort | head -n 1)\n"
            'sha256sum "$file" | sed s/^/outside=/'
        )

    def parse(self, lines: list[str]) -> ReleaseFiles:
        values = dict(line.split("=", 1) for line in lines)
        size, _, name = values.get("static", "0 ").partition(" ")
        static = name.removesuffix(".gz")
        beside = (line.partition("=")[2].split(" ") for line in lines if line[:7] == "brotli=")
        brotli = {other: int(number) for number, other in beside}.get(f"{static}.br", 0)
        digest, _, outside = values.get("outside", "").partition("  ")
        return ReleaseFiles(static, int(size), brotli, outside, digest)
