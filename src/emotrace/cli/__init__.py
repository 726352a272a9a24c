"""The command line: one file per command, thin: parse, ask the library, write."""
