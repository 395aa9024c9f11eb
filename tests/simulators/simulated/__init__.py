"""A simulated shop for machines without PHP: the same wire, the same Store API, the same hole; none of it WordPress.

    from tests.simulators.simulated import SimulatedShop

tests/integration/shop/test_any_shop.py holds it and the real one to the same tests.
"""

from tests.simulators.simulated.shop import SimulatedShop

__all__ = ["SimulatedShop"]
