"""The demo application: four small web services whose calls to each other a posture opens and closes.

`python -m posture.local.bookinfo SERVICE` runs one of them; each module named after a service says what it
serves. Paths, fields and the texts on the page follow Istio's Bookinfo sample, so that its walkthroughs and
checks work here; the code, the book's summary and the reviews are this project's own.
"""

__all__: list[str] = []
