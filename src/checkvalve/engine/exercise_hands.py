"""The hands of an exercise: the same commands, carried out on a shop in memory. There is no way from here to a real one."""

from typing import TYPE_CHECKING, Any, Final

import aiohttp
import msgspec

from checkvalve.actuators.checkout import CheckoutReport
from checkvalve.engine.errors import EngineError
from checkvalve.engine.hands import Again, Hands
from checkvalve.playbooks.types import Outcome

if TYPE_CHECKING:
    from checkvalve.engine.exercise_clock import Clock
    from checkvalve.engine.exercise_shop import ShopInMemory

PROBE_MS: Final = 6_000  # what a step takes in a real shop, about
ORDER_MS: Final = 2_000


class HandsInMemory(Hands):
    """`shop` and `clock` are set before the core that has these hands is started."""

    shop: "ShopInMemory"
    clock: "Clock"

    async def start(self) -> None:
        self.wordpress = self.shop  # type: ignore[assignment] # both have `sync`, which is all that is asked of it

    async def stop(self) -> None:
        """Nothing is held."""

    @property
    def session(self) -> aiohttp.ClientSession:
        raise EngineError("exercise", "an exercise has no way to a real shop")

    async def carry_out(self, command: Any) -> Outcome | Again:
        match command.kind:
            case "probe":
                self.clock.spend(PROBE_MS)
                return self._probed(command)
            case "verify_closed":
                self.clock.spend(ORDER_MS)
                closed = self.shop.route_closed(str(command.data["route"]))
                said = "POST was answered 403" if closed else "POST was answered 200"
                return Outcome(command=command.id, status="done" if closed else "failed", detail=said)
            case _:
                self.clock.spend(ORDER_MS)
                return await super().carry_out(command)

    def _probed(self, command: Any) -> Outcome:
        good = self.shop.checkout_works
        why = None if good else "checkout: answered 503"
        report = CheckoutReport(ok=good, why=why, steps={"checkout": PROBE_MS}, total="100", currency="EUR", paid="1.00 EUR")
        data = msgspec.to_builtins(report)
        said = "order over 1.00 EUR went through" if good else "the checkout failed"
        return Outcome(command=command.id, status="done" if good else "failed", detail=said, data=data)
