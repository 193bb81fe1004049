"""The command line: `python -m torchkeras script.py args...`.

Lives here: nothing but the call. May import: shim.runner. Must not know: how programs are run.
"""

from torchkeras.shim.runner import main

if __name__ == "__main__":
    main()
