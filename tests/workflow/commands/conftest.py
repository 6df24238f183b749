"""Made-up tables, as the tests of the analysis have them."""

from __future__ import annotations

from tests.analysis.conftest import run_of, tables, tables_of

__all__ = ["run_of", "tables", "tables_of"]
