"""`python -m webhook` and the console script `nadmit`."""

from __future__ import annotations

from .cli import nadmit


def main() -> None:
    """Run the command line and exit."""
    nadmit(prog_name="nadmit")


if __name__ == "__main__":
    main()
