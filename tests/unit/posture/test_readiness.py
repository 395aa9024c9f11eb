"""What would fail tonight: worst first, and what was not asked is named."""

import pytest

from checkvalve.posture.readiness import Answer, questions, readiness


def test_worst_first_and_nothing_is_silently_well() -> None:
    found = readiness(
        [
            Answer(id="law", good=True),
            Answer(id="rota", good=False, found="no rota"),
            Answer(id="core", good=False, found="off"),
        ]
    )
    assert [g.question.id for g in found.gaps] == ["core", "rota"]
    assert [g.what for g in found.gaps] == ["off", "no rota"]
    assert found.minutes == questions()["core"].minutes + questions()["rota"].minutes
    assert [q.id for q in found.good] == ["law"]
    assert len(found.not_assessed) == len(questions()) - 3


def test_an_answer_to_no_question_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="no such question: weather"):
        readiness([Answer(id="weather", good=True)])
