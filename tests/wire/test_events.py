import dataclasses
import typing

import pytest

from portal.wire import events


@pytest.mark.parametrize("kind", typing.get_args(events.Event))
def test_events_are_small_and_do_not_change(kind):
    fields = dataclasses.fields(kind)
    event = kind(*range(len(fields)))
    assert event == kind(*range(len(fields)))
    assert not hasattr(event, "__dict__")
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(event, fields[0].name, None)


def test_every_event_is_one():
    classes = {each for each in vars(events).values() if dataclasses.is_dataclass(each)}
    assert classes == set(typing.get_args(events.Event))
