"""`python -m openwatt`: the same as `openwatt`."""

from openwatt.cli import main

if __name__ == "__main__":
    main(prog_name="openwatt")
