"""Finds what a program does wrong with memory, as valgrind's memcheck and AddressSanitizer do."""
