"""`python -m chatserver` is `chat`."""

from chatserver.cli.main import main

if __name__ == "__main__":
    main()
