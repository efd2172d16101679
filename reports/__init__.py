"""Result directories to metrics, tables and plots. Reads results and knows nothing of who wrote them."""
