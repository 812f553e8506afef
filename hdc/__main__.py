"""The command `hdc` as a module: `python -m hdc`."""

from hdc.cli import main

if __name__ == "__main__":
    main()
