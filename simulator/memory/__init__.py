"""Memory: physical memory, address spaces, translation mechanisms and the heap behind malloc and free."""
