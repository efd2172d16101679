"""Paging (OSTEP ch. 18 to 20)."""
