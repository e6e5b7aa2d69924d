"""Hotwords that are given to a service: what it asks the engine for, and what it says of those it cannot use."""

from __future__ import annotations

import logging
from typing import Collection, Mapping, Sequence

import pytest

from common.settings.hotword_list import Hotword
from common.speech.service import Service
from common.text.hotword_spelling import MOST_WARNINGS
from common.wire.events import Final
from tests.speech.scripted import TOKENS, ScriptedEngine, events_of, service


class Spelling(ScriptedEngine):
    """Writes one Latin word its own way, and notes what it is asked for."""

    token_list = (*TOKENS, "mon@@", "day", "mo@@", "nday")

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[set[str]] = []

    def spellings(self, words: Collection[str]) -> Mapping[str, Sequence[str]]:
        self.asked.append(set(words))
        return {"monday": ["mo@@", "nday"]}


def spelled(running: Service) -> list[str]:
    lexicon = running._partials.hotwords
    assert lexicon is not None
    return [Spelling.token_list[lexicon.tokens[column]] for column in lexicon.words[0]]


def test_a_latin_hotword_is_written_as_the_model_writes_it() -> None:
    engine = Spelling()
    running = service(engine, hotwords=(Hotword("Monday"),))
    assert engine.asked == [{"monday"}]
    assert spelled(running) == ["mo@@", "nday"]


def test_the_model_s_spelling_is_asked_for_only_where_there_is_a_latin_word() -> None:
    engine = Spelling()
    running = service(engine, hotwords=(Hotword("甲乙"), Hotword("USB")))
    running.set_hotwords([])
    assert engine.asked == []
    running.set_hotwords([Hotword("甲monday")])
    assert engine.asked == [{"monday"}]


def test_words_that_the_model_cannot_write_are_given_back_and_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    running = service(ScriptedEngine())
    assert running.set_hotwords([Hotword("甲乙")]) == ()
    assert running.set_hotwords([]) == ()
    assert caplog.messages == []
    assert running.set_hotwords([Hotword("甲赵", 30), Hotword("甲乙"), Hotword("王丙")]) == ("甲赵", "王丙")
    assert caplog.messages == [
        "hotword 甲赵 is left out: the model cannot write 赵",
        "hotword 王丙 is left out: the model cannot write 王",
    ]


def test_a_list_of_which_the_model_can_write_nothing_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    running = service(ScriptedEngine(), hotwords=(Hotword("赵王"),))
    assert caplog.messages == [
        "hotword 赵王 is left out: the model cannot write 赵",
        "the model can write none of the hotwords: nothing is listened for",
    ]
    assert [event.text for event in events_of(running, "..aaaa....") if isinstance(event, Final)] == ["甲"]


def test_a_long_list_of_them_does_not_flood_the_log(caplog: pytest.LogCaptureFixture) -> None:
    words = [Hotword(f"赵{chr(0x4E00 + number)}") for number in range(1000)]
    assert len(service(ScriptedEngine()).set_hotwords(words)) == 1000
    assert len(caplog.messages) == MOST_WARNINGS + 2
    assert f"{1000 - MOST_WARNINGS} more" in caplog.messages[-2]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
