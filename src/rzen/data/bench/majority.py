"""The baseline that never looks: what was most often right in training for the same question.

It is published beside the scores. On easy-VQA as its package ships it, a table from each question
to its commonest answer is right 67 times in 100; on a balanced set it cannot do better than chance.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterable


def majority_accuracy(
    train: Iterable[tuple[Hashable, str]], test: Iterable[tuple[Hashable, Collection[str]]]
) -> float:
    """How often the commonest training answer for a key is right.

    >>> train = [("what colour?", "red"), ("what colour?", "red"), ("what colour?", "blue")]
    >>> majority_accuracy(train, [("what colour?", ["red"]), ("what colour?", ["blue"])])
    0.5

    Args:
        train: (key, answer). The key is what the answer is looked up by: the text of a question,
            or the same for all where a set asks but one.
        test: (key, right answers), at least one. A key that training never saw is given the
            commonest answer of all. Of answers that are equally common, the first in the alphabet
            is taken.

    Returns:
        A fraction, in [0, 1].
    """
    counts: dict[Hashable, Counter[str]] = defaultdict(Counter)
    overall: Counter[str] = Counter()
    for key, answer in train:
        counts[key][answer] += 1
        overall[answer] += 1
    assert overall, "a majority needs training answers"
    fallback = _commonest(overall)
    table = {key: _commonest(answers) for key, answers in counts.items()}
    right = [table.get(key, fallback) in labels for key, labels in test]
    assert right, "an accuracy needs questions"
    return sum(right) / len(right)


def _commonest(answers: Counter[str]) -> str:
    return min(answers, key=lambda answer: (-answers[answer], answer))
