"""Exact expectations over groups and batches: nobody who asks what GRPO is needs to read these."""
