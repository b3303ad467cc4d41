"""`python -m certs`: see `certs.cli`."""

from .cli import certs

if __name__ == "__main__":
    certs(prog_name="python -m certs")
