"""Schema-negotiating, streaming RPC on trio and fastavro."""

__version__ = "0.1.0"

__all__: list[str] = []
