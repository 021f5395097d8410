"""What a sender was told to give up on is not sent later."""

import time

import pytest

from schemas.events import RiskSignal
from streams.operate.send import Sender, SendError
from streams.settings import KafkaSettings
from tests.ports import free_ports


def test_what_a_flush_gave_up_is_not_delivered_after_it():
    sender = Sender(KafkaSettings(bootstrap=f"127.0.0.1:{free_ports(1)}"), flush_timeout_s=1.0)
    sender.risk(RiskSignal(signal_id="s1", portfolio_id="main", action="halt"))
    began_s = time.monotonic()
    with pytest.raises(SendError):
        sender.flush()
    assert time.monotonic() - began_s < 10.0
    assert len(sender._producer) == 0  # nothing waits for a broker that comes back
    sender.flush()  # and its failure is told once
