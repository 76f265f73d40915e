"""Does a head look back to where the same token stood before? Scores on a random sequence that is said twice.

Induction: from a token to the one behind its first occurrence (Olsson et al. 2022, In-context learning and induction heads).
Duplicate: from a token to its first occurrence (Wang et al. 2022, Interpretability in the wild). Only queries of the second
copy count, for only they have a first occurrence to look at. Knows no token and no model.
"""

from jaxtyping import Float
from torch import Tensor

from attncompare.errors import BadInput


def copying_scores(
    rows: Float[Tensor, "head query key"], before: int, length: int
) -> tuple[Float[Tensor, " head"], Float[Tensor, " head"]]:
    """Induction and duplicate-token scores, each the mean over the second copy, between 0 and 1.

    Args:
        rows: of ``before`` tokens, a sequence of ``length`` tokens, and the same sequence again.

    Raises:
        BadInput: the rows are not of so many tokens, or there is no sequence.
    """
    if length < 1 or rows.shape[1:] != (before + 2 * length,) * 2:
        raise BadInput(f"Expected rows of {before} + 2 x {length} tokens, got {tuple(rows.shape[1:])}.")
    second = rows[:, before + length :]
    first = before  # key of the first query's first occurrence
    induction = second[:, :, first + 1 :].diagonal(dim1=1, dim2=2)[:, :length].mean(1)
    return induction, second[:, :, first:].diagonal(dim1=1, dim2=2)[:, :length].mean(1)
