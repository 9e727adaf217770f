"""`python -m chatclient` does what `chat connect` does."""

from chatclient.cli.connect import connect

if __name__ == "__main__":
    connect(prog_name="chat connect")
