"""The strategy's side: publish returns."""

from streams.client.publisher import ReturnPublisher

__all__ = ["ReturnPublisher"]
