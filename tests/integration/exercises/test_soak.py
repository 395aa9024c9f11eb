"""Four incidents of two shops in a year, core killed twice: all is accounted for. The whole year: benchmarks/soak.py."""

from pathlib import Path

from benchmarks.soak import Wanted, audit, lines, lived


def test_a_year_with_crashes_ends_with_everything_accounted_for(tmp_path: Path) -> None:
    wanted = Wanted(incidents=4, shops=2, crashes=2)
    assert lived(wanted, tmp_path) == 2, "it was killed, not ended"
    counted, flaws = audit(wanted, tmp_path)
    assert flaws == []
    assert counted["cases"] >= 4 and counted["clocks_met"] > 0 and counted["clocks_over"] > 0, "good and bad players"
    assert counted["orders"] > 0 and counted["pages"] > 0

    file = next(f for f in tmp_path.glob("wp.*.outbox") if lines(f))
    kept = file.read_bytes()
    file.write_bytes(b"\n".join(lines(file)[:-1]) + b"\n")  # as if core had one that was never said
    assert [f for f in audit(wanted, tmp_path)[1] if file.stem in f], "the audit can fail"
    file.write_bytes(kept)
