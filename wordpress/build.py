"""dist/checkvalve.zip, the file a shop owner uploads. The same sources always give the same bytes."""

import sys
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PLUGIN = HERE / "checkvalve"
TARGET = HERE.parent / "dist" / "checkvalve.zip"
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip can hold
KINDS = {".php", ".json", ".css", ".txt", ""}


def sources() -> list[Path]:
    """Every file of the plugin, in one order, without what editors leave behind."""
    return [p for p in sorted(PLUGIN.rglob("*")) if p.is_file() and p.suffix in KINDS and not p.name.startswith(".")]


def build(target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w") as archive:
        for path in sources():
            entry = zipfile.ZipInfo(f"checkvalve/{path.relative_to(PLUGIN).as_posix()}", EPOCH)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            archive.writestr(entry, path.read_bytes())


def main() -> int:
    build(TARGET)
    sys.stdout.write(f"{TARGET.relative_to(HERE.parent)}  {TARGET.stat().st_size // 1024} kB\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
