"""Who the people of each site are, in memory: what answers are looked through for, and the keys of the blind index."""

from sqlalchemy import Connection, select

from checkvalve.detection.register import Register
from checkvalve.evidence.blind import Blinder
from checkvalve.store.schema import sites, subjects


class Registers:
    """The register of each site, in memory; the table `subjects` is its source."""

    def __init__(self) -> None:
        self._sites: dict[str, Register] = {}
        self._blinders: dict[str | None, Blinder] = {}

    def load(self, db: Connection) -> None:
        self._sites.clear()
        for row in db.execute(select(sites.c.site, sites.c.pseudonym_key)):
            self._sites[row.site] = Register(row.pseudonym_key)
        for row in db.execute(select(subjects).order_by(subjects.c.rev)):
            if row.site in self._sites:
                self._sites[row.site].put(row.ref, [(c, h) for c, h in row.ids], row.rev)

    def get(self, db: Connection, site: str) -> Register | None:
        if site not in self._sites:
            key = db.scalar(select(sites.c.pseudonym_key).where(sites.c.site == site))
            if key is None:
                return None
            self._sites[site] = Register(key)
        return self._sites[site]

    def keys(self, db: Connection) -> list[bytes]:
        """The pseudonym key of each site."""
        found = (self.get(db, site) for site in db.scalars(select(sites.c.site)))
        return [register.key for register in found if register is not None]

    def blinder(self, db: Connection, site: str | None, otherwise: bytes) -> Blinder:
        """The blind index of a site; under the key `otherwise` for events of no known site."""
        if site not in self._blinders:
            register = self.get(db, site) if site else None
            self._blinders[site] = Blinder(otherwise if register is None else register.key)
        return self._blinders[site]
