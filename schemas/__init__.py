"""Messages and tables: the one place where a column is named."""
