"""The linear recurrent network."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from throughtime.engine.cells._base import Elman

if TYPE_CHECKING:
    from torch import Tensor


class Identity(Elman):
    """``h_t = z_t``: every gradient has a closed form."""

    name: ClassVar[str] = "identity"
    compiled: ClassVar[bool] = True

    def phi_(self, z: Tensor) -> None:
        """See Elman."""

    def pull(self, dh: Tensor, h: Tensor, dz: Tensor) -> None:
        """See Elman."""
        dz.copy_(dh)
