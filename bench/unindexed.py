"""This server without the search index: the index's thread ends at once, the rest is as it is.

There is no such setting, since nobody would want it; the bench needs it to see what the index
costs. Run as `python -m bench.unindexed serve …`.
"""

from chatserver.cli.main import main
from chatserver.search.index import SearchIndex


def _do_nothing(_: SearchIndex) -> None:
    return


if __name__ == "__main__":
    setattr(SearchIndex, "_run", _do_nothing)  # noqa: B010 - a method may not be assigned
    main()
