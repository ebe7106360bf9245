"""The drive of a task's inputs: the two numbers by which inputs enter mean field theory.

``s`` is the variance that the inputs give to a unit's z, ``rho`` the correlation of that drive
between two sequences of the task. Inputs of throughtime's networks are x W_xh with W_xh ~ N(0,
input_gain^2 / I) and no bias, so s = input_gain^2 E ||x||^2 / I and rho = E x . x' / E ||x||^2.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from throughtime.theory.mean_field import DomainError

if TYPE_CHECKING:
    from throughtime.tasks._base import Task


@dataclass(frozen=True)
class Drive:
    """s >= 0, and rho in [-1, 1] or None where two sequences have no one correlation that holds at
    all steps.
    """

    s: float
    rho: float | None


def one_hot(inputs: int, input_gain: float = 1.0, rho: float | None = None) -> Drive:
    """Symbols: ||x||^2 = 1 at every step, so s = input_gain^2 / I; rho is the chance
    that two sequences show the same symbol.

    >>> one_hot(10, rho=1.0)
    Drive(s=0.1, rho=1.0)
    """
    return Drive(input_gain**2 / inputs, rho)


def adding(length: int, input_gain: float = 1.0) -> Drive:
    """A value, uniform in [0, 1), and a mark at two of T steps: E ||x||^2 = 1/3 + 2/T,
    on average over steps.

    rho is not 0: values are independent, but their mean is not zero, so E v v' = 1/4 of E v^2 =
    1/3. The marks add (1/a + 1/b) / T to E x . x', where a and b are the lengths of the halves. rho
    is near 3/4.

    >>> drive = adding(50)
    >>> round(drive.s, 6), round(drive.rho, 6)
    (0.186667, 0.673929)
    """
    if length < 2:
        raise DomainError(f"length={length}: adding has two marks, it needs 2 steps or more")
    first, power = length // 2, 1 / 3 + 2 / length
    shared = 1 / 4 + (1 / first + 1 / (length - first)) / length
    return Drive(input_gain**2 * power / 2, shared / power)


def of_task(task: "Task", input_gain: float = 1.0) -> Drive:
    """The drive of a task, by its name.

    rho is that of the steps between what is to be remembered and the answer: 1 for copy (blanks,
    the same in every sequence), 1/4 for temporal order (one of four distractors), about 3/4 for
    adding; None for brackets and text, whose symbols are not independent in time.
    """
    if task.name == "adding":
        return adding(task.steps, input_gain)
    if not task.tokens:
        raise DomainError(
            f"task {task.name!r} has features of which theory knows nothing; make a Drive of your "
            "own"
        )
    return one_hot(task.inputs, input_gain, {"copy": 1.0, "temporal_order": 0.25}.get(task.name))
