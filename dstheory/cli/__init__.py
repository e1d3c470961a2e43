"""The command line: one command per file, thin. Parse, call the library, print."""
