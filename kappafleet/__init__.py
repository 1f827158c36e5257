"""Streaming statistics of drivers and sensors: RabbitMQ streams, PyFlink, Cassandra.

This package starts things: the command line, the local servers, publishers and importers. What is computed
stands in ``jobs``, how systems are reached in ``connectors``.
"""

__version__ = "0.1.0"
