"""Page replacement: which page goes when a frame is needed and none is free (OSTEP ch. 22)."""
