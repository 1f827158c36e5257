"""The benchmark: ``make bench``. Not part of the package that users install."""
