"""One self-contained HTML page of everything that was found about a pair and a text. Draws by :mod:`attncompare.plots` and
measures nothing; knows nothing about the page that visitors see, which shares its words and tables.
"""

from attncompare.report.findings import Findings
from attncompare.report.page import report

__all__ = ["Findings", "report"]
