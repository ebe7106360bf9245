"""The table of words of the page: what they mean in this project."""

WORDS = (
    ("lag", "Steps between an input and the loss that depends on it."),
    ("T", "Steps of a sequence."),
    (
        "K, truncation length",
        "Depth of backpropagation in steps, the loss's own counted: it reaches inputs at lags 0 to "
        "K − 1. What that means depends on the mode.",
    ),
    (
        "mode",
        "chunked: the sequence is cut in chunks of K, and a loss sees (K + 1) / 2 steps on "
        "average. sliding: every loss sees exactly K. buffered: K to 2K − 1. randomized: cut at "
        "random every K steps on average, without bias. full: K = T.",
    ),
    (
        "carry, reset",
        "The state at the border of two chunks: passed on without its gradient, or set to zero.",
    ),
    (
        "gain g, σ_w",
        "Scale of the initial recurrent matrix: orthogonal is g times a random orthogonal matrix, "
        "gaussian has entries of variance g² / N.",
    ),
    (
        "input scale, input gain",
        "The same of the input matrix: entries of variance input gain² / number of inputs.",
    ),
    ("critical gain", "The gain at which theory's gradients neither vanish nor explode: χ₁ = 1."),
    (
        "clip threshold",
        "Where the norm of one network's gradient over all its parameters exceeds it, the gradient "
        "is scaled down to it. none: infinite.",
    ),
    ("seed", "What data and first weights are drawn from. The unit of every interval."),
    ("grid point", "A combination of all that networks were trained with, but for the seed."),
    (
        "frontier",
        "The longest dependency that half the seeds solve: the half point of a logistic curve in "
        "ln(lag). ≥: half the seeds solve the longest that was tested.",
    ),
    (
        "ξ",
        "Steps over which theory's networks forget what told two sequences apart, by a factor e.",
    ),
    ("χ₁", "Factor by which the mean squared gradient changes over one step of lag, in theory."),
    (
        "truncation bias δ(K)",
        "Norm of the mean truncated gradient less the full one, over the norm of the full one.",
    ),
    ("frozen control", "The same network, whose recurrent weights are never trained: a reservoir."),
    ("reset control", "The same network, its state set to zero at the border of chunks."),
    (
        "effective context",
        "Characters of true context beyond which more of it saves less than .05 bits.",
    ),
    (
        "bits per character",
        "Mean of −log₂ of the probability that the network gave to the next character of held-out "
        "text.",
    ),
    ("solved", "Meets its task's criterion on fresh data at the end of its budget."),
    ("unsolved", "Does not, and stayed finite."),
    (
        "diverged",
        "A loss, gradient or parameter was not finite, or the loss left the task's bound. Counts "
        "as a failure.",
    ),
    ("untrained", "Its budget was 0 updates: measured, neither solved nor failed."),
    (
        "truncated",
        "A cause of failure: at least half of what is missed lies at lags beyond the reach of K.",
    ),
    (
        "vanishing",
        "A cause: within reach, but the gradient's signal there, relative to lag 1, stayed below "
        "1 % at every point of the training curve.",
    ),
    ("clipped", "A cause: clipping changed more than half of the updates."),
    (
        "still learning",
        "A cause: the measure still improved over the last quarter of the budget, by more than its "
        "sampling error. The budget ended, not the learning.",
    ),
    ("plateau", "None of these causes."),
    (
        "false-alarm rate",
        "Of a cause: the share of solved networks that would have got it. Where it is large, the "
        "cause explains nothing, and is not shown.",
    ),
    (
        "supported, not supported, undecided",
        "The whole interval lies on the claim's side of its threshold, on the other side, or on "
        "both.",
    ),
)
