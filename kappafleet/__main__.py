"""`python -m kappafleet` is the same as `kappafleet`."""

from kappafleet.cli import main

if __name__ == "__main__":
    main()
