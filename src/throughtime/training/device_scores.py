"""Scores summed on the device: a block of thousands of networks has gigabytes of errors."""

import numpy as np
import torch
from torch import Tensor

from throughtime.tasks import Batch
from throughtime.training.evaluation import ALL, Group, Scores, errors


class DeviceScores(Scores):
    """Scores whose sums alone come to the host; equal to those of ``Scores`` to rounding."""

    def judge(self, batch: Batch, y: Tensor, values: Tensor) -> None:
        """See Scores."""
        loss, measure = errors(self.task, y, values)
        keep = np.ones(loss.shape[1], bool) if batch.mask is None else batch.mask.ravel()
        extra = self.task.surcharge(batch)
        if extra is not None:
            measure = measure + torch.from_numpy(extra.ravel()).to(y.device)
        chosen: dict[Group, np.ndarray] = {ALL: keep}
        for by, bins in batch.groups.items():
            own = np.where(keep, bins.ravel(), -1)
            chosen |= {(by, int(bin_)): own == bin_ for bin_ in np.unique(own[own >= 0])}
        places = [torch.from_numpy(np.flatnonzero(c)).to(y.device) for c in chosen.values()]
        sums = [loss.index_select(1, places[0]).sum(1)]
        sums += [measure.index_select(1, p).sum(1) for p in places]
        totals = torch.where(torch.from_numpy(keep).to(y.device), measure, 0.0)
        self.totals.append(totals.view(len(totals), -1, batch.size).sum(1).cpu().numpy())
        self.sequences.append(keep.reshape(-1, batch.size).sum(0))
        own_loss, *groups = torch.stack(sums).cpu().numpy()
        self._loss += own_loss
        for (group, places_of), values_of in zip(chosen.items(), groups, strict=True):
            self._sum[group] += values_of
            self.count[group] += int(places_of.sum())
