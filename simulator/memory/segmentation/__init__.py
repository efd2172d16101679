"""Segmentation (OSTEP ch. 16)."""
