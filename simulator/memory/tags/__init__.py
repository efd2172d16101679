"""The allocator's own words in the memory that it manages: headers, boundary tags, links of the free list."""
