"""Windows over environmental sensors: quality-controlled readings, indices, enrichment."""
