from rzen.data.bench.majority import majority_accuracy


def test_uneven_answers_are_what_the_table_lives_on() -> None:
    """By hand: "is it red?" was "no" three times of four, so the table is right on 2 of 3."""
    train = [("red?", "no")] * 3 + [("red?", "yes"), ("what?", "circle")]
    test = [("red?", ["no"]), ("red?", ["yes"]), ("what?", ["circle"])]
    assert majority_accuracy(train, test) == 2 / 3


def test_a_key_that_training_never_saw_gets_the_commonest_answer() -> None:
    """Guards against a crash, or against a guess that depends on the order of training."""
    train = [("a", "x"), ("b", "y"), ("c", "y")]
    assert majority_accuracy(train, [("new", ["y"]), ("new", ["x"])]) == 0.5


def test_ties_do_not_depend_on_order() -> None:
    """Guards against a published figure that changes with the order of the training rows."""
    rows = [("a", "x"), ("a", "y")]
    test = [("a", ["y"])]
    assert majority_accuracy(rows, test) == majority_accuracy(rows[::-1], test) == 0.0


def test_any_of_several_labels_is_right() -> None:
    """Guards against counting a right answer as wrong where two documents answer."""
    assert majority_accuracy([("", "x")], [("", ("w", "x"))]) == 1.0
