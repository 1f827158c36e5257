"""The serving layer: questions to the tables by name, an HTTP API, workbooks, the dashboard.

It reads what the jobs have written and knows neither Flink nor the jobs; ``kappafleet serve`` starts it.

| module | knows |
|---|---|
| ``questions``, ``periods``, ``cursor``, ``parameters`` | what may be asked and how; no server, no clock of its own |
| ``encodings``, ``workbook``, ``definitions`` | how rows look as JSON, CSV, Arrow, .xlsx |
| ``store``, ``reader`` | Cassandra: prepared statements, active versions, pages across partitions |
| ``keys``, ``limits`` | who may ask what, and how often |
| ``problems``, ``app``, ``routes`` | HTTP |
| ``static`` | the dashboard's files |
"""
