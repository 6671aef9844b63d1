"""``python -m pluseval``: the same commands as the ``pluseval`` script."""

from pluseval.cli import main

if __name__ == "__main__":
    main()
