"""Logs that do not mark their attempts: conversations and plain transcripts, segmented, and their answers checked."""
