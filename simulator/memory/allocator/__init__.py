"""The allocator's rule: plain functions over int64 arrays, run interpreted or as machine code."""
