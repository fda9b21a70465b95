"""`python -m portal.demo [--data DIR]`: the demo's process, which dials in at a Portal."""

from portal.demo.game import main

if __name__ == "__main__":
    main()
