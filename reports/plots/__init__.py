"""Plots of a result: each function turns its tables into a matplotlib figure; `draw.draw_all` stores them."""
